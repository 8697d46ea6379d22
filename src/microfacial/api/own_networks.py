"""Make a model variant of a function that builds a network, and check what it returns."""

import inspect
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from microfacial.api.network_checks import (
    check_parameters,
    check_prediction,
    check_training_step,
    copy_fixed_tensors,
    require_new_weights,
)
from microfacial.api.own_inputs import InputSettings, make_own_inputs
from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.errors import ConfigError, faults_as_config_errors
from microfacial.models.base import Network, Task, Variant, typed_settings
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings
from microfacial.records import Samples
from microfacial.settings import Section
from microfacial.training.stack import resolve_precision

_LOG = logging.getLogger(__name__)

BuildNetwork = Callable[[tuple[int, ...], int], nn.Module]
"""A function that returns an untrained network for the shape of one sample and the number of classes."""

_ROWS = (2, 5)  # of the random inputs that a new network is tried on


class OwnNetworkSettings(OptimiserSettings, InputSettings):
    """The inputs and the training of a network that a user's own function builds."""


def make_network(function: Callable[..., object]) -> tuple[str, Variant]:
    """Make a variant of a function that builds a network.

    Args:
        function: a `BuildNetwork` function. Each network that it builds is tried on random inputs.

    Returns:
        A name for the model, and its variant.

    Raises:
        ConfigError: the function does not take two arguments.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        inspect.signature(function).bind((3, 28, 28), 4)
    except (TypeError, ValueError) as error:  # ValueError: the signature of a built-in function is unknown
        raise ConfigError(
            f"{name}: a function that builds a network takes two arguments, the shape of one sample and the number of "
            f"classes ({error})"
        ) from None
    variant = Network(
        settings=OwnNetworkSettings,
        presets={"default": {}},
        make_inputs=make_own_inputs,
        build=_Builder(function, name),
        lockstep=_trains_alone,
        vmaps=False,
    )
    return "network" if name == "<lambda>" else name, variant


def check_network(variant: Variant, samples: Samples, settings: Section) -> None:
    """Try the network of a user's own function before its folds are trained. Other variants are not tried.

    Args:
        variant: the variant.
        samples: all samples.
        settings: settings of the variant.

    Raises:
        ConfigError: the function or its network fails, returns something else than it should, or repeats its weights.
    """
    if not (isinstance(variant, Network) and isinstance(variant.build, _Builder)):
        return
    own_settings = typed_settings(OwnNetworkSettings, settings)
    units = SCORED_UNITS if samples.units is not None and own_settings.unit_weight > 0 else ()
    task = Task(
        shape=samples.inputs.shape[1:],
        classes=len(samples.classes) + len(units),
        co_occurrence=np.empty((0, 0), dtype=np.float32),
        names=samples.classes,
        units=units,
    )
    rows = min(own_settings.batch_size, len(samples.labels))
    variant.build.check(task, rows, resolve_precision(own_settings))


def name_network_faults(variant: Variant) -> AbstractContextManager[None]:
    """Turn errors of the network of a user's own function into a `ConfigError` while its folds are trained.

    A network can pass `check_network` and fail for the clips of a fold.

    Args:
        variant: the variant. Errors of other variants stay as they are.

    Raises:
        MicrofacialError: see `faults_as_config_errors`.
    """
    if isinstance(variant, Network) and isinstance(variant.build, _Builder):
        return faults_as_config_errors(f"{variant.build.name}: the network fails for the clips of a fold")
    return nullcontext()


def _trains_alone(settings: OwnNetworkSettings) -> bool:
    """Own networks may contain operations that several networks cannot share in one program."""
    return False


@dataclass(frozen=True)
class _Builder:
    """A user's own function that builds networks.

    Attributes:
        function: the function.
        name: its name, for messages.
    """

    function: Callable[..., object]
    name: str

    def __call__(self, task: Task, _settings: OwnNetworkSettings) -> nn.Module:
        """Build a network and check what it returns."""
        network, _ = self._build_two(task)
        return network.train()

    def check(self, task: Task, rows: int, precision: str) -> None:
        """Try a training step, and warn of weights that are the same in every fold."""
        with torch.random.fork_rng(devices=[]):
            network, (equal, count) = self._build_two(task)
            check_training_step(network, torch.randn(rows, *task.shape), task.classes, self.name, precision)
        if equal:
            _LOG.warning(
                "%s: %d of %d tensors of weights and buffers are the same in every fold. If they were trained on clips "
                "of the test subjects, the scores are too high. Fixed tables, such as filters, do no harm",
                self.name,
                equal,
                count,
            )

    def _build_two(self, task: Task) -> tuple[nn.Module, tuple[int, int]]:
        """Return a new network, and the result of `require_new_weights` for it and another one."""
        network = self._build(task)
        with torch.random.fork_rng(devices=[]):
            fixed = copy_fixed_tensors(network)
            for rows in _ROWS:
                check_prediction(network, torch.randn(rows, *task.shape), task.classes, self.name)
            other = self._build(task)
            other_fixed = copy_fixed_tensors(other)
            inputs = torch.randn(_ROWS[0], *task.shape)
            check_prediction(other, inputs, task.classes, self.name)  # lazy modules have no weights before
            return network, require_new_weights(network, other, fixed, other_fixed, self.name)

    def _build(self, task: Task) -> nn.Module:
        with faults_as_config_errors(f"{self.name} fails for the shape {task.shape} and {task.classes} classes"):
            network = self.function(task.shape, task.classes)
        if not isinstance(network, nn.Module):
            raise ConfigError(f"{self.name} returned a {type(network).__name__}, not a torch.nn.Module")
        _replace_dropout(network)
        check_parameters(network, self.name)
        return network


def _replace_dropout(module: nn.Module) -> None:
    """Replace `nn.Dropout` with the layer whose masks come from the seed of the fold."""
    for key, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, key, Dropout(child.p))
        else:
            _replace_dropout(child)
