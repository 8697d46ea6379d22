"""Predict the class frequencies of the training rows for every clip. Scores of other models are compared with this.

The most frequent class always wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.models.base import Estimator
from microfacial.records import FaceStore, FloatArray, History, Inputs, TrainingData
from microfacial.settings import Section


class MajoritySettings(Section):
    """`models.majority` in params.yaml. It has no keys."""


@dataclass(frozen=True)
class FittedMajority:
    """A fitted model.

    Attributes:
        frequencies: share of each class in the training rows, `(K,)` float64. The sum is 1.
        chosen: empty, because the model chooses nothing.
        history: empty, because the model has no epochs.
    """

    frequencies: FloatArray
    chosen: str = ""
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        """Return the same frequencies for every row.

        Args:
            inputs: `(n, 0)`. Only the number of rows matters.

        Returns:
            `(n, K)`.
        """
        return np.tile(self.frequencies, (len(inputs), 1))

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """Return `frequencies`, and `shape`, the shape `(0,)` of one sample."""
        return {"frequencies": self.frequencies, "shape": np.array([0])}


def _restore(settings: MajoritySettings, arrays: Mapping[str, NDArray[Any]]) -> FittedMajority:
    return FittedMajority(arrays["frequencies"])


def _make_inputs(store: FaceStore, settings: MajoritySettings) -> Inputs:
    """Empty inputs, `(N, 0)`."""
    return Inputs(values=np.empty((len(store.clips), 0), np.float32))


def _fit(training_data: TrainingData, settings: MajoritySettings) -> FittedMajority:
    """Count the classes of all training rows."""
    samples = training_data.samples
    return FittedMajority(np.bincount(samples.labels, minlength=len(samples.classes)) / len(samples.labels))


MAJORITY = Estimator(
    settings=MajoritySettings,
    presets={"default": {}},
    make_inputs=_make_inputs,
    fit=_fit,
    restore=_restore,
    ignores_seed=True,
)
