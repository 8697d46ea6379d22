"""The class that is most frequent in training, for every clip: what a score means nothing without."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.models.base import Estimator
from microfacial.records import FaceStore, History, Inputs, TrainingData
from microfacial.settings import Section


class MajoritySettings(Section):
    """`models.majority` of params.yaml: nothing to set."""


@dataclass(frozen=True)
class FittedMajority:
    """Class frequencies `(K,)` of the training part."""

    frequencies: NDArray[np.float64]
    chosen: str = ""
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same frequencies for every input, `(n, K)`."""
        return np.tile(self.frequencies, (len(inputs), 1))

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """The frequencies, and the shape of inputs, which are empty."""
        return {"frequencies": self.frequencies, "shape": np.array([0])}


def restore(settings: MajoritySettings, arrays: Mapping[str, NDArray[Any]]) -> FittedMajority:
    """The frequencies that wrote a checkpoint."""
    return FittedMajority(arrays["frequencies"])


def make_inputs(store: FaceStore, settings: MajoritySettings) -> Inputs:
    """Nothing: `(N, 0)`."""
    return Inputs(values=np.empty((len(store.clips), 0), np.float32))


def fit(known: TrainingData, settings: MajoritySettings) -> FittedMajority:
    """Count classes over all known rows."""
    labels = known.samples.labels
    return FittedMajority(np.bincount(labels, minlength=len(known.samples.classes)) / len(labels))


MAJORITY = Estimator(
    settings=MajoritySettings, presets={"default": {}}, make_inputs=make_inputs, fit=fit, restore=restore
)
