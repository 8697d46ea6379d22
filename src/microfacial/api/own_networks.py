"""Make a model variant of a function that builds a network, and check what it returns."""

import inspect
import logging
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor, nn

from microfacial.api.own_inputs import InputSettings, make_own_inputs
from microfacial.errors import ConfigError, MicrofacialError
from microfacial.models.base import Network, Task, Variant
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings

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
    network = _call(function, task, name)
    _replace_dropout(network)
    _check_parameters(network, name)
    with torch.random.fork_rng(devices=[]):
        for rows in _ROWS:
            _try(network, torch.randn(rows, *task.shape), task.classes, name)
        other = _call(function, task, name)
        _try(other, torch.randn(_ROWS[0], *task.shape), task.classes, name)  # lazy modules have no weights before
        _require_new_weights(network, other, name)
    return network.train()


def _call(function: Callable[..., object], task: Task, name: str) -> nn.Module:
    try:
        network = function(task.shape, task.classes)
    except MicrofacialError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{name} fails for the shape {task.shape} and {task.classes} classes: {_describe(error)}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{name} returned a {type(network).__name__}, not a torch.nn.Module")
    return network


def _require_new_weights(network: nn.Module, other: nn.Module, name: str) -> None:
    """Refuse a function that returns the same weights each time, and warn of a part: a training could be in them.

    Constant weights, such as zeros, are new weights, too.
    """
    first, second = list(network.parameters()), list(other.parameters())
    if any(mine is its for mine in first for its in second):
        raise ConfigError(
            f"{name} returned the same weights twice. Each fold starts from new weights, so build a new network in "
            "each call"
        )
    varied = [(mine, its) for mine, its in zip(first, second, strict=False) if (mine != mine.flatten()[:1]).any()]
    equal = sum(mine.shape == its.shape and torch.equal(mine, its) for mine, its in varied)
    if equal and equal == len(varied):
        raise ConfigError(
            f"{name} built two networks with equal weights, which may come from a training on the test subjects. Draw "
            "the first weights from torch's random generator, and do not set its seed. Add a little noise to weights "
            "that are computed, such as an identity"
        )
    if equal:
        _warn_of_equal_weights(name, equal, len(varied))


@cache
def _warn_of_equal_weights(name: str, equal: int, count: int) -> None:
    """Warn once, and not in every fold."""
    _LOG.warning(
        "%s: %d of %d tensors of weights are the same in every fold. If they were trained on clips of the test "
        "subjects, the scores are too high",
        name,
        equal,
        count,
    )


def _try(network: nn.Module, inputs: Tensor, classes: int, name: str) -> None:
    with torch.no_grad():
        try:
            logits = network.eval()(inputs)
        except Exception as error:
            raise ConfigError(
                f"{name}: the network fails on inputs {tuple(inputs.shape)}: {_describe(error)}"
            ) from error
    _check_logits(logits, len(inputs), classes, name)


def _describe(error: Exception) -> str:
    """Return the type and the message of an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


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


def _check_logits(logits: object, rows: int, classes: int, name: str) -> None:
    if not isinstance(logits, Tensor):
        raise ConfigError(f"{name}: the network returns a {type(logits).__name__}, not a tensor of logits (n, classes)")
    if logits.shape != (rows, classes):
        raise ConfigError(
            f"{name}: for {rows} clips and {classes} classes, the network returns {tuple(logits.shape)} instead of "
            f"({rows}, {classes})"
        )
    if not logits.isfinite().all():
        raise ConfigError(f"{name}: the untrained network returns numbers that are not finite")
