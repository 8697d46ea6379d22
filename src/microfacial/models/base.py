"""What a model variant is: settings, presets, inputs, and a network to train by epochs or an estimator to fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from microfacial.records import FaceStore, Fitted, Inputs, TrainingData
from microfacial.settings import Section

Explain = Callable[[Any, Tensor], Mapping[str, Tensor]]
MakeInputs = Callable[[FaceStore, Any], Inputs]
Preset = Mapping[str, Any]

PLAIN_TRAINING: Preset = MappingProxyType(  # without what the defaults add to it
    {"schedule": "constant", "warmup_epochs": 0, "label_smoothing": 0.0, "flip": False, "test_time_flip": False}
)
MISSION_TRAINING: Preset = MappingProxyType(
    {
        **PLAIN_TRAINING,
        "dropout": 0.2,
        "early_stopping": True,
        "epochs": 60,
        "patience": 20,
        "learning_rate": 1e-4,
        "weight_decay": 1e-2,
        "batch_size": 32,
        "precision": "auto",
    }
)


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """A model that fits in one go.

    `fit(known, settings)` may use all known rows; all that it chooses it chooses inside them.
    `restore(settings, arrays)` brings back what wrote a checkpoint, which has the `shape` of one sample among its
    arrays.
    """

    settings: type[Section]
    presets: Mapping[str, Preset]
    make_inputs: MakeInputs
    fit: Callable[[TrainingData, Any], Fitted]
    restore: Callable[[Any, Mapping[str, NDArray[Any]]], Fitted]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a network is built for: the shape of one sample, so many classes.

    `co_occurrence` `(R, R)` float32 says how often two regions move together in training clips, 0 to 1, as their
    annotated action units have it; it is zero where there are none.
    """

    shape: tuple[int, ...]
    classes: int
    co_occurrence: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model trained by epochs; its settings extend `OptimiserSettings`.

    `build(task, settings)` gives it untrained.
    `lockstep(settings)` says whether several folds are to train as one batched program (`torch.func.vmap`): it pays for
    networks made of matrix products, not for convolutions. `shows` says what a mirror does to inputs: motion to the
    right becomes motion to the left. `explain(network, inputs)` gives tensors `(N, …)` by the names of `Importances`.
    """

    settings: type[Section]
    presets: Mapping[str, Preset]
    make_inputs: MakeInputs
    build: Callable[[Task, Any], nn.Module]
    lockstep: Callable[[Any], bool]
    shows: Literal["motion", "appearance"] = "motion"
    explain: Explain | None = None


Variant = Estimator | Network
