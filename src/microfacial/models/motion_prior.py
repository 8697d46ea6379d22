"""Motion prior: predict with a network that was trained on drawn motion only. It fits nothing to the training rows.

    (N, 2, 28, 28) ─▶ shipped network ─▶ emotions ─▶ (N, K)

No real clip is used to train it. The demo's clips are drawn by the same kind of code,
so a score on the demo means nothing.

Source: `models.prior`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.models.base import Estimator
from microfacial.models.inputs import portrait
from microfacial.models.prior import INPUT_PX, PRIOR_ARRAYS, MotionPrior, emotion_shares, load_prior
from microfacial.records import FaceStore, FloatArray, History, Inputs, TrainingData
from microfacial.settings import Section


class MotionPriorSettings(Section):
    """`models.motion_prior` in params.yaml. It has no keys."""


@dataclass(frozen=True)
class FittedPrior:
    """The prior with the classes of a label scheme.

    Attributes:
        network: the network.
        shares: share of each emotion in each of K classes, `(K, E)`.
        shape: shape of one sample.
        chosen: empty, because the model chooses nothing.
        history: empty, because the model has no epochs.
    """

    network: MotionPrior
    shares: FloatArray
    shape: tuple[int, ...]
    chosen: str = ""
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        """Return probabilities `(n, K)` for maps `(n, 2, s, s)`."""
        return self.network.class_probabilities(inputs, self.shares)

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """Return the network and its classes as arrays, with the shape of one sample."""
        return {**self.network.arrays, "shares": self.shares, "shape": np.array(self.shape, dtype=np.int64)}


def _restore(settings: MotionPriorSettings, arrays: Mapping[str, NDArray[Any]]) -> FittedPrior:
    network = MotionPrior(arrays={name: arrays[name] for name in PRIOR_ARRAYS})
    return FittedPrior(network, arrays["shares"], tuple(arrays["shape"].tolist()))


def _make_inputs(store: FaceStore, settings: MotionPriorSettings) -> Inputs:
    """Motion of the face in the frame in which the prior was trained, `(N, 2, INPUT_PX, INPUT_PX)`."""
    return portrait(store, INPUT_PX)


def _fit(training_data: TrainingData, settings: MotionPriorSettings) -> FittedPrior:
    """Look up the emotions of the classes. The training rows are not used.

    Raises:
        ConfigError: a class is not an emotion or a group of emotions.
        StorageError: the weights are missing or damaged.
    """
    samples = training_data.samples
    return FittedPrior(load_prior(), emotion_shares(samples.classes), samples.inputs.shape[1:])


MOTION_PRIOR = Estimator(
    settings=MotionPriorSettings,
    presets={"default": {}},
    make_inputs=_make_inputs,
    fit=_fit,
    restore=_restore,
    ignores_seed=True,
    uses_prior=lambda _: True,
)
