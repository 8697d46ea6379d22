from pathlib import Path

from microfacial.models import MODELS
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages.code import run_code
from microfacial.source_code import STAGES, code_manifest


def test_the_stage_writes_a_manifest_for_each_stage_and_each_model(project: Path) -> None:
    run_code(open_project())
    folder = project / "results" / "tiny" / "code"
    names = {stage for stage in STAGES if stage != "train"} | {f"train-{model}" for model in MODELS}
    assert {path.stem for path in folder.iterdir()} == {*names, "versions"}
    pins = Path("constraints.txt").read_text().splitlines()
    assert len(set((folder / "versions.txt").read_text().splitlines()) & set(pins)) == 6
    lines = [line.split("  ") for line in (folder / "train-hybrid.txt").read_text().splitlines()]
    assert {path: digest for digest, path in lines} == code_manifest("train", "hybrid")
