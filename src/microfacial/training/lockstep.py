"""Several networks of one architecture, trained side by side as one batched program.

Axes: L lanes, each one network with its own rows, weights, optimiser and random numbers · S steps of an epoch ·
B rows of a batch · P parameters of one network · K classes.

Small networks on small data leave a processor waiting for Python; L of them in one `torch.func.vmap` wait once.
No lane sees another: its random numbers come from its own seed, a lane without rows left idles while its weights and
moments stay as they are, and lanes that are done stay in the batch, so that shapes, and with them the last bits, never
depend on how a neighbour fares. One lane alone runs the same code without `vmap`.

Source: decoupled weight decay, Loshchilov & Hutter, ICLR 2019, arXiv:1711.05101; cosine decay, Loshchilov & Hutter,
ICLR 2017, arXiv:1608.03983; weight averaging, Polyak & Juditsky 1992, doi:10.1137/0330046.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap

from microfacial.errors import ConfigError
from microfacial.models.base import Explain
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings
from microfacial.training.augmentation import InputLayout, augment, draws
from microfacial.training.losses import lane_losses

_ROWS_AT_ONCE = 32  # of one lane, when nothing is learnt
_VALUES_AT_ONCE = 1 << 20  # of inputs that are augmented before the steps that want them: more leave the cache
# Odd numbers with irregular bits, as in models/layers/dropout.py.
_KEYS, _FIRST_MIX, _SECOND_MIX = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What one network trains on.

    `inputs` `(m, …)` and `labels` `(m,)` are those of its fold, which lanes may share; `training` and `validation` are
    rows of them. `scale` `(C,)` divides inputs, `weights` `(K,)` are those of the classes.
    """

    inputs: Tensor
    labels: Tensor
    training: Tensor
    validation: Tensor
    scale: Tensor
    weights: Tensor
    seed: int


class NetworkStack:
    """Networks of one architecture; `weights` `(L, P)` has one a row, `buffers` their other tensors, each `(L, …)`.

    Args:
        network: their common form; its own weights are not used.
        precision: `bfloat16` for matrix products and convolutions, or `float32` for as exact as the weights are.
    """

    def __init__(self, network: nn.Module, weights: Tensor, buffers: Mapping[str, Tensor], precision: str) -> None:
        self.weights, self.buffers = weights, dict(buffers)
        self.dropouts = [name for name, module in network.named_modules() if isinstance(module, Dropout)]
        self._network, self._precision = network, precision

    @classmethod
    def of(cls, networks: Sequence[nn.Module], precision: str) -> "NetworkStack":
        """Stack networks; the first one serves as their common form."""
        weights = [torch.cat([_to_rows(value.detach()[None]) for value in one.parameters()], dim=1) for one in networks]
        buffers = [_kept_buffers(one) for one in networks]
        stacked = {name: torch.stack([one[name] for one in buffers]) for name in buffers[0]}
        return cls(networks[0], torch.cat(weights), stacked, precision)

    @classmethod
    def from_tensors(cls, network: nn.Module, tensors: Mapping[str, Tensor], precision: str) -> "NetworkStack":
        """Stack what `parameters` and `buffers` of a stack of such networks hold."""
        names = [name for name, _ in network.named_parameters()]
        weights = torch.cat([_to_rows(tensors[name]) for name in names], dim=1)
        buffers = {name: value for name, value in tensors.items() if name not in names}
        return cls(network, weights, buffers, precision)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The weights by name, each `(L, …)`, as views of their matrix."""
        views, start = {}, 0
        for name, value in self._network.named_parameters():
            views[name] = _from_rows(self.weights[:, start : start + value.numel()], value.shape)
            start += value.numel()
        return views

    def member(self, lane: int) -> "NetworkStack":
        """One of the networks, as a stack."""
        buffers = {name: value[lane : lane + 1] for name, value in self.buffers.items()}
        return NetworkStack(self._network, self.weights[lane : lane + 1], buffers, self._precision)

    def with_weights(self, weights: Tensor) -> "NetworkStack":
        """The same networks with other weights, `(L, P)`."""
        return NetworkStack(self._network, weights, self.buffers, self._precision)

    def logits(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Logits `(L, B, K)` of inputs `(L, B, …)`; `tensors` are parameters and buffers by name, each `(L, …)`."""

        def one(tensors: dict[str, Tensor], inputs: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16, enabled=self._precision == "bfloat16"):
                logits: Tensor = functional_call(self._network, tensors, (inputs,), tie_weights=False)
            return logits.to(self.weights.dtype)

        if len(inputs) == 1:  # the same arithmetic; convolutions are slow under vmap
            alone = {name: value.squeeze(0) for name, value in tensors.items()}
            return one(alone, inputs.squeeze(0)).unsqueeze(0)
        # Random numbers are refused where an epoch ends, in words; vmap would refuse them in its own.
        logits: Tensor = vmap(one, randomness="different")(dict(tensors), inputs)
        return logits

    def predict(self, inputs: Tensor) -> Tensor:
        """Logits `(L, n, K)` of inputs `(L, n, …)`, without dropout, so many rows at a time."""
        self.set_training(False)
        tensors = {**self.parameters, **self.buffers}
        with torch.no_grad():
            parts = [self.logits(tensors, part) for part in torch.split(inputs, _ROWS_AT_ONCE, dim=1)]
        return torch.cat(parts, dim=1)

    def explain(self, explain: Explain, inputs: Tensor) -> dict[str, Tensor]:
        """What `explain` says of inputs `(n, …)`, tensors `(n, …)`, so many rows at a time; for a stack of one."""
        self.set_training(False)
        tensors = {f"network.{name}": value.squeeze(0) for name, value in {**self.parameters, **self.buffers}.items()}
        explained = _Explained(self._network, explain)
        with torch.no_grad():
            parts = [
                functional_call(explained, tensors, (part,), tie_weights=False)
                for part in torch.split(inputs, _ROWS_AT_ONCE)
            ]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def set_training(self, training: bool) -> None:
        """Switch dropout on or off; when it is on, it wants keys."""
        self._network.train(training)
        for name in self.dropouts:
            cast(Dropout, self._network.get_submodule(name)).keyed = training


class _Explained(nn.Module):
    """A network whose output is what counted."""

    def __init__(self, network: nn.Module, explain: Explain) -> None:
        super().__init__()
        self.network, self._explain = network, explain

    def forward(self, x: Tensor) -> Mapping[str, Tensor]:
        return self._explain(self.network, x)


class Lockstep:
    """The training of L networks, an epoch at a time; lanes that are `done`, `(L,)` bool, are no longer trained."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        lanes: Sequence[Lane],
        settings: OptimiserSettings,
        precision: str,
        layout: InputLayout,
    ) -> None:
        self.lanes = lanes
        self.done = np.zeros(len(lanes), dtype=np.bool_)
        self._settings, self._layout = settings, layout
        self._kind = type(networks[0]).__name__
        self._stack = NetworkStack.of(networks, precision)
        self._weights = self._stack.weights
        self._leaves = {name: view.detach().requires_grad_() for name, view in self._stack.parameters.items()}
        self._gradients = torch.zeros_like(self._weights)
        self._averaged = torch.zeros_like(self._weights) if settings.ema_decay else self._weights
        self._rows = list(self._weights)  # one parameter a lane, with its own moments and step count
        for row, gradient in zip(self._rows, self._gradients, strict=True):
            row.grad = gradient
        self._optimiser = torch.optim.AdamW(self._rows, weight_decay=settings.weight_decay, fused=True)
        self._generators = [torch.Generator().manual_seed(lane.seed) for lane in lanes]
        self._counts = np.array([len(lane.training) for lane in lanes])
        # How many rows neighbours train on depends on labels that are not for this lane; how many they know does not.
        self._batch_size = min(settings.batch_size, max(len(lane.labels) for lane in lanes))
        self._steps = -(-self._counts // self._batch_size)  # of an epoch, (L,)
        self._taken = np.zeros(len(lanes), dtype=np.int64)  # steps of each lane so far

    @property
    def weights(self) -> Tensor:
        """What predicts, `(L, P)`: the weights after the latest step, or their averages over steps."""
        return self._averaged

    def train_epoch(self) -> Values:
        """One pass of each lane over its rows in random order; mean losses of its batches, `(L,)`.

        Raises:
            ConfigError: the networks draw random numbers that are not their lanes' own.
        """
        self._stack.set_training(True)
        shared = torch.get_rng_state()
        numbers = np.arange(self._steps.max())[:, None]
        active = (numbers < self._steps) & ~self.done  # (S, L)
        taken = self._taken + numbers
        rates, keys = self._rates(taken), self._dropout_keys(taken)
        total = torch.zeros(len(self.lanes), dtype=torch.float64)
        for step, (inputs, targets, counts) in enumerate(self._batches(active)):
            total += self._compute_gradients(inputs, targets, counts, keys[step])
            self._move(rates[step], active[step])
            self._average(taken[step] + 1, active[step])
        self._taken += active.sum(0)
        if not torch.equal(shared, torch.get_rng_state()):
            raise ConfigError(
                f"{self._kind} draws from torch's shared random numbers while it trains, so that no fold could be "
                "repeated alone. Use microfacial.models.layers.dropout.Dropout, whose masks come from each fold's seed"
            )
        return np.asarray(total.numpy() / self._steps)

    def validate(self) -> tuple[Values, list[NDArray[np.int64]]]:
        """Loss of each lane on its validation rows, `(L,)`, and the class it predicts for each of them."""
        counts = [len(lane.validation) for lane in self.lanes]
        length = -(-max(counts) // _ROWS_AT_ONCE) * _ROWS_AT_ONCE  # in equal parts, however many others validate on
        inputs, targets = self._gather(torch.stack([_repeated(lane.validation, length) for lane in self.lanes]))
        logits = self._stack.with_weights(self._averaged).predict(inputs)
        losses = [self._loss_alone(lane, logits, targets, count) for lane, count in enumerate(counts)]
        guesses = [one[:count].argmax(1).numpy() for one, count in zip(logits, counts, strict=True)]
        return np.array(losses), guesses

    def _loss_alone(self, lane: int, logits: Tensor, targets: Tensor, count: int) -> float:
        """Loss of the first rows of a lane."""
        rows, weights = targets[lane, None, :count], self._class_weights[lane, None]
        return lane_losses(logits[lane, None, :count], rows, rows.new_ones(1, count), weights, self._settings).item()

    def _batches(self, active: NDArray[np.bool_]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Augmented inputs `(L, B, …)`, targets `(L, B, K)` and which rows count, `(L, B)`, of each step `(S, L)`."""
        lanes, size = len(self.lanes), self._batch_size
        together = self._steps_together()
        length = -(-len(active) // together) * together
        order, uniform = self._draw_epoch(length)
        counts = torch.arange(length * size).view(length, 1, size) < torch.from_numpy(self._counts)[:, None]
        counts[: len(active)] &= torch.from_numpy(active)[:, :, None]
        for start in range(0, length, together):
            part = slice(start, start + together)
            inputs, targets = self._gather(order[part].flatten(0, 1))
            inputs, targets = augment(inputs, targets, uniform[part].flatten(0, 1), self._settings, self._layout)
            each = (values.view(together, lanes, *values.shape[1:]) for values in (inputs, targets))
            yield from islice(zip(*each, counts[part].to(targets.dtype), strict=True), len(active) - start)

    def _steps_together(self) -> int:
        """How many steps' rows are augmented at once."""
        known = max(len(lane.labels) for lane in self.lanes)  # not how many of them train, as for batches
        steps = -(-known // self._batch_size)
        values = len(self.lanes) * self._batch_size * self.lanes[0].inputs[0].numel()
        return min(steps, max(1, _VALUES_AT_ONCE // values))

    def _draw_epoch(self, steps: int) -> tuple[Tensor, Tensor]:
        """Rows of each lane in random order, repeated to so many steps, `(S, L, B)`, and uniform numbers for each."""
        size, order, uniform = self._batch_size, [], []
        for lane, generator in zip(self.lanes, self._generators, strict=True):
            drawn = torch.randperm(len(lane.training), generator=generator)
            order.append(_repeated(lane.training[drawn], steps * size))
            numbers = torch.rand(len(drawn), draws(self._settings, self._layout), generator=generator)
            uniform.append(_repeated(numbers, steps * size))
        stacked = torch.stack(order), torch.stack(uniform)  # (L, S·B, …)
        rows, numbers = (each.view(len(each), steps, size, *each.shape[2:]).transpose(0, 1) for each in stacked)
        return rows, numbers

    def _gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled inputs `(S·L, B, …)` and targets `(S·L, B, K)` of rows `(S·L, B)` of the lanes in turn."""
        steps = len(rows) // len(self.lanes)
        lanes = [*self.lanes] * steps
        inputs = self.lanes[0].inputs.new_empty(*rows.shape, *self.lanes[0].inputs.shape[1:])
        for lane, drawn, place in zip(lanes, rows, inputs, strict=True):
            torch.index_select(lane.inputs, 0, drawn, out=place)
        labels = torch.stack([lane.labels[drawn] for lane, drawn in zip(lanes, rows, strict=True)])
        targets = nn.functional.one_hot(labels, self._class_weights.shape[1]).to(inputs.dtype)
        inputs.view(steps, -1, *inputs.shape[1:]).div_(self._scale)
        return inputs, targets

    def _compute_gradients(self, inputs: Tensor, targets: Tensor, counts: Tensor, keys: Tensor) -> Tensor:
        """Gradients of one step, left in their matrix; losses `(L,)`."""
        named = {f"{name}.key": key for name, key in zip(self._stack.dropouts, keys, strict=True)}
        logits = self._stack.logits({**self._leaves, **self._stack.buffers, **named}, inputs)
        losses = lane_losses(logits, targets, counts, self._class_weights, self._settings)
        found = torch.autograd.grad(losses.sum(), list(self._leaves.values()), materialize_grads=True)
        torch.cat([_to_rows(gradient) for gradient in found], dim=1, out=self._gradients)
        if self._settings.max_gradient_norm is not None:
            norms = self._gradients.norm(dim=1, keepdim=True)
            self._gradients *= (self._settings.max_gradient_norm / norms).clamp(max=1)
        return losses.detach()

    def _move(self, rates: Values, active: NDArray[np.bool_]) -> None:
        """One step of the active lanes by their learning rates, `(L,)` each; others stay as they are."""
        together: dict[float, list[Tensor]] = {}  # lanes of one rate: each group costs a call
        for lane in np.flatnonzero(active):
            together.setdefault(float(rates[lane]), []).append(self._rows[lane])
        common = self._optimiser.defaults
        self._optimiser.param_groups = [{**common, "lr": rate, "params": rows} for rate, rows in together.items()]
        self._optimiser.step()

    def _average(self, taken: NDArray[np.int64], active: NDArray[np.bool_]) -> None:
        """Blend the weights after so many steps into their average, which starts with those after the first step."""
        if self._settings.ema_decay:
            kept = self._settings.ema_decay
            share = torch.from_numpy((1 - kept) / (1 - kept**taken) * active)
            self._averaged.lerp_(self._weights, share.to(self._weights.dtype)[:, None])

    def _rates(self, taken: NDArray[np.int64]) -> Values:
        """Learning rates after so many steps, `(S, L)`."""
        settings = self._settings
        warmup = settings.warmup_epochs * self._steps
        rates = settings.learning_rate * np.minimum(1, (taken + 1) / np.maximum(warmup, 1))
        if settings.schedule == "cosine":
            span = np.maximum(settings.epochs * self._steps - warmup, 1)
            rates *= (1 + np.cos(np.pi * np.clip((taken - warmup) / span, 0, 1))) / 2
        return np.asarray(rates)

    def _dropout_keys(self, taken: NDArray[np.int64]) -> Tensor:
        """Keys `(S, modules, L)` int64 after so many steps, `(S, L)`, from lane, step and module."""
        seeds = np.array([lane.seed for lane in self.lanes], dtype=np.uint64)
        modules = np.arange(1, len(self._stack.dropouts) + 1, dtype=np.uint64)[:, None]
        steps = _hash_uint64(seeds + taken.astype(np.uint64) * _KEYS)[:, None]
        return torch.from_numpy(_hash_uint64(steps + modules * _KEYS).view(np.int64))

    @cached_property
    def _scale(self) -> Tensor:
        return torch.stack([per_channel(lane.scale, lane.inputs) for lane in self.lanes])

    @cached_property
    def _class_weights(self) -> Tensor:
        return torch.stack([lane.weights for lane in self.lanes])


def per_channel(scale: Tensor, inputs: Tensor) -> Tensor:
    """A scale `(C,)` in the axes of inputs `(n, …, C, H, W)`; flat inputs `(n, P)` have one channel."""
    pixels = 2 if inputs.ndim > 3 else 0
    return scale.view(*[1] * (inputs.ndim - 1 - pixels), len(scale), *[1] * pixels)


def _kept_buffers(network: nn.Module) -> dict[str, Tensor]:
    """Buffers by name, but for the keys of dropout."""
    return {name: value for name, value in network.named_buffers() if not name.endswith(".key")}


def _to_rows(values: Tensor) -> Tensor:
    """Weights or gradients `(L, …)` as rows `(L, p)`; matrices `(L, o, i)` transposed.

    That is how gradients of linear layers lie in memory, and copying them in another order takes eight times as long.
    """
    return (values.mT if values.ndim == 3 else values).reshape(len(values), -1)


def _from_rows(rows: Tensor, shape: torch.Size) -> Tensor:
    """Views `(L, *shape)` of rows `(L, p)`: what `_to_rows` made of them."""
    return rows.view(-1, *shape[::-1]).mT if len(shape) == 2 else rows.view(-1, *shape)


def _repeated(rows: Tensor, length: int) -> Tensor:
    """Rows `(n, …)` from the start again until there are so many."""
    return rows[torch.arange(length) % len(rows)]


def _hash_uint64(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Integers of which each bit depends on many of those of `bits`; uint64 wraps around."""
    bits = np.multiply(bits ^ (bits >> np.uint64(30)), _FIRST_MIX)
    bits = np.multiply(bits ^ (bits >> np.uint64(27)), _SECOND_MIX)
    return np.asarray(bits ^ (bits >> np.uint64(31)))
