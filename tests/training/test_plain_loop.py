"""The loop that benchmarks compare with does the same work as the package."""

from dataclasses import replace

import numpy as np
import pytest

from loso import Scored, compare_scores
from microfacial.evaluation.folds import train_chunk
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.models import MODELS
from microfacial.models.base import Network
from microfacial.models.presets import resolve
from microfacial.models.settings import OptimiserSettings
from microfacial.records import Samples
from plain_loop import train_fold

SHAPES = {"ststnet": (3, 28, 28), "mlp": (3, 14, 14), "roi_cnn": (4, 3, 14, 14), "hybrid": (3, 4, 3, 14, 14)}


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("model", SHAPES)
def test_without_random_numbers_both_train_the_same_network(samples: Samples, model: str, early_stopping: bool) -> None:
    """One batch has all rows, so their order does not matter. Dropout and augmentation are off."""
    random = np.random.default_rng(0)
    samples = replace(
        samples,
        inputs=random.normal(size=(len(samples.labels), *SHAPES[model])).astype(np.float32),
        active=np.zeros((len(samples.labels), 4), dtype=np.bool_),
        classes=("happiness", "disgust", "surprise"),
    )
    off = {"dropout": 0.0, "flip": False, "batch_size": 99, "epochs": 4, "early_stopping": early_stopping}
    settings, variant = resolve(model, off, model), MODELS[model]
    assert isinstance(settings, OptimiserSettings)
    assert isinstance(variant, Network)
    plan = plan_folds(samples, TrainConfig(protocol="composite"))[0]
    (fold,) = train_chunk(samples, (plan,), model, settings)
    plain = train_fold(samples, plan, variant, settings)
    assert plain == pytest.approx(fold.probabilities, abs=1e-4)
    assert np.ptp(fold.probabilities) > 0.01


@pytest.mark.parametrize(("folds", "words"), [(4, "too few"), (7, "too few"), (8, "lies in"), (32, "lies in")])
def test_scores_of_few_subjects_are_not_compared(folds: int, words: str) -> None:
    assert words in compare_scores(Scored(0.5, 0.4, 0.6), Scored(0.45, 0.4, 0.6), folds)


def test_scores_outside_of_the_interval_of_the_other_one_do_not_agree() -> None:
    assert "NOT" in compare_scores(Scored(0.5, 0.4, 0.6), Scored(0.7, 0.4, 0.9), 8)
