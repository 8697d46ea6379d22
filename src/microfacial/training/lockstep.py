"""Training of several networks of one architecture side by side, one epoch at a time.

Axes: L lanes, one network each, with its own rows, weights, optimiser and random numbers · S steps of an epoch ·
B rows of a batch · P parameters of one network · K classes.

No lane depends on another one, down to the last bit:

- The random numbers of a lane come from its own seed.
- A lane with fewer steps than others waits. Its weights and moments do not change meanwhile.
- A lane that is done stays in the batch. Shapes therefore never depend on the training of other lanes.

Sources: decoupled weight decay, Loshchilov & Hutter, ICLR 2019, arXiv:1711.05101; cosine decay, Loshchilov & Hutter,
ICLR 2017, arXiv:1608.03983; weight averaging, Polyak & Juditsky 1992, doi:10.1137/0330046.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from microfacial.errors import ConfigError
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FloatArray
from microfacial.training.adamw import AdamW
from microfacial.training.augmentation import InputLayout, augment, numbers_per_row
from microfacial.training.lanes import Lane, per_channel
from microfacial.training.losses import lane_losses, lane_unit_losses
from microfacial.training.stack import ROWS_PER_PASS, NetworkStack, flatten_gradients, resolve_precision

_VALUES_PER_AUGMENTATION = 1 << 20  # input values that are augmented together; more do not fit into the cache
# Odd numbers with irregular bits, as in models/layers/dropout.py.
_KEYS, _FIRST_MIX, _SECOND_MIX = map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class Lockstep:
    """The training of the networks of L lanes.

    Args:
        lanes: the lanes. Their networks have one architecture and are not changed. The device of their inputs computes.
        settings: settings of the networks.
        layout: meaning of the axes of a sample.

    Attributes:
        lanes: as above.
        done: `(L,)` bool. Set an element to stop the training of its lane.
    """

    def __init__(self, lanes: Sequence[Lane], settings: OptimiserSettings, layout: InputLayout) -> None:
        self.lanes = lanes
        self.done = np.zeros(len(lanes), dtype=np.bool_)
        self._settings, self._layout = settings, layout
        self._device = lanes[0].inputs.device
        precision = resolve_precision(settings, self._device.type)
        self._stack = NetworkStack.of([lane.network for lane in lanes], precision).to(self._device)
        self._weights = self._stack.weights
        self._leaves = {name: view.detach().requires_grad_() for name, view in self._stack.parameters.items()}
        self._gradients = torch.zeros_like(self._weights)
        self._average = torch.zeros_like(self._weights) if settings.ema_decay else self._weights
        self._optimiser = AdamW(list(self._weights), list(self._gradients), settings.weight_decay)
        self._generators = [torch.Generator().manual_seed(lane.seed) for lane in lanes]
        self._counts = np.array([len(lane.training_rows) for lane in lanes])
        # The number of training rows of another lane depends on labels that this lane must not use. The number of all
        # rows of its fold does not.
        self._most_rows = max(len(lane.labels) for lane in lanes)
        self._batch_size = min(settings.batch_size, self._most_rows)
        self._steps = -(-self._counts // self._batch_size)  # steps of an epoch, (L,)
        self._taken = np.zeros(len(lanes), dtype=np.int64)  # steps of each lane so far

    @property
    def weights(self) -> Tensor:
        """The weights for predictions, `(L, P)`: those after the latest step, or their moving average over steps."""
        return self._average

    @property
    def buffers(self) -> Mapping[str, Tensor]:
        """The buffers by name, each `(L, …)`. Batch normalisation changes its own in every step."""
        return self._stack.buffers

    def train_epoch(self) -> FloatArray:
        """Train each lane on all its training rows once, in random order.

        Returns:
            Mean loss over the batches of each lane, `(L,)`.

        Raises:
            ConfigError: the networks draw random numbers that do not come from the seed of their lane.
        """
        self._stack.set_training(True)
        shared_state = self._random_states()
        numbers = np.arange(self._steps.max())[:, None]
        active = (numbers < self._steps) & ~self.done  # (S, L)
        taken = self._taken + numbers
        rates, keys = self._learning_rates(taken), self._dropout_keys(taken)
        exact = torch.float32 if self._device.type == "mps" else torch.float64  # MPS has no float64
        total = torch.zeros(len(self.lanes), dtype=exact, device=self._device)
        for step, (inputs, targets, mask) in enumerate(self._batches(active)):
            total += self._compute_gradients(inputs, targets, mask, keys[step])
            self._update_weights(rates[step], active[step])
            self._update_average(taken[step] + 1, active[step])
        self._taken += active.sum(0)
        if not all(map(torch.equal, shared_state, self._random_states())):
            raise ConfigError(
                f"{type(self.lanes[0].network).__name__} draws from torch's shared random numbers during training, "
                "so its folds cannot be repeated one by one. Use microfacial.models.layers.dropout.Dropout, whose "
                "masks come from the seed of each fold"
            )
        return total.cpu().numpy() / self._steps

    def validate(self) -> tuple[FloatArray, list[NDArray[np.int64]]]:
        """Predict the validation rows of each lane.

        Returns:
            Loss of each lane, `(L,)`, and the predicted class of each of its validation rows. For the task `units`,
            there are no predicted classes.
        """
        counts = [len(lane.validation_rows) for lane in self.lanes]
        length = -(-max(counts) // ROWS_PER_PASS) * ROWS_PER_PASS  # equal passes, whatever the counts of other lanes
        rows = torch.stack([_repeat(lane.validation_rows, length) for lane in self.lanes])
        stack = self._stack.with_weights(self.weights)
        predicted = []
        for part in torch.split(rows, ROWS_PER_PASS, dim=1):  # a pass at a time is in memory
            inputs, part_targets = self._gather(part)
            predicted.append((stack.predict(inputs), part_targets))
        logits, targets = (torch.cat(parts, dim=1) for parts in zip(*predicted, strict=True))
        losses = [self._validation_loss(lane, logits, targets, count) for lane, count in enumerate(counts)]
        classes = self._class_weights.shape[1]
        if not classes:
            return np.array(losses), []
        guesses = [
            lane_logits[:count, :classes].argmax(1).cpu().numpy()
            for lane_logits, count in zip(logits, counts, strict=True)
        ]
        return np.array(losses), guesses

    def _validation_loss(self, lane: int, logits: Tensor, targets: Tensor, count: int) -> float:
        """Loss of the first `count` rows of one lane, computed without the other lanes."""
        rows = targets[lane, None, :count]
        one = slice(lane, lane + 1)
        return self._losses(logits[one, :count], rows, rows.new_ones(1, count), one).item()

    def _losses(self, logits: Tensor, targets: Tensor, mask: Tensor, lanes: slice) -> Tensor:
        """Loss of some lanes, `(L,)`: that of the classes, that of the action units, or a weighted sum of both."""
        classes = self._class_weights.shape[1]
        if self._unit_weights is None:
            return lane_losses(logits, targets, mask, self._class_weights[lanes], self._settings)
        units = lane_unit_losses(logits[..., classes:], targets[..., classes:], mask, self._unit_weights[lanes])
        if not classes:
            return units
        parts = logits[..., :classes], targets[..., :classes]
        return (
            lane_losses(*parts, mask, self._class_weights[lanes], self._settings) + self._settings.unit_weight * units
        )

    def _batches(self, active: NDArray[np.bool_]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield augmented inputs `(L, B, …)`, targets `(L, B, K)` and a mask of rows `(L, B)` for each step.

        The mask is 1 for a row that counts. It is 0 for a row that only fills the last batch, and for all rows of a
        lane that is not active in the step; `active` is `(S, L)`.
        """
        lanes, size = len(self.lanes), self._batch_size
        together = self._steps_per_augmentation()
        length = -(-len(active) // together) * together
        order, uniform = self._draw_epoch(length)
        mask = torch.arange(length * size).view(length, 1, size) < torch.from_numpy(self._counts)[:, None]
        mask[: len(active)] &= torch.from_numpy(active)[:, :, None]
        for start in range(0, length, together):
            steps = slice(start, start + together)
            inputs, targets = self._gather(order[steps].flatten(0, 1))
            inputs, targets = augment(inputs, targets, uniform[steps].flatten(0, 1), self._settings, self._layout)
            batches = (values.view(together, lanes, *values.shape[1:]) for values in (inputs, targets))
            yield from islice(zip(*batches, mask[steps].to(targets), strict=True), len(active) - start)

    def _steps_per_augmentation(self) -> int:
        """Number of steps whose rows are augmented together."""
        steps = -(-self._most_rows // self._batch_size)
        values = len(self.lanes) * self._batch_size * self.lanes[0].inputs[0].numel()
        return min(steps, max(1, _VALUES_PER_AUGMENTATION // values))

    def _draw_epoch(self, steps: int) -> tuple[Tensor, Tensor]:
        """Draw the order of rows `(S, L, B)`, and uniform numbers for the augmentation of each row.

        The rows of a lane are repeated until they fill all steps.
        """
        size, order, uniform = self._batch_size, [], []
        for lane, generator in zip(self.lanes, self._generators, strict=True):
            drawn = torch.randperm(len(lane.training_rows), generator=generator)
            order.append(_repeat(lane.training_rows[drawn], steps * size))
            numbers = torch.rand(len(drawn), numbers_per_row(self._settings, self._layout), generator=generator)
            uniform.append(_repeat(numbers, steps * size))
        stacked = torch.stack(order), torch.stack(uniform)  # (L, S·B, …)
        rows, numbers = (values.view(len(values), steps, size, *values.shape[2:]).transpose(0, 1) for values in stacked)
        return rows, numbers

    def _gather(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return scaled inputs `(S·L, B, …)` and targets of some rows: one-hot classes and units, `(S·L, B, K + U)`.

        Args:
            rows: `(S·L, B)`: the rows of all lanes in step 0, then in step 1, and so on.
        """
        steps = len(rows) // len(self.lanes)
        lanes = [*self.lanes] * steps
        labels = torch.stack([lane.labels[lane_rows] for lane, lane_rows in zip(lanes, rows, strict=True)])
        units = [lane.units[lane_rows] for lane, lane_rows in zip(lanes, rows, strict=True) if lane.units is not None]
        rows = rows.to(self._device)
        inputs = self.lanes[0].inputs.new_empty(*rows.shape, *self.lanes[0].inputs.shape[1:])
        for lane, lane_rows, out in zip(lanes, rows, inputs, strict=True):
            torch.index_select(lane.inputs, 0, lane_rows, out=out)
        classes = self._class_weights.shape[1]
        targets = inputs.new_empty(*rows.shape, 0)
        if classes:
            targets = nn.functional.one_hot(labels.to(self._device), classes).to(inputs.dtype)
        if units:
            targets = torch.cat([targets, torch.stack(units).to(self._device, inputs.dtype)], dim=2)
        inputs.view(steps, -1, *inputs.shape[1:]).div_(self._scale)
        return inputs, targets

    def _compute_gradients(self, inputs: Tensor, targets: Tensor, mask: Tensor, keys: Tensor) -> Tensor:
        """Write the gradients of one step into their matrix. Return the losses, `(L,)`."""
        key_tensors = {f"{name}.key": key for name, key in zip(self._stack.dropouts, keys, strict=True)}
        logits = self._stack.logits({**self._leaves, **self._stack.buffers, **key_tensors}, inputs)
        if logits.ndim == 4:  # (L, B, parts, K): each part of the network has a loss of its own
            parts = logits.shape[2]
            logits = logits.flatten(1, 2)
            targets, mask = targets.repeat_interleave(parts, 1), mask.repeat_interleave(parts, 1)
        losses = self._losses(logits, targets, mask, slice(None))
        gradients = torch.autograd.grad(losses.sum(), list(self._leaves.values()), materialize_grads=True)
        flatten_gradients(gradients, out=self._gradients)
        if self._settings.max_gradient_norm is not None:
            norms = self._gradients.norm(dim=1, keepdim=True)
            self._gradients *= (self._settings.max_gradient_norm / norms).clamp(max=1)
        return losses.detach()

    def _update_weights(self, rates: FloatArray, active: NDArray[np.bool_]) -> None:
        """Take one optimiser step in the active lanes, with the learning rates `(L,)`."""
        groups: dict[float, list[int]] = {}  # lanes with the same rate, because each group costs one call
        for lane in np.flatnonzero(active):
            groups.setdefault(float(rates[lane]), []).append(int(lane))
        for rate, numbers in groups.items():
            self._optimiser.step(numbers, rate)

    def _update_average(self, taken: NDArray[np.int64], active: NDArray[np.bool_]) -> None:
        """Add the weights after `taken` steps to their moving average, which starts at the weights after step 1."""
        decay = self._settings.ema_decay
        if decay:
            share = torch.from_numpy((1 - decay) / (1 - decay**taken) * active)
            self._average.lerp_(self._weights, share.to(self._weights.dtype).to(self._device)[:, None])

    def _learning_rates(self, taken: NDArray[np.int64]) -> FloatArray:
        """Learning rates `(S, L)` of the step that follows `taken` steps, `(S, L)`."""
        settings = self._settings
        warmup = settings.warmup_epochs * self._steps
        rates: FloatArray = settings.learning_rate * np.minimum(1, (taken + 1) / np.maximum(warmup, 1))
        if settings.schedule == "cosine":
            span = np.maximum(settings.epochs * self._steps - warmup, 1)
            rates *= (1 + np.cos(np.pi * np.clip((taken - warmup) / span, 0, 1))) / 2
        return rates

    def _dropout_keys(self, taken: NDArray[np.int64]) -> Tensor:
        """Keys of dropout, `(S, modules, L)` int64. They depend on the lane's seed, its steps so far and the module."""
        seeds = np.array([lane.seed for lane in self.lanes], dtype=np.uint64)
        modules = np.arange(1, len(self._stack.dropouts) + 1, dtype=np.uint64)[:, None]
        steps = _hash_uint64(seeds + taken.astype(np.uint64) * _KEYS)[:, None]
        return torch.from_numpy(_hash_uint64(steps + modules * _KEYS).view(np.int64)).to(self._device)

    @cached_property
    def _scale(self) -> Tensor:
        return torch.stack([per_channel(lane.scale, lane.inputs) for lane in self.lanes]).to(self._device)

    @cached_property
    def _class_weights(self) -> Tensor:
        return torch.stack([lane.class_weights for lane in self.lanes]).to(self._device)

    def _random_states(self) -> list[Tensor]:
        """States of the random numbers that networks share: those of the processor, and those of the device."""
        states = [torch.get_rng_state()]
        return (
            states if self._device.type == "cpu" else [*states, torch.get_device_module(self._device).get_rng_state()]
        )

    @cached_property
    def _unit_weights(self) -> Tensor | None:
        """Weights of the states of units, `(L, U, 2)`, or None if the networks do not learn units."""
        weights = [lane.unit_state_weights for lane in self.lanes if lane.unit_state_weights is not None]
        return torch.stack(weights).to(self._device) if weights else None


def _repeat(rows: Tensor, length: int) -> Tensor:
    """Repeat rows `(n, …)` from the start until there are `length` of them."""
    return rows[torch.arange(length) % len(rows)]


def _hash_uint64(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return integers of which each bit depends on many bits of the input. The arithmetic wraps around at 64 bits."""
    bits = np.multiply(bits ^ (bits >> np.uint64(30)), _FIRST_MIX)
    bits = np.multiply(bits ^ (bits >> np.uint64(27)), _SECOND_MIX)
    return bits ^ (bits >> np.uint64(31))
