"""Commands that change nothing work for a user who may only read the project."""

import shutil
from pathlib import Path

import pytest

from microfacial.pipeline import data_version
from microfacial.pipeline.data_version import check_data
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.location import database_path
from microfacial.tracking.store import connect
from microfacial.tracking.store_check import check_store
from read_only import call_as_reader


def list_files(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


def test_a_reader_opens_the_store_and_writes_nothing(root: Path) -> None:
    client = connect(root)
    ensure_experiment(client, "d", root)
    before = list_files(root)
    answer = call_as_reader(root, lambda: check_store(connect(root, reading=True), root, "d", "s"))
    assert answer.startswith("2 experiments")
    assert list_files(root) == before
    assert call_as_reader(root, lambda: connect(root)).startswith("PermissionError")


def test_a_lock_of_another_user_does_not_stop_a_reader(root: Path) -> None:
    connect(root)
    answer = call_as_reader(root / "mlruns" / ".lock", lambda: check_store(connect(root, reading=True), root, "d", "s"))
    assert answer.startswith("1 experiments")


def test_a_missing_store_is_one_line_for_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    answer = call_as_reader(tmp_path, lambda: connect(tmp_path, reading=True))
    assert answer.startswith("PipelineError")
    assert str(database_path(tmp_path)) in answer


def test_a_moved_project_is_refused_with_its_former_place(root: Path) -> None:
    ensure_experiment(connect(root), "d", root)
    moved = Path(shutil.copytree(root, root.with_name("moved")))
    answer = call_as_reader(moved, lambda: connect(moved, reading=True))
    assert answer.startswith("PipelineError")
    assert str(root) in answer


def test_an_unreadable_store_is_named(root: Path) -> None:
    path = database_path(root)
    path.chmod(0o200)
    answer = call_as_reader(root, lambda: connect(root, reading=True))
    assert answer.startswith("PipelineError")
    assert f"chmod u+r {path}" in answer


def test_data_are_compared_although_the_proof_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data_version, "_compare", lambda *_: {"equal": True})
    Path("data").mkdir()
    Path("data.dvc").touch()
    assert call_as_reader(tmp_path, check_data) == "data/ is the version in data.dvc"
    assert sorted(path.name for path in Path().iterdir()) == ["data", "data.dvc"]
