"""The number of epochs of a model that is fitted on all subjects."""

from pathlib import Path

import numpy as np
import pytest

from microfacial.errors import DamagedError, StorageError
from microfacial.evaluation.protocols import TrainConfig
from microfacial.files import write_csv
from microfacial.models.mlp import MlpSettings
from microfacial.models.presets import resolve
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import History, Samples, TrainingData
from microfacial.registry import refit as refit_module
from microfacial.registry.refit import fix_epochs, refit, require_best_epochs
from microfacial.registry.training_source import TrainingSource
from microfacial.training.fit import fit


def test_early_stopping_is_replaced_by_the_median_of_the_epochs_that_the_folds_chose() -> None:
    settings = resolve("roi_cnn", {"early_stopping": True, "epochs": 60}, "roi_cnn")
    fixed = fix_epochs(settings, ["epochs 3, 9", "epochs 5, 40", "epochs 7, 8"])
    expected = {"early_stopping": False, "epochs": round(np.median([3, 9, 5, 40, 7, 8]))}
    assert fixed == settings.model_copy(update=expected)


def test_settings_without_early_stopping_are_unchanged() -> None:
    for model in ("roi_cnn", "linear_svm"):
        settings = resolve(model, {}, model)
        assert fix_epochs(settings, ["epoch 60"]) is settings


def test_a_fold_without_epochs_is_refused() -> None:
    settings = resolve("roi_cnn", {"early_stopping": True}, "roi_cnn")
    with pytest.raises(StorageError, match=r"'C 0\.1'"):
        fix_epochs(settings, ["C 0.1"])


def stopping(**changes: int) -> MlpSettings:
    return MlpSettings(early_stopping=True, epochs=6, patience=2).model_copy(update=changes)


@pytest.mark.parametrize(("size", "epochs"), [(1, 40), (1, 2), (3, 40)])
def test_epochs_that_a_training_chose_are_accepted(samples: Samples, size: int, epochs: int) -> None:
    settings = stopping(ensemble_size=size, epochs=epochs)
    data = TrainingData(samples=samples, validation_fold=np.arange(25) // 4 % 3, seed=1)
    (fitted,) = fit([data], model="mlp", settings=settings)
    rounded = tuple(np.round(fitted.history.validation_loss, 6).tolist())
    require_best_epochs(settings, fitted.chosen, History(validation_loss=rounded))


@pytest.mark.parametrize(
    ("chosen", "losses", "wrong"),
    [
        ("epoch 3", (0.9, 0.8, 0.7, 0.8, 0.8), [0, 1, 2, 4, 5, 9]),
        ("epoch 6", (0.9, 0.8, 0.7, 0.6, 0.6, 0.5), [1, 3, 4, 5, 7]),
        ("epoch 6", (0.0,) * 6, [1, 2, 3, 7]),  # no validation row counts
        ("epoch 2", (0.9, 0.7, 0.7, 0.7), [1, 3, 4]),  # equal after rounding
    ],
)
def test_only_the_epoch_that_the_curve_gives_is_accepted(
    chosen: str, losses: tuple[float, ...], wrong: list[int]
) -> None:
    history = History(validation_loss=losses)
    require_best_epochs(stopping(), chosen, history)
    for epoch in wrong:
        with pytest.raises(DamagedError, match=f"'epoch {epoch}'"):
            require_best_epochs(stopping(), f"epoch {epoch}", history)


@pytest.mark.parametrize("wrong", ["epochs 1, 1", "epochs 4, 1", "epoch 3", "epochs 0, 3", "epochs 1, 3, 3"])
def test_only_epochs_that_an_ensemble_can_choose_are_accepted(wrong: str) -> None:
    history = History(validation_loss=(0.9, 0.8, 0.7, 0.6, 0.5))  # a mean, whose lowest loss says nothing
    require_best_epochs(stopping(ensemble_size=2), "epochs 1, 3", history)
    with pytest.raises(DamagedError, match=f"'{wrong}'"):
        require_best_epochs(stopping(ensemble_size=2), wrong, history)


def test_a_refit_refuses_epochs_that_the_folds_did_not_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = TrainingSource(
        results=tmp_path,
        params=tmp_path / "params.yaml",
        model="mlp",
        dataset="d",
        scheme="casme2-4",
        settings=stopping(),
        faces=FacesConfig(),
        flow=FlowConfig(),
        train=TrainConfig(),
        tuned_on=(),
        clips_hash="",
        faces_hash="",
        flow_hash="",
    )
    write_csv(
        source.folder / "folds.csv",
        [{"held_out": "a/0", "repeat": 0, "chosen": "epoch 1"}],
        ("held_out", "repeat", "chosen"),
    )
    curve = History(validation_loss=(0.9, 0.8, 0.7, 0.8, 0.8))
    monkeypatch.setattr(refit_module, "read_curves", lambda _: {"a/0#0": curve})
    with pytest.raises(StorageError, match=r"folds\.csv.*'epoch 1'"):
        refit(source)
