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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap

from microfacial.augment import Layout, augment, draws
from microfacial.errors import ConfigError
from microfacial.losses import lane_losses
from microfacial.models.blocks import Dropout
from microfacial.settings import OptimiserSettings

_FIRST_MOMENT, _SECOND_MOMENT, _EPSILON = 0.9, 0.999, 1e-8
_ROWS_AT_ONCE = 32  # of one lane, when nothing is learnt
# Odd numbers with irregular bits, as in models/blocks.py.
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
        weights = [torch.cat([value.detach().flatten() for value in one.parameters()]) for one in networks]
        buffers = [_kept_buffers(one) for one in networks]
        stacked = {name: torch.stack([one[name] for one in buffers]) for name in buffers[0]}
        return cls(networks[0], torch.stack(weights), stacked, precision)

    @classmethod
    def from_tensors(cls, network: nn.Module, tensors: Mapping[str, Tensor], precision: str) -> "NetworkStack":
        """Stack what `parameters` and `buffers` of a stack of such networks hold."""
        names = [name for name, _ in network.named_parameters()]
        weights = torch.cat([tensors[name].reshape(len(tensors[name]), -1) for name in names], dim=1)
        buffers = {name: value for name, value in tensors.items() if name not in names}
        return cls(network, weights, buffers, precision)

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The weights by name, each `(L, …)`, as views of their matrix."""
        views, start = {}, 0
        for name, value in self._network.named_parameters():
            views[name] = self.weights[:, start : start + value.numel()].view(len(self.weights), *value.shape)
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
                logits: Tensor = functional_call(self._network, tensors, (inputs,))
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

    def set_training(self, training: bool) -> None:
        """Switch dropout on or off; when it is on, it wants keys."""
        self._network.train(training)
        for name in self.dropouts:
            cast(Dropout, self._network.get_submodule(name)).keyed = training


class AdamW:
    """AdamW on a matrix of weights `(L, P)`: lanes have their own step count and learning rate, or idle."""

    def __init__(self, weights: Tensor, decay: float) -> None:
        self.steps = np.zeros(len(weights), dtype=np.int64)
        self._decay = decay
        self._first, self._second, self._scratch = (torch.zeros_like(weights) for _ in range(3))

    def step(self, weights: Tensor, gradients: Tensor, rates: Values, active: NDArray[np.bool_]) -> None:
        """Move the weights of the active lanes in place, by gradients `(L, P)` and learning rates `(L,)`."""
        self.steps += active
        steps, rates = np.maximum(self.steps, 1), rates * active
        unbiased = np.sqrt(1 - _SECOND_MOMENT**steps)
        self._first.lerp_(gradients, _column((1 - _FIRST_MOMENT) * active, weights))
        squares = torch.mul(gradients, gradients, out=self._scratch)  # here and below: matrices are costly to allocate
        self._second.lerp_(squares, _column((1 - _SECOND_MOMENT) * active, weights))
        sizes = torch.sqrt(self._second, out=self._scratch).add_(_column(_EPSILON * unbiased, weights))
        moves = torch.div(self._first, sizes, out=self._scratch)
        weights.mul_(_column(1 - rates * self._decay, weights))
        weights.addcmul_(moves, _column(-rates * unbiased / (1 - _FIRST_MOMENT**steps), weights))


class Lockstep:
    """The training of L networks, an epoch at a time; lanes that are `done`, `(L,)` bool, are no longer trained."""

    def __init__(
        self,
        networks: Sequence[nn.Module],
        lanes: Sequence[Lane],
        settings: OptimiserSettings,
        precision: str,
        layout: Layout,
    ) -> None:
        self.lanes = lanes
        self.done = np.zeros(len(lanes), dtype=np.bool_)
        self._settings, self._layout = settings, layout
        self._kind = type(networks[0]).__name__
        self._stack = NetworkStack.of(networks, precision)
        self._weights = self._stack.weights
        self._leaves = {name: view.detach().requires_grad_() for name, view in self._stack.parameters.items()}
        self._gradients = torch.zeros_like(self._weights)
        self._places = list(self._stack.with_weights(self._gradients).parameters.values())
        self._averaged = torch.zeros_like(self._weights) if settings.averaging else self._weights
        self._optimiser = AdamW(self._weights, settings.weight_decay)
        self._generators = [torch.Generator().manual_seed(lane.seed) for lane in lanes]
        self._counts = np.array([len(lane.training) for lane in lanes])
        # How many rows neighbours train on depends on labels that are not for this lane; how many they know does not.
        self._batch_size = min(settings.batch_size, max(len(lane.labels) for lane in lanes))
        self._steps = -(-self._counts // self._batch_size)  # of an epoch, (L,)

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
        order, uniform = self._draw_epoch()
        total: Values = np.zeros(len(self.lanes))
        for step in range(self._steps.max()):
            places = np.arange(step * self._batch_size, (step + 1) * self._batch_size)
            active = (places[0] < self._counts) & ~self.done
            counts = torch.from_numpy((places < self._counts[:, None]) & active[:, None])
            batch = slice(places[0], places[-1] + 1)
            inputs, targets = self._gather([rows[batch] for rows in order])
            inputs, targets = augment(inputs, targets, uniform[:, batch], self._settings, self._layout)
            total += self._train_step(inputs, targets, counts.to(targets.dtype), active)
        if not torch.equal(shared, torch.get_rng_state()):
            raise ConfigError(
                f"{self._kind} draws from torch's shared random numbers while it trains, so that no fold could be "
                "repeated alone. Let it drop by microfacial.models.blocks.Dropout, whose masks are of each fold's seed"
            )
        return np.asarray(total / self._steps)

    def validate(self) -> tuple[Values, list[NDArray[np.int64]]]:
        """Loss of each lane on its validation rows, `(L,)`, and the class it predicts for each of them."""
        counts = [len(lane.validation) for lane in self.lanes]
        length = -(-max(counts) // _ROWS_AT_ONCE) * _ROWS_AT_ONCE  # in equal parts, however many others validate on
        inputs, targets = self._gather([_repeated(lane.validation, length) for lane in self.lanes])
        logits = self._stack.with_weights(self._averaged).predict(inputs)
        losses = [self._loss_alone(lane, logits, targets, count) for lane, count in enumerate(counts)]
        guesses = [one[:count].argmax(1).numpy() for one, count in zip(logits, counts, strict=True)]
        return np.array(losses), guesses

    def _loss_alone(self, lane: int, logits: Tensor, targets: Tensor, count: int) -> float:
        """Loss of the first rows of a lane."""
        rows, weights = targets[lane, None, :count], self._class_weights[lane, None]
        return lane_losses(logits[lane, None, :count], rows, rows.new_ones(1, count), weights, self._settings).item()

    def _draw_epoch(self) -> tuple[list[Tensor], Tensor]:
        """Rows of each lane in random order, repeated to the length of the longest epoch, and their uniform numbers."""
        length = int(self._steps.max()) * self._batch_size
        order, uniform = [], []
        for lane, generator in zip(self.lanes, self._generators, strict=True):
            drawn = torch.randperm(len(lane.training), generator=generator)
            order.append(_repeated(lane.training[drawn], length))
            numbers = torch.rand(len(drawn), draws(self._settings, self._layout), generator=generator)
            uniform.append(_repeated(numbers, length))
        return order, torch.stack(uniform)

    def _gather(self, rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Scaled inputs `(L, B, …)` and targets `(L, B, K)` of rows `(B,)` of each lane."""
        inputs = self.lanes[0].inputs.new_empty(len(rows), len(rows[0]), *self.lanes[0].inputs.shape[1:])
        for lane, drawn, place in zip(self.lanes, rows, inputs, strict=True):
            torch.index_select(lane.inputs, 0, drawn, out=place)
        labels = torch.stack([lane.labels[drawn] for lane, drawn in zip(self.lanes, rows, strict=True)])
        targets = nn.functional.one_hot(labels, self._class_weights.shape[1]).to(inputs.dtype)
        return inputs.div_(self._scale), targets

    def _train_step(self, inputs: Tensor, targets: Tensor, counts: Tensor, active: NDArray[np.bool_]) -> Values:
        """One step of the active lanes; losses `(L,)`."""
        keys = {f"{name}.key": key for name, key in zip(self._stack.dropouts, self._dropout_keys(), strict=True)}
        logits = self._stack.logits({**self._leaves, **self._stack.buffers, **keys}, inputs)
        losses = lane_losses(logits, targets, counts, self._class_weights, self._settings)
        found = torch.autograd.grad(losses.sum(), list(self._leaves.values()), materialize_grads=True)
        for gradient, place in zip(found, self._places, strict=True):
            place.copy_(gradient)
        if self._settings.clip_norm is not None:
            norms = self._gradients.norm(dim=1, keepdim=True)
            self._gradients *= (self._settings.clip_norm / norms).clamp(max=1)
        with torch.no_grad():
            self._optimiser.step(self._weights, self._gradients, self._rates(), active)
            self._average(active)
        return losses.detach().double().numpy()

    def _average(self, active: NDArray[np.bool_]) -> None:
        """Blend the weights into their average, which starts with those after the first step."""
        if self._settings.averaging:
            kept = self._settings.averaging
            share = (1 - kept) / (1 - kept ** np.maximum(self._optimiser.steps, 1))
            self._averaged.lerp_(self._weights, _column(share * active, self._weights))

    def _rates(self) -> Values:
        """Learning rate of each lane's next step, `(L,)`."""
        settings, done = self._settings, self._optimiser.steps
        warmup = settings.warmup_epochs * self._steps
        rates = settings.learning_rate * np.minimum(1, (done + 1) / np.maximum(warmup, 1))
        if settings.schedule == "cosine":
            span = np.maximum(settings.epochs * self._steps - warmup, 1)
            rates *= (1 + np.cos(np.pi * np.clip((done - warmup) / span, 0, 1))) / 2
        return np.asarray(rates)

    def _dropout_keys(self) -> Tensor:
        """Keys `(modules, L)` int64 of the next step, from lane, step and module."""
        seeds = np.array([lane.seed for lane in self.lanes], dtype=np.uint64)
        steps = self._optimiser.steps.astype(np.uint64)
        modules = np.arange(1, len(self._stack.dropouts) + 1, dtype=np.uint64)[:, None]
        return torch.from_numpy(_mixed(_mixed(seeds + steps * _KEYS) + modules * _KEYS).view(np.int64))

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


def _repeated(rows: Tensor, length: int) -> Tensor:
    """Rows `(n, …)` from the start again until there are so many."""
    return rows[torch.arange(length) % len(rows)]


def _column(values: NDArray[np.floating[Any]], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.dtype)[:, None]


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Integers of which each bit depends on many of those of `bits`; uint64 wraps around."""
    bits = np.multiply(bits ^ (bits >> np.uint64(30)), _FIRST_MIX)
    bits = np.multiply(bits ^ (bits >> np.uint64(27)), _SECOND_MIX)
    return np.asarray(bits ^ (bits >> np.uint64(31)))
