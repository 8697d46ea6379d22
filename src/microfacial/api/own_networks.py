"""Make a model variant of a function that builds a network, and check what it returns."""

import inspect
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from microfacial.api.own_inputs import InputSettings, make_own_inputs
from microfacial.errors import ConfigError
from microfacial.models.base import Network, Task, Variant
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings

BuildNetwork = Callable[[tuple[int, ...], int], nn.Module]
"""A function that returns an untrained network for the shape of one sample and the number of classes."""

_ROWS = 2  # of the random inputs that a new network is tried on


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
        build=partial(_build, function=function, name=name),
        lockstep=_trains_alone,
        vmaps=False,
    )
    return "network" if name == "<lambda>" else name, variant


def _trains_alone(settings: OwnNetworkSettings) -> bool:
    """Own networks may contain operations that several networks cannot share in one program."""
    return False


def _build(task: Task, settings: OwnNetworkSettings, *, function: Callable[..., object], name: str) -> nn.Module:
    """Build a network and check what it returns."""
    network = function(task.shape, task.classes)
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{name} returned a {type(network).__name__}, not a torch.nn.Module")
    _replace_dropout(network)
    _check_parameters(network, name)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        inputs = torch.randn(_ROWS, *task.shape)
        try:
            logits = network.eval()(inputs)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{name}: the network fails on inputs {tuple(inputs.shape)}: {reason}") from error
    _check_logits(logits, task.classes, name)
    return network.train()


def _replace_dropout(module: nn.Module) -> None:
    """Replace `nn.Dropout` with the layer whose masks come from the seed of the fold."""
    for key, child in module.named_children():
        if type(child) is nn.Dropout:
            setattr(module, key, Dropout(child.p))
        else:
            _replace_dropout(child)


def _check_parameters(network: nn.Module, name: str) -> None:
    parameters = dict(network.named_parameters())
    if not parameters:
        raise ConfigError(f"{name}: the network has no parameters, so it cannot be trained")
    if len(parameters) < sum(1 for _ in network.named_parameters(remove_duplicate=False)):
        raise ConfigError(f"{name}: two modules share a parameter, which is not supported. Give each its own")
    for key, value in parameters.items():
        if not value.requires_grad:
            raise ConfigError(f"{name}: {key} is frozen, but all parameters are trained. Make it a buffer")
        if value.dtype != torch.float32 or value.device.type != "cpu":
            raise ConfigError(f"{name}: {key} is {value.dtype} on {value.device}. Build the network in float32 on cpu")


def _check_logits(logits: object, classes: int, name: str) -> None:
    if not isinstance(logits, Tensor):
        raise ConfigError(f"{name}: the network returns a {type(logits).__name__}, not a tensor of logits (n, classes)")
    if logits.shape != (_ROWS, classes):
        raise ConfigError(
            f"{name}: for {_ROWS} clips and {classes} classes, the network returns {tuple(logits.shape)} instead of "
            f"({_ROWS}, {classes})"
        )
    if not logits.isfinite().all():
        raise ConfigError(f"{name}: the untrained network returns numbers that are not finite")
