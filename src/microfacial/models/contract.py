"""What a model variant is: settings, presets, inputs, and a network to train by epochs or an estimator to fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from microfacial.records import Fitted, FlowStore, Samples
from microfacial.settings import Section

MakeInputs = Callable[[FlowStore, Any], NDArray[np.float32]]
Preset = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """A model that fits in one go.

    `fit(training, validation, settings, seed)` may use both parts; all that it chooses it chooses inside them.
    """

    settings: type[Section]
    presets: Mapping[str, Preset]
    make_inputs: MakeInputs
    fit: Callable[[Samples, Samples, Any, int], Fitted]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model trained by epochs.

    `build(input_shape, classes, settings)` gives it untrained; `input_shape` is one sample's.
    """

    settings: type[Section]
    presets: Mapping[str, Preset]
    make_inputs: MakeInputs
    build: Callable[[tuple[int, ...], int, Any], nn.Module]


Variant = Estimator | Network
