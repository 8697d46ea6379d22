import shutil
from pathlib import Path

import pytest
from tracked_training import CONFIG, IDENTITY, make_folds

from microfacial.evaluation.result_files import write_training
from microfacial.evaluation.scoring import pool
from microfacial.records import Evaluation, FoldResult, Samples
from microfacial.tracking.run_records import write_identity


@pytest.fixture
def root(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_store, tmp_path / "mlruns")
    return tmp_path


@pytest.fixture
def folds(samples: Samples) -> list[FoldResult]:
    return make_folds(samples, CONFIG)


@pytest.fixture
def scored(samples: Samples, folds: list[FoldResult]) -> Evaluation:
    return pool("m", samples, folds, CONFIG)


@pytest.fixture
def out(tmp_path: Path, samples: Samples, folds: list[FoldResult], scored: Evaluation) -> Path:
    """Write the files of the train stage. Return their folder."""
    folder = tmp_path / "results" / "d" / "train" / "m"
    write_training(folder, samples, folds, scored)
    write_identity(folder, IDENTITY)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "fold.npz").touch()
    return folder
