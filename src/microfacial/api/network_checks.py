"""Check networks that users' own functions build, before they are trained."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy

from microfacial.api.object_walk import walk
from microfacial.errors import ConfigError, describe_error
from microfacial.models.layers.parts import PartNetwork
from microfacial.training.stack import NetworkStack


def check_parameters(network: nn.Module, name: str) -> None:
    """Refuse a network whose parameters cannot all be trained.

    Args:
        network: the network.
        name: name of the function that built it, for messages.

    Raises:
        ConfigError: the network has no parameters, or one that is shared, frozen, of another type or elsewhere.
    """
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


def check_prediction(network: nn.Module, inputs: Tensor, classes: int, name: str) -> None:
    """Refuse a network that cannot predict.

    Args:
        network: the network. It is in evaluation mode afterwards.
        inputs: inputs to try, `(n, …)`.
        classes: number of classes, K.
        name: name of the function that built it, for messages.

    Raises:
        ConfigError: the network fails, or its output is something else than finite logits `(n, K)`.
    """
    with torch.no_grad():
        try:
            logits = network.eval()(inputs)
        except Exception as error:
            raise ConfigError(
                f"{name}: the network fails on inputs {tuple(inputs.shape)}: {describe_error(error)}"
            ) from error
    _check_logits(logits, len(inputs), classes, f"{name}: for {len(inputs)} clips")


def check_training_step(network: nn.Module, inputs: Tensor, classes: int, name: str, precision: str) -> None:
    """Refuse a network that cannot be trained. Its weights and buffers are not changed.

    Args:
        network: the network. It is in training mode afterwards.
        inputs: inputs to try, `(n, …)`, with the number of rows of a batch.
        classes: number of classes, K.
        name: name of the function that built it, for messages.
        precision: number type of the training; see `NetworkStack`.

    Raises:
        ConfigError: the network or its gradient fails, or its output is something else than finite logits `(n, K)`
            that depend on its parameters.
    """
    failure = f"{name}: the network fails in training on inputs {tuple(inputs.shape)}"
    stack = NetworkStack.of([network], precision)
    stack.set_training(True)
    leaves = {key: view.squeeze(0).detach().requires_grad_() for key, view in stack.parameters.items()}
    buffers = {key: value.squeeze(0) for key, value in stack.buffers.items()}
    keys = {f"{dropout}.key": torch.zeros((), dtype=torch.int64) for dropout in stack.dropouts}
    try:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = functional_call(network, {**leaves, **buffers, **keys}, (inputs,), tie_weights=False)
    except Exception as error:
        raise ConfigError(f"{failure}: {describe_error(error)}") from error
    rows = len(inputs)
    if isinstance(logits, Tensor) and logits.ndim == 3 and any(isinstance(m, PartNetwork) for m in network.modules()):
        rows, logits = rows * logits.shape[1], logits.flatten(0, 1)
    _check_logits(logits, rows, classes, f"{name}: in training, for {rows} clips")
    if not logits.requires_grad:
        raise ConfigError(
            f"{name}: in training, the output of the network has no gradient, so the network cannot be trained. Remove "
            "detach() and torch.no_grad() from forward"
        )
    try:
        torch.autograd.grad(logits.sum(), list(leaves.values()), materialize_grads=True)
    except Exception as error:
        raise ConfigError(f"{failure}: {describe_error(error)}") from error


def copy_fixed_tensors(network: nn.Module) -> list[Tensor]:
    """Return copies of the numbers in a network that are not trained and not all the same.

    They are in buffers, in other attributes of modules, and in modules and collections in such attributes.

    Args:
        network: the network.
    """
    trained = {id(value) for value in network.parameters()}
    tensors = []
    for _, part in walk("", network, code=False):
        if isinstance(part, np.ndarray) and part.dtype in (np.float32, np.float64):
            tensors.append(torch.from_numpy(np.array(part)))
        elif isinstance(part, Tensor) and id(part) not in trained and not (is_lazy(part) or part.is_meta):
            tensors.append(part.detach())
    numbers = [value for value in tensors if value.is_floating_point() and value.layout == torch.strided]
    return [value.clone() for value in _list_varied(numbers)]


def require_new_weights(
    network: nn.Module, other: nn.Module, fixed: Sequence[Tensor], other_fixed: Sequence[Tensor], name: str
) -> tuple[int, int]:
    """Refuse a function that returns the same weights each time: a training could be in them.

    Constant weights, such as zeros, are new weights, too.

    Args:
        network: a network.
        other: another network that the same function built.
        fixed: the result of `copy_fixed_tensors` for the first network before its first pass.
        other_fixed: the same for the other network.
        name: name of the function that built them, for messages.

    Returns:
        Number of tensors, trained and fixed, that are equal in both networks, and number of all.

    Raises:
        ConfigError: both networks have the same parameter, or all their parameters are equal.
    """
    if _list_parameter_ids(network) & _list_parameter_ids(other):
        raise ConfigError(
            f"{name} returned the same weights twice. Each fold starts from new weights, so build a new network in "
            "each call"
        )
    trained = _list_varied(list(network.parameters()))
    equal = _count_equal(trained, list(other.parameters()))
    if equal and equal == len(trained):
        raise ConfigError(
            f"{name} built two networks with equal weights, which may come from a training on the test subjects. Draw "
            "the first weights from torch's random generator, and do not set its seed. Add a little noise to weights "
            "that are computed, such as an identity"
        )
    return equal + _count_equal(fixed, other_fixed), len(trained) + len(fixed)


def _list_parameter_ids(network: nn.Module) -> set[int]:
    """Return the ids of all parameters, also of modules that are hidden in a list."""
    hidden = {id(part) for _, part in walk("", network, code=False) if isinstance(part, nn.Parameter)}
    return hidden | {id(value) for value in network.parameters()}


def _list_varied(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors whose numbers are not all the same."""
    return [value for value in tensors if (value != value.flatten()[:1]).any()]


def _count_equal(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> int:
    """Count the tensors that equal one of the others."""
    return sum(any(value.shape == other.shape and torch.equal(value, other) for other in others) for value in tensors)


def _check_logits(logits: object, rows: int, classes: int, subject: str) -> None:
    if not isinstance(logits, Tensor):
        raise ConfigError(f"{subject}, the network returns a {type(logits).__name__}, not a tensor of logits")
    if logits.shape != (rows, classes):
        raise ConfigError(
            f"{subject} and {classes} classes, the network returns {tuple(logits.shape)} instead of ({rows}, {classes})"
        )
    if not logits.isfinite().all():
        raise ConfigError(f"{subject}, the untrained network returns numbers that are not finite")
