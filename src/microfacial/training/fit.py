"""Train one model on the training rows of one or more folds. No test row comes here.

The path of one training: `fit` calls `prepare_lane` for each network (lanes.py), trains the networks epoch by epoch
(`_Run` below, and lockstep.py), and returns the best epoch of each fold (`FittedNetwork`, fitted_network.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from itertools import zip_longest
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from microfacial.errors import ConfigError
from microfacial.metrics import confusion, uar
from microfacial.models import Estimator, Network
from microfacial.models.base import typed_settings
from microfacial.models.lookup import Model, find_model
from microfacial.models.settings import OptimiserSettings
from microfacial.preprocessing.devices import describe_device, device_memory
from microfacial.records import Fitted, FloatArray, History, Samples, TrainingData
from microfacial.settings import Section
from microfacial.training.augmentation import InputLayout
from microfacial.training.fitted_network import FittedNetwork, restore_network
from microfacial.training.kept_memory import kept_memory
from microfacial.training.lanes import Lane, prepare_lane
from microfacial.training.lockstep import Lockstep
from microfacial.training.one_vs_rest import fit_units
from microfacial.training.stack import NetworkStack, resolve_precision

_MAX_LANES = 8  # networks that train side by side; all wait for the slowest one, so more gain little
_MAX_CHUNK_BYTES = 512 * 2**20  # memory for inputs: each fold copies its training rows
_MAX_DEVICE_FOLDS = 1024  # that train side by side on a graphics processor
_ACTIVATIONS = 64  # a training step needs about this many times the memory of its inputs

Predict = Callable[[NDArray[np.float32]], FloatArray]
Watch = Callable[[int, int, Predict], None]
"""A function that is called after each epoch of each fold. Its arguments are the number of the fold in the chunk, the
number of the epoch, and a function that predicts with the weights of this epoch."""


def fit(
    chunk: Sequence[TrainingData],
    *,
    model: Model,
    settings: Section,
    watch: Watch | None = None,
    device: str = "cpu",
) -> list[Fitted]:
    """Train a model variant on each fold of a chunk.

    The same seeds give the same result on the same processor, whatever other folds are in the chunk. On a graphics
    processor, the same chunk gives the same result.

    Args:
        chunk: training data of each fold.
        model: the variant, or its name.
        settings: settings of the variant.
        watch: function that observes each epoch and cannot change the training. Estimators have no epochs.
        device: device that trains networks, `cpu`, `cuda` or `mps`. Estimators use the processor.

    Returns:
        The trained model of each fold.

    Raises:
        ConfigError: the training diverges, or the settings do not fit the model or its inputs.
    """
    match find_model(model):
        case Estimator() as estimator:
            estimator_settings = typed_settings(estimator.settings, settings)
            if chunk[0].samples.task == "units":
                return [fit_units(estimator, data, estimator_settings) for data in chunk]
            return [estimator.fit(data, estimator_settings) for data in chunk]
        case Network() as network:
            network_settings = typed_settings(network.settings, settings)
            _check_inputs(chunk[0].samples, network_settings)
            with kept_memory():
                return [*_fit_networks(network, chunk, network_settings, watch, device)]


def restore(model: Model, settings: Section, arrays: Mapping[str, NDArray[Any]]) -> Fitted:
    """Rebuild a trained model from its checkpoint. Its predictions are identical to the last bit.

    Args:
        model: the variant, or its name.
        settings: the settings that the model was trained with.
        arrays: the result of `Fitted.checkpoint`.

    Returns:
        The trained model, without its training curves.

    Raises:
        ConfigError: the settings belong to another model.
    """
    match find_model(model):
        case Estimator() as estimator:
            return estimator.restore(typed_settings(estimator.settings, settings), arrays)
        case Network() as network:
            return restore_network(network, typed_settings(network.settings, settings), arrays)


def chunk_size(model: Model, settings: Section, samples: Samples, device: str = "cpu") -> int:
    """Return the number of folds that train together.

    Args:
        model: the variant, or its name.
        settings: settings of the variant.
        samples: all samples. Large samples make smaller chunks, because each fold copies its training rows.
        device: device that trains. A graphics processor trains as many folds as fit into half of its memory and into a
            quarter of the memory of the machine.

    Raises:
        ConfigError: the settings belong to another model.
    """
    variant = find_model(model)
    if not isinstance(variant, Network):
        return 1
    network_settings: OptimiserSettings = typed_settings(variant.settings, settings)
    if device != "cpu" and variant.vmaps:
        row_bytes = samples.inputs[:1].nbytes
        network_bytes = _ACTIVATIONS * min(network_settings.batch_size, len(samples.labels)) * row_bytes
        fold_bytes = samples.inputs.nbytes + network_settings.ensemble_size * network_bytes
        on_device = device_memory(device) // 2 // max(1, fold_bytes)
        on_host = psutil.virtual_memory().total // 4 // max(1, samples.inputs.nbytes)
        return max(1, min(on_device, on_host, _MAX_DEVICE_FOLDS))
    if not variant.lockstep(network_settings):
        return 1
    folds = _MAX_LANES // network_settings.ensemble_size
    return max(1, min(folds, _MAX_CHUNK_BYTES // max(1, samples.inputs.nbytes)))


def arithmetic(settings: Section, device: str = "cpu") -> dict[str, str]:
    """Return the facts besides code and data that determine the last bits of a training.

    Args:
        settings: settings of the variant.
        device: device that trains networks.

    Returns:
        `torch`, its version; for `precision: auto` also `precision`, the number type that this processor gets; and for
        a network on a graphics processor also `device`, its name.
    """
    facts = {"torch": str(torch.__version__).partition("+")[0]}  # "+cpu" names a build of the same release
    if isinstance(settings, OptimiserSettings) and settings.precision == "auto":
        facts["precision"] = resolve_precision(settings, device)
    if isinstance(settings, OptimiserSettings) and device != "cpu":
        facts["device"] = describe_device(device)
    return facts


def _fit_networks(
    variant: Network[Any], chunk: Sequence[TrainingData], settings: OptimiserSettings, watch: Watch | None, device: str
) -> list[FittedNetwork]:
    """Train the ensembles of all folds until their validation losses stop falling."""
    samples, size = chunk[0].samples, settings.ensemble_size
    layout = InputLayout(shows=variant.shows, windows=samples.windows, mirror=samples.mirror)
    inputs = [torch.from_numpy(data.samples.inputs).to(device) for data in chunk]
    lanes = [
        prepare_lane(variant, data, member, settings, values)
        for data, values in zip(chunk, inputs, strict=True)
        for member in range(size)
    ]
    run_size = len(lanes) if variant.lockstep(settings) or (variant.vmaps and device != "cpu") else 1
    runs = [_Run(lanes[start : start + run_size], settings, layout) for start in range(0, len(lanes), run_size)]

    def collect(fold: int, weights: Sequence[Tensor], buffers: Sequence[Mapping[str, Tensor]]) -> FittedNetwork:
        members = slice(fold * size, (fold + 1) * size)
        stack = NetworkStack.of([lane.network for lane in lanes[members]], resolve_precision(settings, device))
        return FittedNetwork(
            task=lanes[members.start].task,
            stack=stack.with_weights(
                torch.cat(list(weights))[members],
                {name: torch.cat([values[name] for values in buffers])[members] for name in stack.buffers},
            ),
            scale=torch.stack([lane.scale for lane in lanes[members]]).numpy(),
            layout=layout,
            test_time_flip=settings.test_time_flip,
            chosen=_describe_epochs([epoch for run in runs for epoch in run.best_epochs.tolist()][members]),
            history=_mean_history([curve for run in runs for curve in run.curves][members]),
            explanation=variant.explain,
        )

    for epoch in range(1, settings.epochs + 1):
        training = ~np.concatenate([run.lockstep.done for run in runs]).reshape(len(chunk), size).all(axis=1)
        if not training.any():
            break
        for run in runs:
            run.advance(epoch)
        if watch:
            for fold in np.flatnonzero(training).tolist():
                lockstep = [run.lockstep for run in runs]
                fitted = collect(fold, [run.weights for run in lockstep], [run.buffers for run in lockstep])
                watch(fold, epoch, fitted.predict)
    best_weights, best_buffers = [run.best_weights for run in runs], [run.best_buffers for run in runs]
    return [collect(fold, best_weights, best_buffers) for fold in range(len(chunk))]


class _Run:
    """The training of lanes in lockstep, with early stopping.

    Attributes:
        lockstep: the training.
        best_weights: weights of the best epoch of each lane so far, `(L, P)`; without early stopping the latest ones.
        best_buffers: buffers of the same epoch by name, each `(L, …)`.
        best_epochs: number of this epoch, `(L,)` int64.
        curves: for each lane, the values of each epoch in the order of the fields of `History`.
    """

    def __init__(self, lanes: Sequence[Lane], settings: OptimiserSettings, layout: InputLayout) -> None:
        self.lockstep = Lockstep(lanes, settings, layout)
        latest = self.lockstep.weights
        self.best_weights = torch.zeros_like(latest) if settings.early_stopping else latest
        live = self.lockstep.buffers
        self.best_buffers = {name: value.clone() for name, value in live.items()} if settings.early_stopping else live
        self.best_epochs = np.zeros(len(lanes), dtype=np.int64)
        self.curves: list[list[tuple[float, ...]]] = [[] for _ in lanes]
        self._lowest_losses = np.full(len(lanes), np.inf)
        self._settings = settings
        # If nothing that the validation rows show occurs in training, their loss is 0. The lane keeps its last epoch.
        self._blind = np.array([lane.is_blind for lane in lanes])

    def advance(self, epoch: int) -> None:
        """Train one epoch. Stop the lanes whose validation loss has not fallen for `patience` epochs.

        Raises:
            ConfigError: a loss is not finite.
        """
        if self.lockstep.done.all():
            return
        better = active = ~self.lockstep.done
        values = [self.lockstep.train_epoch()]
        if self._settings.early_stopping:
            losses, guesses = self.lockstep.validate()
            values += [losses, _recalls(self.lockstep.lanes, guesses)] if guesses else [losses]
            better = active & ((losses < self._lowest_losses) | self._blind)
            self._lowest_losses[better] = losses[better]
        for lane in np.flatnonzero(active):
            self.curves[lane].append(tuple(float(value[lane]) for value in values))
            _check_finite(self.curves[lane][-1], epoch)
        self.best_epochs[better] = epoch
        if self._settings.early_stopping:
            for lane in np.flatnonzero(better):
                self.best_weights[lane] = self.lockstep.weights[lane]
                for name, value in self.lockstep.buffers.items():
                    self.best_buffers[name][lane] = value[lane]
        self.lockstep.done |= epoch - self.best_epochs >= self._settings.patience


def _recalls(lanes: Sequence[Lane], guesses: Sequence[NDArray[np.int64]]) -> FloatArray:
    """Unweighted average recall of each lane on its validation rows, `(L,)`."""
    counts = [
        confusion(lane.labels[lane.validation_rows].numpy(), guess, len(lane.class_weights))
        for lane, guess in zip(lanes, guesses, strict=True)
    ]
    return uar(np.stack(counts))


def _check_finite(values: Sequence[float], epoch: int) -> None:
    for field, value in zip(fields(History), values, strict=False):
        if not np.isfinite(value):
            name = field.name.replace("_", " ")
            raise ConfigError(f"training diverged in epoch {epoch} ({name} {value}). Lower the model's learning_rate")


def _check_inputs(samples: Samples, settings: OptimiserSettings) -> None:
    spatial = [name for name in ("flip", "test_time_flip", "shift_px", "window_jitter") if getattr(settings, name)]
    if spatial and samples.inputs.ndim <= 3:
        raise ConfigError(
            f"{spatial[0]} needs inputs that are maps of pixels, but the inputs of this model are vectors. Turn it off"
        )


def _describe_epochs(epochs: Sequence[int]) -> str:
    return f"epoch{'s' * (len(epochs) > 1)} {', '.join(map(str, epochs))}"


def _mean_history(curves: Sequence[Sequence[tuple[float, ...]]]) -> History:
    """Average the curves of an ensemble. Each epoch averages the networks that still train in it."""
    epochs = ([values for values in members if values is not None] for members in zip_longest(*curves))
    means = [np.mean(values, axis=0).tolist() for values in epochs]
    named = zip((field.name for field in fields(History)), zip(*means, strict=True), strict=False)
    return History(**{name: tuple(curve) for name, curve in named})
