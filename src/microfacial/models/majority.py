"""The class that is most frequent in training, for every clip: what a score means nothing without."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from microfacial.models.contract import Estimator
from microfacial.records import FlowStore, History, Samples
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


def make_inputs(store: FlowStore, settings: MajoritySettings) -> NDArray[np.float32]:
    """Nothing: `(N, 0)`."""
    return np.empty((len(store.clips), 0), np.float32)


def fit(training: Samples, validation: Samples, settings: MajoritySettings, seed: int) -> FittedMajority:
    """Count classes over training and validation rows."""
    labels = np.concatenate([training.labels, validation.labels])
    return FittedMajority(np.bincount(labels, minlength=len(training.classes)) / len(labels))


MAJORITY = Estimator(settings=MajoritySettings, presets={"default": {}}, make_inputs=make_inputs, fit=fit)
