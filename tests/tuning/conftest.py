"""Fixtures of studies: workers on generated data, and a project in which `microfacial study` runs."""

import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from click.testing import CliRunner

from fakes import TINY_PARAMS, make_data
from microfacial.models.presets import resolve
from microfacial.pipeline.cli import main
from microfacial.pipeline.config import load
from microfacial.pipeline.project import PARAMS
from microfacial.tracking.store import connect
from microfacial.tuning.candidates import Candidate, CandidateTrainer
from microfacial.tuning.objective import InnerFolds
from microfacial.tuning.optuna_storage import StudyStorage, find_studies
from microfacial.tuning.optuna_study import TrialRunner
from microfacial.tuning.search_space import Categorical, Float, Space
from microfacial.tuning.settings import StudyConfig
from microfacial.tuning.study_spec import StudySpec
from microfacial.tuning.subjects import choose_tuning_subjects
from microfacial.tuning.trials import StoredStudy
from shared_folders import build_once

SPACE: Space = {
    "learning_rate": Float(1e-4, 1e-1, log=True),
    "dropout": Float(0.0, 0.7),
    "hidden": Categorical((4, 8, 16)),
}
BASE = {"epochs": 2, "flip": False, "test_time_flip": False, "input_px": 7}
PARAMS_YAML = Candidate("mlp", resolve("mlp", {**BASE, "hidden": 8}, "mlp"))

MODELS = """models:
  majority: {}
  mlp: {epochs: 2, input_px: 7, hidden: 8, flip: false, test_time_flip: false}  # small

"""
STUDY = """
study:                    # quick
  tuning_subjects: [demo/sub01, demo/sub02, demo/sub03]
  inner_folds: 3
  trials: 4
  startup_trials: 2
  fixed_parameters: [epochs, input_px]
"""


@pytest.fixture
def make_inner_folds(tmp_path: Path) -> Callable[..., InnerFolds]:
    """Make the inner folds of a data set with 12 or another number of subjects."""

    def make(*, folder: Path = tmp_path / "folds", subjects: int = 12, processes: int = 1, **config: Any) -> InnerFolds:
        data = make_data(subjects=subjects)
        trainer = CandidateTrainer(data=data, folder=folder, features="f", code="c", processes=processes)
        return InnerFolds(trainer=trainer, subjects=choose_tuning_subjects(data, ()), config=StudyConfig(**config))

    return make


@pytest.fixture
def make_runner(
    tmp_path: Path, make_inner_folds: Callable[..., InnerFolds], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TrialRunner]:
    """Make workers of one study. Each has its own objects, like a separate process."""
    monkeypatch.chdir(tmp_path)

    def make(
        reference: Candidate = PARAMS_YAML, space: Space = SPACE, *, root: Path = tmp_path, **config: Any
    ) -> TrialRunner:
        defaults = {"trials": 6, "startup_trials": 3, "inner_folds": 6, "heartbeat_seconds": 1}
        inner_folds = make_inner_folds(folder=root / "folds", **{**defaults, **config})
        base = PARAMS_YAML.settings.model_dump()
        spec = StudySpec("demo-mlp-0", "mlp", base, space, reference, {"dataset": "demo"})
        return TrialRunner(spec, inner_folds, StudyStorage(root, inner_folds.config))

    return make


def write_study_project(root: Path, computed: Path, empty_store: Path) -> None:
    """Write a project with computed flow and a small multilayer perceptron."""
    shutil.copytree(computed, root, symlinks=True)
    head, _, tail = TINY_PARAMS.partition("models:")
    (root / PARAMS).write_text(f"{head}{MODELS}report:{tail.partition('report:')[2]}{STUDY}")
    (root / "mlruns").mkdir()
    shutil.copy(empty_store, root / "mlruns")


@pytest.fixture
def study_project(tmp_path: Path, computed: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with computed flow and a small multilayer perceptron. It is the current folder of the test."""
    root = tmp_path / "project"
    write_study_project(root, computed, empty_store)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="session")
def concluded_template(computed: Path, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a finished study in which trial 2 won, and the output of the study in output.txt."""

    def build(root: Path) -> None:
        write_study_project(root, computed, empty_store)
        with chdir(root), pytest.MonkeyPatch.context() as patch:
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            raise_trial(patch, 2)
            (root / "output.txt").write_text(run_study("mlp"))

    return build_once(tmp_path_factory, "concluded-study", build)


@pytest.fixture
def concluded(study_project: Path, concluded_template: Path) -> str:
    """Add a finished study in which trial 2 won to `study_project`. Return the output of the study."""
    for name in ("mlruns", ".microfacial"):
        shutil.copytree(concluded_template / name, study_project / name, dirs_exist_ok=True)
    connect(study_project)  # the addresses of artifacts follow the copy
    return (concluded_template / "output.txt").read_text()


def run_study(*arguments: str) -> str:
    """Run `microfacial study` in the current folder. Return its output, or raise the error of the command."""
    options = ["--processes", "1"] if arguments[0] == "mlp" else []
    result = CliRunner().invoke(main, ["study", *arguments, *options])
    if result.exception:
        raise result.exception
    return result.output


@pytest.fixture
def study(study_project: Path) -> Callable[..., str]:
    """Return `run_study`. The current folder is a project."""
    return run_study


@pytest.fixture
def set_study(study_project: Path) -> Callable[..., None]:
    """Change keys of the section `study`."""

    def change(**keys: Any) -> None:
        content = yaml.safe_load(PARAMS.read_text())
        content["study"] |= keys
        PARAMS.write_text(yaml.safe_dump(content, sort_keys=False))

    return change


@pytest.fixture
def latest_study(study_project: Path) -> Callable[[], StoredStudy]:
    """Read the latest study of the multilayer perceptron."""
    return lambda: find_studies(StudyStorage(Path(), load(PARAMS).study), "tiny", "mlp")[-1]


@pytest.fixture
def let_win(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make the trial with a given number the best, whatever its folds give."""
    return lambda number: raise_trial(monkeypatch, number)


def raise_trial(patch: pytest.MonkeyPatch, number: int) -> None:
    """Raise the score of one trial above all others."""
    train = TrialRunner._train

    def train_and_raise(self: TrialRunner, trial: optuna.Trial, candidate: Candidate) -> float:
        return train(self, trial, candidate) + number * (trial.number == number)

    patch.setattr(TrialRunner, "_train", train_and_raise)
