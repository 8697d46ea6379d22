import time
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from microfacial.errors import ProtocolError
from microfacial.evaluation import run_folds
from microfacial.models import MODELS
from microfacial.protocols import TrainConfig, plan_folds
from microfacial.records import Fitted, FoldResult, History, Samples
from microfacial.training import fit

CONFIG = TrainConfig(bootstrap_draws=100)


@dataclass
class Recorder:
    """A `fit` that remembers which rows it was shown: inputs carry their row number."""

    seen: list[tuple[set[int], set[int]]] = field(default_factory=list)
    chosen: str = ""
    history: History = field(default_factory=History)

    def __call__(self, training: Samples, validation: Samples, seed: int) -> "Recorder":
        parts = [{int(value) for value in part.inputs.ravel()} for part in (training, validation)]
        self.seen.append((parts[0], parts[1]))
        return self

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.tile([0.5, 0.3, 0.2], (len(inputs), 1))


def numbered(samples: Samples) -> Samples:
    return replace(samples, inputs=np.arange(len(samples.labels), dtype=np.float32)[:, None])


def fold_by_subject(samples: Samples, model: str = "linear_svm") -> dict[str, FoldResult]:
    settings = MODELS[model].settings.model_validate(SETTINGS[model])

    def fit_model(training: Samples, validation: Samples, seed: int):  # type: ignore[no-untyped-def]
        return fit(training, validation, seed, model=model, settings=settings)

    return {fold.plan.name: fold for fold in run_folds(samples, plan_folds(samples, CONFIG), fit_model, 1)}


SETTINGS: dict[str, dict[str, object]] = {
    "majority": {},
    "linear_svm": {"strengths": [0.01, 0.1], "inner_folds": 2},
    "roi_cnn": {"input_px": 16, "widths": [8, 8, 8, 8], "epochs": 3},
}


def test_held_out_subject_is_never_trained_on(samples: Samples) -> None:
    recorder, rows = Recorder(), numbered(samples)
    plans = plan_folds(rows, CONFIG)
    list(run_folds(rows, plans, recorder, 1))
    for plan, (training, validation) in zip(plans, recorder.seen, strict=True):
        assert training == set(plan.training)
        assert validation == set(plan.validation)
        assert not (training | validation) & set(plan.held_out)


@pytest.mark.parametrize("model", ["majority", "linear_svm", "roi_cnn"])
def test_the_held_out_subjects_labels_change_nothing_in_its_predictions(samples: Samples, model: str) -> None:
    held_out = samples.subjects == "a/1"
    corrupted = replace(samples, labels=np.where(held_out, 1 - samples.labels, samples.labels))
    honest, other = fold_by_subject(samples, model)["a/1"], fold_by_subject(corrupted, model)["a/1"]
    assert np.array_equal(honest.probabilities, other.probabilities)
    assert honest.chosen == other.chosen


@pytest.mark.parametrize("model", ["linear_svm", "roi_cnn"])
def test_the_same_seed_gives_the_same_folds_with_one_process_or_two(samples: Samples, model: str) -> None:
    settings = MODELS[model].settings.model_validate(SETTINGS[model])
    fit_model = partial(fit, model=model, settings=settings)
    large = replace(samples, inputs=samples.inputs.repeat(3, axis=-1).repeat(3, axis=-2))
    assert large.inputs.nbytes > 2**20  # from here on joblib hands arrays over as files
    samples = large
    plans = plan_folds(samples, CONFIG)
    runs = [
        sorted(run_folds(samples, plans, fit_model, processes), key=lambda fold: fold.plan.name)
        for processes in (1, 1, 2)
    ]
    for folds in zip(*runs, strict=True):
        assert all(np.array_equal(folds[0].probabilities, fold.probabilities) for fold in folds)
        assert all(folds[0].history == fold.history for fold in folds)


def test_a_folds_result_does_not_depend_on_which_others_are_run(samples: Samples) -> None:
    whole = fold_by_subject(samples, "roi_cnn")
    plans = [plan for plan in plan_folds(samples, CONFIG) if plan.name in ("a/2", "b/0")]
    settings = MODELS["roi_cnn"].settings.model_validate(SETTINGS["roi_cnn"])

    def fit_model(training: Samples, validation: Samples, seed: int):  # type: ignore[no-untyped-def]
        return fit(training, validation, seed, model="roi_cnn", settings=settings)

    for fold in run_folds(samples, plans, fit_model, 1):
        assert np.array_equal(fold.probabilities, whole[fold.plan.name].probabilities)


@pytest.mark.parametrize("model", ["majority", "linear_svm", "roi_cnn"])
def test_a_class_that_a_fold_lacks_keeps_its_column(samples: Samples, model: str) -> None:
    only_one = replace(samples, labels=np.where((samples.labels == 2) & (samples.subjects == "a/5"), 0, samples.labels))
    fold = fold_by_subject(only_one, model)["a/4"]
    assert 2 not in only_one.labels[np.concatenate([fold.plan.training, fold.plan.validation])]
    assert fold.probabilities.shape == (4, 3)
    assert fold.probabilities.sum(axis=1) == pytest.approx(1)
    if model != "roi_cnn":
        assert not fold.probabilities[:, 2].any()


def test_a_finished_fold_is_handed_over_while_a_slow_one_goes_on(samples: Samples) -> None:
    """Whoever kills the run then loses the slow fold only."""
    plans = plan_folds(samples, CONFIG)
    arrived = [fold.plan.name for fold in run_folds(samples, plans, partial(fit_slowly, slow=plans[0].seed), 2)]
    assert arrived[-1] == plans[0].subject
    assert sorted(arrived) == [plan.name for plan in plans]


def test_three_people_of_one_class_each_are_evaluated_or_refused_in_one_line(samples: Samples) -> None:
    rows = samples.take(np.array([0, 5, 18]))
    assert len(fold_by_subject(rows, "majority")) == 3
    with pytest.raises(ProtocolError, match="all training clips of a fold are"):
        fold_by_subject(replace(rows, labels=np.zeros(3, np.int64)), "linear_svm")


def test_a_subject_with_one_clip_is_a_fold_of_one(samples: Samples) -> None:
    assert len(fold_by_subject(samples, "majority")["b/0"].truth) == 1


def fit_slowly(training: Samples, validation: Samples, seed: int, *, slow: int) -> Fitted:
    if seed == slow:
        time.sleep(3)
    return fit(training, validation, seed, model="majority", settings=MODELS["majority"].settings())
