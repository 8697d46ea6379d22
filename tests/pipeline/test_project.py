"""The folders of a project, and the digests that its stage `code` writes."""

from pathlib import Path

import pytest

from microfacial.models import MODELS
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages.code import run_code
from microfacial.source_code import STAGES, code_manifest


def test_results_under_the_old_name_are_announced_once_with_the_remedy(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "build" / "tiny").mkdir(parents=True)
    open_project()
    assert capsys.readouterr().err == ""  # a folder of this name without results is not ours

    (project / "build" / "tiny" / "clips.csv").write_text("clip\n")
    open_project()
    (line,) = capsys.readouterr().err.splitlines()
    assert "build/tiny" in line
    assert "`mv build results`" in line

    (project / "results" / "tiny").mkdir(parents=True)
    open_project()
    assert capsys.readouterr().err == ""


def test_the_stage_code_writes_a_manifest_for_each_stage_and_each_model(project: Path) -> None:
    run_code(open_project())
    folder = project / "results" / "tiny" / "code"
    names = {stage for stage in STAGES if stage != "train"} | {f"train-{model}" for model in MODELS}
    assert {path.stem for path in folder.iterdir()} == names
    lines = [line.split("  ") for line in (folder / "train-hybrid.txt").read_text().splitlines()]
    assert {path: digest for digest, path in lines} == code_manifest("train", "hybrid")
