"""A project on the tiny demo with trained models, and a way to run commands in it."""

import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from microfacial.pipeline.cli import main, run_command_line
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages.train import run_train
from shared_folders import build_once


@pytest.fixture(autouse=True)
def one_round_of_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the costs of a bundle once. No test here depends on the figures."""
    monkeypatch.setattr("microfacial.inference.cost._ROUNDS", 1)


@pytest.fixture(scope="session")
def computed_models(computed: Path, tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The tiny demo with three trained models and the checkpoints of their folds. Copy it, do not write into it."""

    def build(root: Path) -> None:
        shutil.copytree(computed, root, symlinks=True)
        (root / "mlruns").mkdir()
        shutil.copy(empty_store, root / "mlruns")
        params = (root / "params.yaml").read_text().replace("protocol: loso", "protocol: loso, checkpoints: true")
        (root / "params.yaml").write_text(params + "registry: {min_subjects: 2}\n")
        with chdir(root), pytest.MonkeyPatch.context() as patch:
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            for model in ("linear_svm", "roi_cnn", "majority"):
                run_train(open_project(), model, processes=1)

    return build_once(tmp_path_factory, "computed-models", build)


@pytest.fixture
def place(computed_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `computed_models`, the current folder of the test."""
    return enter_copy(computed_models, tmp_path, monkeypatch)


def enter_copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy a project and make the copy the current folder of the test."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = Path(shutil.copytree(project, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="session")
def registered(computed_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that returns `computed_models` with one model as version 1, the challenger. Copy it."""

    def register(model: str) -> Path:
        def build(root: Path) -> None:
            shutil.copytree(computed_models, root, symlinks=True)
            with chdir(root), pytest.MonkeyPatch.context() as patch:
                patch.delenv("MLFLOW_TRACKING_URI", raising=False)
                main(["register", model], standalone_mode=False)

        return build_once(tmp_path_factory, f"registered-{model}", build)

    return register


@pytest.fixture
def svm_place(registered: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which linear_svm is version 1, the challenger. It is the current folder of the test."""
    return enter_copy(registered("linear_svm"), tmp_path, monkeypatch)


@pytest.fixture
def roi_cnn_place(registered: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which roi_cnn is version 1, the challenger. It is the current folder of the test."""
    return enter_copy(registered("roi_cnn"), tmp_path, monkeypatch)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command and return its exit code."""

    def call(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["microfacial", *arguments])
        with pytest.raises(SystemExit) as stopped:
            run_command_line()
        return int(stopped.value.code or 0)

    return call
