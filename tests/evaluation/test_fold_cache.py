import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microfacial.errors import StorageError
from microfacial.evaluation.fold_cache import FoldCache, fold_key
from microfacial.evaluation.protocols import TrainConfig
from microfacial.models.roi_cnn import RoiCnnSettings
from microfacial.records import FoldPlan, FoldResult, History


def fold(name: str = "c/s1", repeat: int = 0, test_rows: tuple[int, ...] = (0, 1)) -> FoldResult:
    plan = FoldPlan(
        name=name,
        repeat=repeat,
        seed=5,
        test_rows=np.array(test_rows),
        training_rows=np.array([2, 3, 4]),
        validation_fold=np.array([0, 0, 1]),
    )
    return FoldResult(
        plan=plan,
        truth=np.array([0, 1]),
        probabilities=np.array([[0.9, 0.1], [1 / 3, 2 / 3]]),
        chosen="epoch 7",
        history=History(training_loss=(1.0, 0.5), validation_loss=(1.1, 0.7), validation_uar=(0.5, 0.6)),
        seconds=1.25,
        importances={"fusion": np.array([[0.25, 0.75], [0.5, 0.5]])},
        checkpoint={"encoder.0.weight": np.ones((2, 3), np.float32), "truth": np.array(7)},
    )


def test_a_fold_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = fold()
    FoldCache(tmp_path, "key").write(written)
    fold_read = FoldCache(tmp_path, "key").read(written.plan)
    assert fold_read is not None
    assert np.array_equal(fold_read.truth, written.truth)
    assert np.array_equal(fold_read.probabilities, written.probabilities)
    assert (fold_read.chosen, fold_read.history, fold_read.seconds) == (
        written.chosen,
        written.history,
        written.seconds,
    )
    assert fold_read.importances.keys() == {"fusion"}
    assert np.array_equal(fold_read.importances["fusion"], written.importances["fusion"])
    assert fold_read.checkpoint.keys() == written.checkpoint.keys()
    for name, array in written.checkpoint.items():
        assert fold_read.checkpoint[name].dtype == array.dtype
        assert np.array_equal(fold_read.checkpoint[name], array)


@pytest.mark.parametrize("other", [fold("c/s2"), fold(repeat=1)])
def test_a_fold_of_another_key_subject_or_repetition_is_never_read(tmp_path: Path, other: FoldResult) -> None:
    FoldCache(tmp_path, "key").write(fold())
    assert FoldCache(tmp_path, "other").read(fold().plan) is None
    assert FoldCache(tmp_path, "key").read(other.plan) is None


def test_a_damaged_fold_is_named(tmp_path: Path) -> None:
    cache = FoldCache(tmp_path, "key")
    cache.write(fold())
    (path,) = (tmp_path / "key").iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StorageError, match=r"c-s1#0\.npz"):
        cache.read(fold().plan)


@pytest.mark.parametrize(
    "other", [fold("c/s2"), fold(repeat=1), fold(test_rows=(3, 1))], ids=["subject", "repeat", "rows"]
)
def test_the_file_of_another_fold_is_refused(tmp_path: Path, other: FoldResult) -> None:
    cache = FoldCache(tmp_path, "key")
    cache.write(other)
    (path,) = (tmp_path / "key").iterdir()
    path.rename(path.with_name("c-s1#0.npz"))
    with pytest.raises(StorageError, match=rf"c-s1#0\.npz.*{re.escape(other.plan.key)}"):
        cache.read(fold().plan)


BASE: dict[str, Any] = {
    "features": "f",
    "code": "c",
    "protocol": TrainConfig(),
    "model": "roi_cnn",
    "settings": RoiCnnSettings(),
    "classes": ("x", "y"),
}


@pytest.mark.parametrize(
    "changes",
    [
        {"features": "g"},
        {"code": "d"},
        {"protocol": TrainConfig(protocol="composite")},
        {"protocol": TrainConfig(validation_folds=4)},
        {"protocol": TrainConfig(checkpoints=True)},
        {"protocol": TrainConfig(oracle=True)},
        {"model": "flow_cnn"},
        {"settings": RoiCnnSettings(epochs=7)},
        {"classes": ("y", "x")},
    ],
    ids=str,
)
def test_every_fact_that_changes_a_fold_changes_the_key(changes: dict[str, Any]) -> None:
    assert fold_key(**BASE) == fold_key(**BASE)
    assert fold_key(**{**BASE, **changes}) != fold_key(**BASE)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"repeats": 3}, {"bootstrap_draws": 500}], ids=str)
def test_seed_repetitions_and_bootstrap_draws_do_not_change_the_key(changes: dict[str, int]) -> None:
    protocol = TrainConfig().model_copy(update=changes)
    assert fold_key(**{**BASE, "protocol": protocol}) == fold_key(**BASE)


def test_the_key_does_not_depend_on_the_local_version_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    for version in ("2.13.0", "2.13.0+cpu", "2.13.0+cu130", "2.13.1"):
        monkeypatch.setattr("torch.__version__", version)
        keys.append(fold_key(**BASE))
    assert keys[0] == keys[1] == keys[2] != keys[3]
