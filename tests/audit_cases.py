"""Data, settings and helpers of the audit in evaluation/test_audit.py."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.evaluation.folds import chunk_plans, train_chunk
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.models import MODELS
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, FoldPlan, FoldResult, Samples
from microfacial.settings import Section
from microfacial.training.fit import chunk_size

PROTOCOLS = {
    name: TrainConfig.model_validate({"protocol": name, "holdout": ["a/1", "b/0"], "validation_folds": 3})
    for name in ("loso", "composite", "leave-one-dataset-out", "holdout")
}
LOUD = 100.0  # factor for inputs that must not matter
WHOLE = (3, 28, 28)
ONE_EPOCH: dict[str, Any] = {
    "epochs": 1,
    "batch_size": 8,
    "ensemble_size": 1,
    "early_stopping": True,
    "warmup_epochs": 0,
}
TWO_EPOCHS: dict[str, Any] = {**ONE_EPOCH, "epochs": 2, "learning_rate": 0.01}

# Settings that make each model fast, and the shape of one sample, as `make_inputs` returns it.
TINY: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "majority": ({}, (0,)),
    "motion_prior": ({}, (2, 28, 28)),
    "linear_svm": ({"c_values": [1e-3, 1e-1], "inner_folds": 2}, (3, 4, 4)),
    "logistic_regression": ({"c_values": [1e-3, 1e-1], "inner_folds": 2, "components": 5}, (3, 4, 4)),
    "rgb": ({**TWO_EPOCHS, "width": 8}, (3, 16, 16)),
    "flow_cnn": ({**TWO_EPOCHS, "input_px": 14, "patch_px": 7, "width": 8}, (3, 14, 14)),
    "roi_cnn": ({**TWO_EPOCHS, "widths": [8, 8, 8, 8]}, (2, 3, 8, 8)),
    "roi_graph": ({**TWO_EPOCHS, "adjacency": "action-units", "width": 8, "heads": 2}, (2, 3, 4, 4)),
    "roi_transformer": ({**TWO_EPOCHS, "width": 8, "heads": 2}, (4, 2, 3, 4, 4)),
    "hybrid": ({**TWO_EPOCHS, "adjacency": "action-units", "width": 8, "heads": 2}, (5, 2, 3, 4, 4)),
    "mlp": ({**TWO_EPOCHS, "hidden": 8}, (3, 4, 4)),
    "ststnet": (ONE_EPOCH, WHOLE),
    "off_apexnet": (ONE_EPOCH, (2, 28, 28)),
    "sssnet": (ONE_EPOCH, (3, 64, 64)),
    "rcn_a": ({**ONE_EPOCH, "width": 8, "pooled": 2}, WHOLE),
    "htnet": ({**ONE_EPOCH, "width": 6}, WHOLE),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "members": {"ensemble_size": 3},
    "all train": {"early_stopping": False},
    "early stopping": {"patience": 3, "epochs": 20, "learning_rate": 0.03, "weight_decay": 0.0},
    "flips": {"flip": True, "test_time_flip": True},
    "mixtures in one batch": {"mixup_alpha": 0.4, "batch_size": 64},
    "mixtures in many batches": {"mixup_alpha": 0.4, "batch_size": 4},
    "shifts and jitter": {"shift_px": 1, "window_jitter": 0.3},
    "averages": {"ema_decay": 0.9, "max_gradient_norm": 0.1, "schedule": "cosine", "warmup_epochs": 1},
    "focal": {"loss": "focal", "class_weights": "root", "label_smoothing": 0.1},
    "all together": {
        "ensemble_size": 3,
        "flip": True,
        "test_time_flip": True,
        "mixup_alpha": 0.4,
        "shift_px": 1,
        "ema_decay": 0.9,
    },
}

# Each model that uses the motion prior, with the settings that make it do so.
WITH_PRIOR: dict[str, dict[str, Any]] = {
    "motion_prior": {},
    **{name: {"start": "motion_prior"} for name in ("mlp", "flow_cnn", "roi_cnn", "roi_graph", "roi_transformer")},
    "hybrid": {"prior_share": 0.5},
}


def settings_of(model: str, **changes: Any) -> Section:
    variant = MODELS[model]
    return variant.settings.model_validate({**variant.presets["default"], **TINY[model][0], **changes})


@cache
def samples_of(model: str) -> Samples:
    """Four subjects of corpus a, three of corpus b, with one to five clips each; three classes."""
    random = np.random.default_rng(0)
    shape = TINY[model][1]
    subjects = np.repeat(["a/0", "a/1", "a/2", "a/3", "b/0", "b/1", "b/2"], [4, 5, 3, 4, 3, 4, 2])
    rows = len(subjects)
    labels = np.array([0, 1, 2, 0, 1, 0, 2, 1, 1, 0, 2, 1, 0, 2, 1, 0, 1, 2, 0, 0, 1, 2, 1, 0, 1])
    regions = shape[-4] if len(shape) > 3 else 0
    return Samples(
        inputs=random.normal(size=(rows, *shape)).astype(np.float32),
        labels=labels,
        subjects=subjects,
        corpora=np.array([name[0] for name in subjects]),
        clips=np.arange(rows).astype(str),
        active=random.random((rows, regions)) < 0.5,
        classes=("negative", "positive", "surprise"),
        windows=(ONSET_APEX, *PHASE_WINDOWS)[-shape[0] :] if len(shape) == 5 else (),
        mirror=tuple(range(regions))[::-1],
    )


def numbered(samples: Samples) -> Samples:
    """Replace each input by the number of its row, counted from 1."""
    numbers = np.arange(1, len(samples.labels) + 1, dtype=np.float32)
    return replace(samples, inputs=numbers[:, None])


def chunk_with(samples: Samples, name: str, config: TrainConfig, size: int) -> tuple[FoldPlan, ...]:
    """Return the chunk that contains a fold."""
    chunks = chunk_plans(plan_folds(samples, config), size)
    return next(chunk for chunk in chunks if name in [plan.name for plan in chunk])


def run(samples: Samples, name: str, model: str, protocol: str, **changes: Any) -> FoldResult:
    """Train one fold, together with the same other folds as in the `train` stage."""
    settings = settings_of(model, **changes)
    chunk = chunk_with(samples, name, PROTOCOLS[protocol], chunk_size(model, settings, samples))
    folds = train_chunk(samples, chunk, model, settings)
    return next(fold for fold in folds if fold.plan.name == name)


def weights_of_fold(samples: Samples, name: str, model: str, settings: Section) -> Mapping[str, NDArray[Any]]:
    """Train one fold alone, because other folds train on its test rows. Return all arrays of its checkpoint."""
    (plan,) = (plan for plan in plan_folds(samples, PROTOCOLS["composite"]) if plan.name == name)
    (fold,) = train_chunk(samples, (plan,), model, settings, checkpoints=True)
    return fold.checkpoint


@cache
def run_unchanged(name: str, model: str, protocol: str, option: str = "") -> FoldResult:
    """Train a fold on the unchanged data, once for all tests that compare it with a fold on changed data."""
    return run(samples_of(model), name, model, protocol, **(OPTIONS[option] if option else {}))


def fold_with_most_test_rows(samples: Samples, protocol: str) -> tuple[str, NDArray[np.int64]]:
    """Return the name and the test rows of the fold with the most test rows."""
    plan = max(plan_folds(samples, PROTOCOLS[protocol]), key=lambda plan: len(plan.test_rows))
    return plan.name, plan.test_rows


def changed(values: NDArray[Any], rows: NDArray[np.int64], by: NDArray[Any]) -> NDArray[Any]:
    copy = values.copy()
    copy[rows] = by
    return copy


def same(one: FoldResult, other: FoldResult) -> bool:
    """Return whether two folds are equal to the last bit, except for the truth."""
    equal = np.array_equal(one.probabilities, other.probabilities)
    return equal and (one.chosen, one.history) == (other.chosen, other.history)
