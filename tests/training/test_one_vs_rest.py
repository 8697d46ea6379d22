from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.models import Estimator
from microfacial.models.motion_prior import MOTION_PRIOR, MotionPriorSettings
from microfacial.models.prior import load_prior
from microfacial.records import FloatArray, History, Samples, TrainingData
from microfacial.settings import Section
from microfacial.training.one_vs_rest import fit_units

UNITS = len(SCORED_UNITS)


class NoSettings(Section):
    pass


@dataclass(frozen=True)
class Share:
    """Predicts the share of moving rows that it was fitted on."""

    share: float
    chosen: str = "s"
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        return np.tile([1 - self.share, self.share], (len(inputs), 1))

    def checkpoint(self) -> Mapping[str, NDArray[Any]]:
        return {"share": np.array(self.share)}


def make_estimator(received: list[TrainingData]) -> Estimator[NoSettings]:
    def fit_share(data: TrainingData, settings: NoSettings) -> Share:
        received.append(data)
        return Share(float(data.samples.labels.mean()))

    def not_used(*_: object) -> Any:
        raise AssertionError

    return Estimator(settings=NoSettings, presets={}, make_inputs=not_used, fit=fit_share, restore=not_used)


def training_data(samples: Samples, units: NDArray[np.float32]) -> TrainingData:
    rows = replace(samples, units=units, task="units")
    return TrainingData(samples=rows, validation_fold=np.arange(25) // 4, seed=0)


def test_each_unit_is_fitted_on_the_rows_that_are_annotated_for_it(samples: Samples) -> None:
    units = np.zeros((25, UNITS), np.float32)
    units[::3, 0] = 1
    units[10:, 0] = np.nan
    units[4:8, 1] = 1
    received: list[TrainingData] = []
    fitted = fit_units(make_estimator(received), training_data(samples, units), NoSettings())
    first, second = received  # the other units never move, so there is nothing to fit
    assert np.array_equal(first.samples.clips, samples.clips[:10])
    assert np.array_equal(first.samples.labels, [1, 0, 0] * 3 + [1])
    assert np.array_equal(first.validation_fold, np.arange(10) // 4)
    assert len(second.samples.labels) == 25
    predicted = fitted.predict(np.zeros((2, 1), np.float32))
    assert predicted == pytest.approx(np.tile([0.4, 4 / 25, *[0] * (UNITS - 2)], (2, 1)))
    assert fitted.chosen == "AU1 s, AU2 s"
    assert set(fitted.checkpoint()) == {"1/share", "2/share", "shape", *(f"{u}/constant" for u in SCORED_UNITS[2:])}


def test_a_unit_of_a_single_subject_and_one_without_annotation_are_constant(samples: Samples) -> None:
    units = np.full((25, UNITS), np.nan, np.float32)
    units[:4, 0] = [1, 0, 0, 0]
    received: list[TrainingData] = []
    fitted = fit_units(make_estimator(received), training_data(samples, units), NoSettings())
    assert received == []
    assert fitted.predict(np.zeros((1, 1), np.float32))[0] == pytest.approx([0.25, *[0] * (UNITS - 1)])


def test_the_motion_prior_predicts_its_own_probabilities(samples: Samples) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 2, 28, 28)).astype(np.float32)
    fitted = fit_units(MOTION_PRIOR, training_data(samples, np.zeros((25, UNITS), np.float32)), MotionPriorSettings())
    expected = load_prior().unit_probabilities(maps)
    for column, unit in enumerate(SCORED_UNITS):
        assert np.array_equal(fitted.predict(maps)[:, column], expected[:, load_prior().units.index(unit)])
