"""dvc.yaml lists, for each stage, exactly the modules whose code decides its results."""

import subprocess
from pathlib import Path

import grimp
import pytest
import yaml

from fakes import ROOT
from microfacial.errors import PipelineError
from microfacial.models import MODELS
from microfacial.pipeline.config import OPTIONAL
from microfacial.pipeline.provenance import dvc_hash, git_tags, stage_code, would_commit

CORE = {
    "clips": {"datasets", "preprocessing.faces", "datasets.frames", "preprocessing.spotting", "files"},
    "faces": {"preprocessing.faces", "datasets.frames", "files"},
    "flow": {"preprocessing.flow", "datasets.frames", "preprocessing.motion", "files"},
    "train": {
        "datasets.label_schemes",
        "evaluation.folds",
        "evaluation.oracle",
        "evaluation.result_files",
        "evaluation.protocols",
        "models.inputs",
        "evaluation.scoring",
        "training.fit",
    },
    "report": {
        "evaluation.result_files",
        "report.page",
        "report.dvc_plots",
        "report.results",
        "report.tables",
        "evaluation.significance",
    },
}
DECIDES_NOTHING = {"errors", "models"}  # messages, and the list of all models


def imports_below(roots: set[str]) -> set[str]:
    graph = grimp.build_graph("microfacial")
    found: set[str] = set()
    waiting = {f"microfacial.{root}" for root in roots}
    while waiting:
        module = waiting.pop()
        found.add(module)
        if module.removeprefix("microfacial.") not in DECIDES_NOTHING:
            waiting |= graph.find_modules_directly_imported_by(module) - found
    return {module.removeprefix("microfacial.") for module in found} - DECIDES_NOTHING


def shared_by_models() -> set[str]:
    """What lies beside the models and is none: stages name it for all of them, as they cannot ask which one uses it."""
    beside = grimp.build_graph("microfacial").find_children("microfacial.models")
    return {module.removeprefix("microfacial.") for module in beside} - {f"models.{model}" for model in MODELS}


def as_module(path: Path) -> str:
    name = ".".join(path.with_suffix("").parts[2:])
    return name.removesuffix(".__init__")


@pytest.mark.parametrize("stage", ["clips", "faces", "flow", "report"])
def test_a_stage_depends_on_all_modules_it_uses_and_no_other(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert {as_module(path) for path in stage_code(stage)} == imports_below(CORE[stage]) | {f"pipeline.stages.{stage}"}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_depends_on_its_own_file_and_not_on_another_model_s(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    expected = imports_below({*CORE["train"], f"models.{model}"}) | shared_by_models() | {"metrics"}
    assert {as_module(path) for path in stage_code("train", model)} == expected


def test_the_page_depends_on_its_layout_too() -> None:
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["report"]["deps"]
    layout = {
        path.name for path in (ROOT / "src/microfacial/report").iterdir() if path.suffix in (".html", ".css", ".js")
    }
    assert layout == {"page.html", "page.css", "page.js"}
    assert {f"src/microfacial/report/{name}" for name in layout} <= set(deps)


def test_every_section_of_params_is_tracked_by_the_stage_of_its_name() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    sections = set(yaml.safe_load((ROOT / "params.yaml").read_text())) - {"models", *OPTIONAL}
    assert sections == set(stages)
    assert all(section in stages[section]["params"] for section in sections)


def test_a_folders_hash_is_the_one_dvc_computes(tmp_path: Path) -> None:
    """The expected value is what `dvc add` of DVC 3.67 wrote for these two files."""
    (tmp_path / "b.txt").write_text("two\n")
    (tmp_path / "a.txt").write_text("one\n")
    assert dvc_hash(tmp_path) == "0db8483de05df6afc987b04d47a9746b.dir"


def test_outside_of_a_project_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match="project's root"):
        stage_code("flow")


def test_what_the_pipeline_writes_while_it_runs_makes_no_tree_dirty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True)

    metrics = tmp_path / "results" / "d" / "reports" / "metrics.json"
    metrics.parent.mkdir(parents=True)
    for path in (metrics, tmp_path / "dvc.lock", tmp_path / "params.yaml"):
        path.write_text("before")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "a")
    monkeypatch.chdir(tmp_path)
    metrics.write_text("after")
    (tmp_path / "dvc.lock").write_text("after")
    assert git_tags()["microfacial.git_dirty"] == "false"
    (tmp_path / "params.yaml").write_text("after")
    assert git_tags()["microfacial.git_dirty"] == "true"


def test_git_keeps_what_lies_in_a_checkout_and_is_not_ignored(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "page.png"
    assert not would_commit(path)  # no checkout
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert would_commit(path)
    (tmp_path / ".gitignore").write_text("/kept/\n")
    assert not would_commit(path)
