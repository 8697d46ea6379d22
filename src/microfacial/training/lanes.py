"""Preparation of one network of a fold: its rows, its scale, its class weights and its untrained weights."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.disk import split_rows
from microfacial.models import Network, Task
from microfacial.models.settings import OptimiserSettings
from microfacial.records import Samples, TrainingData
from microfacial.training.losses import class_weights, unit_class_weights


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One network before training, with the rows it trains on.

    Attributes:
        task: shape of a sample, number of classes, and co-occurrence of regions in the training rows.
        network: the untrained network.
        inputs: inputs of the fold's m rows, `(m, …)`, on the device of the training. Lanes of one fold share them.
        labels: classes of the fold's rows, `(m,)` int64.
        training_rows: rows to train on, as indices into `inputs`, int64.
        validation_rows: rows to validate on, int64; empty without early stopping.
        scale: divisor of each channel of the inputs, `(C,)`: the root mean square over the training rows.
        class_weights: weights of the classes in the loss, `(K,)`.
        seed: seed of the order of rows, of augmentation and of dropout.
        units: whether each of U action units moves in the fold's rows, `(m, U)`, NaN if that is unknown. None unless
            the network learns units.
        unit_state_weights: weights of a still and of a moving unit in the loss, `(U, 2)`.
    """

    task: Task
    network: nn.Module
    inputs: Tensor
    labels: Tensor
    training_rows: Tensor
    validation_rows: Tensor
    scale: Tensor
    class_weights: Tensor
    seed: int
    units: Tensor | None = None
    unit_state_weights: Tensor | None = None

    @property
    def is_blind(self) -> bool:
        """Whether the loss of the validation rows is always 0, because nothing that they show occurs in training."""
        rows = self.validation_rows
        classes = len(self.class_weights) > 0 and bool(self.class_weights[self.labels[rows]].any())
        if self.units is None or self.unit_state_weights is None:
            return not classes
        states, (still, moving) = self.units[rows], self.unit_state_weights.unbind(-1)
        weighted = ((states == 0) & (still > 0)) | ((states == 1) & (moving > 0))
        return not classes and not bool(weighted.any())


def prepare_lane(
    variant: Network[Any], data: TrainingData, member: int, settings: OptimiserSettings, inputs: Tensor | None = None
) -> Lane:
    """Build one network of a fold and choose its rows.

    Everything that depends on data depends on the training rows of the lane only.

    Args:
        variant: the model variant.
        data: training rows of the fold.
        member: number of the network in the ensemble of the fold, from 0. Members validate on the validation folds in
            turn, and differ in their seeds.
        settings: settings of the variant.
        inputs: inputs of the fold on the device of the training. None means the inputs in `data`, on the processor.
    """
    training, validation = _split_rows(data, member, settings.early_stopping)
    samples = data.samples
    initial_seed, seed = member_seeds(data.seed, member)
    learns_units = samples.units is not None and (samples.task == "units" or settings.unit_weight > 0)
    task = _describe_task(samples, training, learns_units=learns_units)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(initial_seed)  # torch.manual_seed also asks each kind of device
        network = variant.build(task, settings)
    scale = channel_scale(samples.inputs, training)
    weights = class_weights(samples.labels[training], len(samples.classes), settings.class_weights)
    if samples.task == "units":
        weights = weights[:0]
    units = samples.units if learns_units else None
    return Lane(
        task=task,
        network=network,
        inputs=torch.from_numpy(samples.inputs) if inputs is None else inputs,
        labels=torch.from_numpy(samples.labels),
        training_rows=torch.from_numpy(training),
        validation_rows=torch.from_numpy(validation),
        scale=torch.from_numpy(scale),
        class_weights=torch.from_numpy(weights.astype(scale.dtype)),
        seed=seed,
        units=None if units is None else torch.from_numpy(units),
        unit_state_weights=None
        if units is None
        else torch.from_numpy(unit_class_weights(units[training], settings.class_weights).astype(scale.dtype)),
    )


def member_seeds(seed: int, member: int) -> tuple[int, int]:
    """Return the seed of a network's untrained weights, and the seed of its training.

    Args:
        seed: seed of the fold.
        member: number of the network in the ensemble of the fold, from 0.
    """
    initial, training = np.random.SeedSequence([seed, member]).generate_state(2, np.uint32).tolist()
    return initial, training


def channel_scale(inputs: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Compute the root mean square of each channel. Division by it keeps zero motion at zero.

    Args:
        inputs: `(m, …, C, H, W)`. Flat inputs `(m, P)` count as one channel.
        rows: indices of the n rows that count.

    Returns:
        Root mean squares, `(C,)`, never 0, with the type of the inputs.
    """
    channel = inputs.ndim - 3 if inputs.ndim > 3 else None
    other_axes = tuple(axis for axis in range(inputs.ndim) if axis != channel)
    sums = [
        np.square(inputs[rows[block]], dtype=np.float64).sum(axis=other_axes) for block in split_rows(inputs, len(rows))
    ]
    power = np.atleast_1d(np.sum(sums, axis=0)) / (len(rows) * math.prod(inputs.shape[axis] for axis in other_axes[1:]))
    return np.sqrt(np.maximum(power, np.finfo(np.float32).tiny)).astype(inputs.dtype)


def per_channel(scale: Tensor, inputs: Tensor) -> Tensor:
    """Reshape a scale so that inputs can be divided by it.

    Args:
        scale: `(C,)`.
        inputs: `(n, …, C, H, W)`, or flat inputs `(n, P)` with C = 1.

    Returns:
        The scale with one axis for each axis of a sample, such as `(1, C, 1, 1)`.
    """
    pixel_axes = 2 if inputs.ndim > 3 else 0
    return scale.view(*[1] * (inputs.ndim - 1 - pixel_axes), len(scale), *[1] * pixel_axes)


def _split_rows(data: TrainingData, member: int, early_stopping: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training and validation rows of a member. Members use the validation folds in turn."""
    if not early_stopping:
        return np.arange(len(data.validation_fold)), np.empty(0, dtype=np.int64)
    folds = np.unique(data.validation_fold)
    validates = data.validation_fold == folds[member % len(folds)]
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def _describe_task(samples: Samples, training: NDArray[np.int64], *, learns_units: bool) -> Task:
    """Describe the task of the training rows, without a copy of their inputs."""
    names = samples.classes if samples.task == "classes" else ()
    units = SCORED_UNITS if learns_units else ()
    active = samples.active[training]
    together = active[:, :, None] & active[:, None]  # (n, R, R)
    return Task(
        shape=samples.inputs.shape[1:],
        classes=len(names) + len(units),
        co_occurrence=together.mean(axis=0, dtype=np.float32),
        names=names,
        units=units,
    )
