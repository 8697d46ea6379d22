"""The number of epochs of a model that is fitted on all subjects."""

import numpy as np
import pytest

from microfacial.errors import StorageError
from microfacial.models.presets import resolve
from microfacial.registry.refit import fix_epochs


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
