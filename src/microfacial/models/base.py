"""The two kinds of model variant: a network to train by epochs, and an estimator that fits in one step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from microfacial.errors import ConfigError
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Fitted, Inputs, TrainingData
from microfacial.settings import Section

Explain = Callable[[Any, Tensor], Mapping[str, Tensor]]
Preset = Mapping[str, Any]

PLAIN_TRAINING: Preset = MappingProxyType(  # none of the techniques that the default settings switch on
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
MISSION_ATTENTION: Preset = MappingProxyType(
    {
        **MISSION_TRAINING,
        "input_px": 224,
        "whole_face": False,
        "encoder": "conv",
        "shared_encoder": True,
        "normalise": True,
        "width": 256,
        "depth": 2,
        "heads": 8,
    }
)

AnySettings = TypeVar("AnySettings", bound=Section)
NetworkSettings = TypeVar("NetworkSettings", bound=OptimiserSettings)


@dataclass(frozen=True, kw_only=True)
class Estimator(Generic[AnySettings]):
    """A model that fits in one step.

    Attributes:
        settings: class of its settings.
        presets: settings by the name of a preset. The preset `default` exists for every model.
        make_inputs: function `(store, settings)` that returns the model's inputs.
        fit: function `(training_data, settings)` that returns the fitted model. It may use all training rows. It
            chooses hyperparameters inside these rows.
        restore: function `(settings, arrays)` that returns the fitted model from the arrays of its checkpoint. One of
            the arrays is `shape`, the shape of one sample.
        ignores_seed: whether `fit` ignores the seed and the validation folds. Repetitions then give the same model, so
            a protocol fits it once, whatever its number of repetitions.
        uses_prior: function `(settings)` that returns whether predictions depend on the motion prior.
        fit_units: function `(training_data, settings)` that returns a model of the task `units`. None fits one model
            with two classes for each unit.
    """

    settings: type[AnySettings]
    presets: Mapping[str, Preset]
    make_inputs: Callable[[FaceStore, AnySettings], Inputs]
    fit: Callable[[TrainingData, AnySettings], Fitted]
    restore: Callable[[AnySettings, Mapping[str, NDArray[Any]]], Fitted]
    ignores_seed: bool = False
    uses_prior: Callable[[AnySettings], bool] = lambda _: False
    fit_units: Callable[[TrainingData, AnySettings], Fitted] | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """The facts about the data that determine the form of a network.

    Attributes:
        shape: shape of one sample.
        classes: number of outputs of the network: K classes, then U action units.
        names: names of the K classes; empty if the network is only rebuilt from stored weights.
        units: numbers of the U action units that the last outputs are for. Empty unless the network learns units.
        co_occurrence: `(R, R)` float32, 0 to 1: the share of training clips in which two regions move together
            according to the annotated action units. It is 0 everywhere without annotations.
    """

    shape: tuple[int, ...]
    classes: int
    co_occurrence: NDArray[np.float32]
    names: tuple[str, ...] = ()
    units: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Network(Generic[NetworkSettings]):
    """A model trained by epochs.

    Attributes:
        settings: class of its settings.
        presets: settings by the name of a preset. The preset `default` exists for every model.
        make_inputs: function `(store, settings)` that returns the model's inputs.
        build: function `(task, settings)` that returns an untrained network.
        lockstep: function `(settings)` that returns whether several folds train as one batched program
            (`torch.func.vmap`). This is faster for networks made of matrix products, and slower for convolutions.
        vmaps: whether `torch.func.vmap` can run the network at all. On a graphics processor, all folds of such networks
            train as one program.
        shows: content of the inputs, which determines their mirror image. In the mirror image of `motion`, motion to
            the right becomes motion to the left.
        explain: function `(network, inputs)` that returns tensors `(N, …)` by the names of the fields of `Importances`.
        uses_prior: function `(settings)` that returns whether predictions depend on the motion prior.
    """

    settings: type[NetworkSettings]
    presets: Mapping[str, Preset]
    make_inputs: Callable[[FaceStore, NetworkSettings], Inputs]
    build: Callable[[Task, NetworkSettings], nn.Module]
    lockstep: Callable[[NetworkSettings], bool]
    vmaps: bool = True
    shows: Literal["motion", "appearance"] = "motion"
    explain: Explain | None = None
    uses_prior: Callable[[NetworkSettings], bool] = lambda _: False


Variant = Estimator[Any] | Network[Any]


def typed_settings(kind: type[AnySettings], settings: Section) -> AnySettings:
    """Return settings with the type that a variant needs.

    Args:
        kind: class of the settings, `Estimator.settings` or `Network.settings`.
        settings: settings of any model.

    Returns:
        The same object.

    Raises:
        ConfigError: the settings belong to another model.
    """
    if not isinstance(settings, kind):
        raise ConfigError(
            f"the model needs {kind.__name__}, but its settings are {type(settings).__name__}. "
            "Create them with microfacial.models.presets.resolve"
        )
    return settings
