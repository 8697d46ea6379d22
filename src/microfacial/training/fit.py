"""Fit one model on the known rows of one or more folds. Held-out rows never come here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from microfacial.errors import ConfigError
from microfacial.metrics import confusion, uar
from microfacial.models import MODELS, Estimator, Network, Task
from microfacial.models.base import Explain
from microfacial.records import Fitted, History, Samples, TrainingData
from microfacial.settings import OptimiserSettings, Section
from microfacial.training.augmentation import InputLayout, mirror
from microfacial.training.lockstep import Lane, Lockstep, NetworkStack, per_channel
from microfacial.training.losses import class_weights

LANES = 8  # networks that train side by side; all wait for the slowest, so more gain little
CHUNK_BYTES = 512 * 2**20  # of inputs, at most: each fold copies the rows that it knows
_TENSOR = "network."  # what names of parameters and buffers begin with in a checkpoint

Predict = Callable[[NDArray[np.float32]], NDArray[np.float64]]
Watch = Callable[[int, int, Predict], None]
"""Called after each epoch of a fold with the fold's number in the chunk, the epoch, and what predicts as it stands."""


def fit(chunk: Sequence[TrainingData], *, model: str, settings: Section, watch: Watch | None = None) -> list[Fitted]:
    """Fit a variant by name on each fold of a chunk; the same seeds give the same result on the same processor.

    Args:
        watch: is shown what each epoch would predict, and has no say. Estimators have no epochs to show.

    Raises:
        ConfigError: training diverges, or the settings ask for what the inputs do not allow.
    """
    match MODELS[model]:
        case Estimator() as estimator:
            return [estimator.fit(known, settings) for known in chunk]
        case Network() as network:
            assert isinstance(settings, OptimiserSettings)
            _check_inputs(chunk[0].samples, model, settings)
            return [*_fit_networks(network, chunk, settings, watch)]


def chunk_size(model: str, settings: Section, samples: Samples) -> int:
    """How many folds train together: fewer where samples are so large that the folds' copies of them would be."""
    variant = MODELS[model]
    if isinstance(variant, Network) and variant.lockstep(settings):
        assert isinstance(settings, OptimiserSettings)
        return max(1, min(LANES // settings.members, CHUNK_BYTES // max(1, samples.inputs.nbytes)))
    return 1


def arithmetic(settings: Section) -> dict[str, str]:
    """What the last bits of a fit depend on beside its code: torch, and what `precision: auto` is on this processor."""
    facts = {"torch": str(torch.__version__).partition("+")[0]}  # "+cpu" names a build of the same release
    if isinstance(settings, OptimiserSettings) and settings.precision == "auto":
        facts["precision"] = _precision(settings)
    return facts


# --- what comes out ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FittedNetwork:
    """The networks of one fold, M members with the weights of their chosen epochs: they predict their mean.

    `scale` `(M, C)` is the root mean square per channel of each member's training rows.
    """

    task: Task
    stack: NetworkStack
    scale: NDArray[np.float32]
    layout: InputLayout
    test_time_flip: bool
    chosen: str
    history: History
    explanation: Explain | None

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities `(n, K)`."""
        images = [torch.from_numpy(np.ascontiguousarray(inputs))]  # torch has no negative strides
        if self.test_time_flip:
            images.append(mirror(images[0], self.layout))
        chances = [
            self.stack.member(member).predict((image / per_channel(scale, image))[None])[0].double().softmax(1)
            for member, scale in enumerate(torch.from_numpy(self.scale))
            for image in images
        ]
        return np.asarray(torch.stack(chances).mean(0).numpy())

    def explain(self, inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """What counted for inputs as they are, not for their mirror images; means over members."""
        if self.explanation is None:
            return {}
        image = torch.from_numpy(np.ascontiguousarray(inputs))
        members = [
            self.stack.member(member).explain(self.explanation, image / per_channel(scale, image))
            for member, scale in enumerate(torch.from_numpy(self.scale))
        ]
        return {name: torch.stack([found[name] for found in members]).double().mean(0).numpy() for name in members[0]}

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """All that `restore` wants: weights, their scale, what the networks were built for."""
        tensors = {**self.stack.parameters, **self.stack.buffers}
        return {
            "shape": np.array(self.task.shape),
            "classes": np.array(self.task.classes),
            "co_occurrence": self.task.co_occurrence,
            "windows": np.array(self.layout.windows, dtype=np.str_),
            "mirror": np.array(self.layout.mirror, dtype=np.int64),
            "scale": self.scale,
            "chosen": np.array(self.chosen),
            **{f"{_TENSOR}{name}": value.numpy().copy() for name, value in tensors.items()},
        }


def restore(model: str, settings: Section, arrays: Mapping[str, NDArray[Any]]) -> Fitted:
    """What wrote a checkpoint, without its curves: it predicts the same to the last bit."""
    match MODELS[model]:
        case Estimator() as estimator:
            return estimator.restore(settings, arrays)
        case Network() as network:
            assert isinstance(settings, OptimiserSettings)
            return _restore_network(network, settings, arrays)


def _restore_network(
    variant: Network, settings: OptimiserSettings, arrays: Mapping[str, NDArray[Any]]
) -> FittedNetwork:
    task = Task(
        shape=tuple(arrays["shape"].tolist()), classes=int(arrays["classes"]), co_occurrence=arrays["co_occurrence"]
    )
    names = [name for name in arrays if name.startswith(_TENSOR)]
    tensors = {name.removeprefix(_TENSOR): torch.from_numpy(arrays[name]) for name in names}
    return FittedNetwork(
        task=task,
        stack=NetworkStack.from_tensors(variant.build(task, settings), tensors, _precision(settings)),
        scale=arrays["scale"],
        layout=InputLayout(
            shows=variant.shows, windows=tuple(arrays["windows"].tolist()), mirror=tuple(arrays["mirror"].tolist())
        ),
        test_time_flip=settings.test_time_flip,
        chosen=str(arrays["chosen"]),
        history=History(),
        explanation=variant.explain,
    )


# --- how it comes about -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Member:
    """One network of a fold before training."""

    task: Task
    network: nn.Module
    lane: Lane


class _Run:
    """Members that train in lockstep; of each lane the best epoch so far, and in `kept` `(L, P)` its weights."""

    def __init__(self, members: Sequence[_Member], settings: OptimiserSettings, layout: InputLayout) -> None:
        networks, lanes = [member.network for member in members], [member.lane for member in members]
        self.lockstep = Lockstep(networks, lanes, settings, _precision(settings), layout)
        latest = self.lockstep.weights
        self.kept = (
            torch.zeros_like(latest) if settings.early_stopping else latest
        )  # without a choice, the latest are kept
        self.best = np.zeros(len(lanes), dtype=np.int64)
        self.curves: list[list[tuple[float, ...]]] = [[] for _ in lanes]
        self._lowest = np.full(len(lanes), np.inf)
        self._settings = settings
        # A validation part of classes that do not occur in training cannot tell epochs apart: the last one is kept.
        self._blind = np.array([not lane.weights[lane.labels[lane.validation]].any() for lane in lanes])

    def advance(self, epoch: int) -> None:
        """Train an epoch, and stop the lanes whose validation loss has not fallen for too long.

        Raises:
            ConfigError: a loss is not finite.
        """
        if self.lockstep.done.all():
            return
        better = active = ~self.lockstep.done
        values = [self.lockstep.train_epoch()]
        if self._settings.early_stopping:
            losses, guesses = self.lockstep.validate()
            values += [losses, _recalls(self.lockstep.lanes, guesses)]
            better = active & ((losses < self._lowest) | self._blind)
            self._lowest[better] = losses[better]
        for lane in np.flatnonzero(active):
            self.curves[lane].append(tuple(float(value[lane]) for value in values))
            _check_finite(self.curves[lane][-1], epoch)
        self.best[better] = epoch
        for lane in np.flatnonzero(better) if self._settings.early_stopping else ():
            self.kept[lane] = self.lockstep.weights[lane]
        self.lockstep.done |= epoch - self.best >= self._settings.patience


def _fit_networks(
    variant: Network, chunk: Sequence[TrainingData], settings: OptimiserSettings, watch: Watch | None
) -> list[FittedNetwork]:
    """Train the members of all folds until their validation losses stop falling; keep their best epochs' weights."""
    samples, each = chunk[0].samples, settings.members
    layout = InputLayout(shows=variant.shows, windows=samples.windows, mirror=samples.mirror)
    members = [_prepare(variant, known, member, settings) for known in chunk for member in range(each)]
    size = len(members) if variant.lockstep(settings) else 1
    runs = [_Run(members[start : start + size], settings, layout) for start in range(0, len(members), size)]

    def gather(fold: int, weights: Sequence[Tensor]) -> FittedNetwork:
        own = slice(fold * each, (fold + 1) * each)
        return FittedNetwork(
            task=members[own.start].task,
            stack=NetworkStack.of([member.network for member in members[own]], _precision(settings)).with_weights(
                torch.cat(list(weights))[own]
            ),
            scale=torch.stack([member.lane.scale for member in members[own]]).numpy(),
            layout=layout,
            test_time_flip=settings.test_time_flip,
            chosen=_name_epochs([epoch for run in runs for epoch in run.best.tolist()][own]),
            history=_mean_history([curve for run in runs for curve in run.curves][own]),
            explanation=variant.explain,
        )

    for epoch in range(1, settings.epochs + 1):
        training = ~np.concatenate([run.lockstep.done for run in runs]).reshape(len(chunk), each).all(axis=1)
        if not training.any():
            break
        for run in runs:
            run.advance(epoch)
        for fold in np.flatnonzero(training) if watch else ():
            assert watch is not None
            watch(int(fold), epoch, gather(int(fold), [run.lockstep.weights for run in runs]).predict)
    return [gather(fold, [run.kept for run in runs]) for fold in range(len(chunk))]


def _prepare(variant: Network, known: TrainingData, member: int, settings: OptimiserSettings) -> _Member:
    """What a member of a fold trains and validates on, and its untrained network."""
    training, validation = _divide(known, member, settings.early_stopping)
    samples = known.samples
    initial, further = np.random.SeedSequence([known.seed, member]).generate_state(2, np.uint32).tolist()
    task = _describe(samples.take(training))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(initial)
        network = variant.build(task, settings)
    scale = channel_scale(samples.inputs[training])
    weights = class_weights(samples.labels[training], len(samples.classes), settings.class_weights)
    lane = Lane(
        inputs=torch.from_numpy(samples.inputs),
        labels=torch.from_numpy(samples.labels),
        training=torch.from_numpy(training),
        validation=torch.from_numpy(validation),
        scale=torch.from_numpy(scale),
        weights=torch.from_numpy(weights.astype(scale.dtype)),
        seed=further,
    )
    return _Member(task=task, network=network, lane=lane)


def _divide(known: TrainingData, member: int, early_stopping: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training and validation rows of a member: members take turns with the parts."""
    if not early_stopping:
        return np.arange(len(known.validation_fold)), np.empty(0, dtype=np.int64)
    parts = np.unique(known.validation_fold)
    validates = known.validation_fold == parts[member % len(parts)]
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def _describe(training: Samples) -> Task:
    """What the training rows ask of a network."""
    together = training.active[:, :, None] & training.active[:, None]  # (n, R, R)
    return Task(
        shape=training.inputs.shape[1:],
        classes=len(training.classes),
        co_occurrence=together.mean(axis=0, dtype=np.float32),
    )


def channel_scale(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root mean square of each channel, `(C,)`, over inputs `(n, …, C, H, W)`; zero motion stays zero.

    Flat inputs, `(n, P)`, are one channel.
    """
    channel = inputs.ndim - 3 if inputs.ndim > 3 else None
    others = tuple(axis for axis in range(inputs.ndim) if axis != channel)
    power = np.atleast_1d(np.square(inputs, dtype=np.float64).mean(axis=others))
    return np.asarray(np.sqrt(np.maximum(power, np.finfo(np.float32).tiny)), dtype=inputs.dtype)


def _recalls(lanes: Sequence[Lane], guesses: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """UAR of each lane on its validation rows, `(L,)`."""
    counts = [
        confusion(lane.labels[lane.validation].numpy(), guess, len(lane.weights))
        for lane, guess in zip(lanes, guesses, strict=True)
    ]
    return uar(np.stack(counts))


def _check_finite(values: Sequence[float], epoch: int) -> None:
    for field, value in zip(fields(History), values, strict=False):
        if not np.isfinite(value):
            what = f"{field.name.replace('_', ' ')} {value}"
            raise ConfigError(f"training diverged in epoch {epoch} ({what}). Lower the model's learning_rate")


def _check_inputs(samples: Samples, model: str, settings: OptimiserSettings) -> None:
    moves = [name for name in ("flip", "test_time_flip", "shift_px", "jitter") if getattr(settings, name)]
    if moves and samples.inputs.ndim <= 3:
        raise ConfigError(f"{model}.{moves[0]}: the inputs of {model} are no maps of pixels. Turn it off")


def _name_epochs(epochs: Sequence[int]) -> str:
    """The chosen epochs in words."""
    return f"epoch{'s' * (len(epochs) > 1)} {', '.join(map(str, epochs))}"


def _mean_history(curves: Sequence[Sequence[tuple[float, ...]]]) -> History:
    """Mean curves of the members that still train at an epoch."""
    epochs = ([values for values in members if values is not None] for members in zip_longest(*curves))
    means = [np.mean(values, axis=0).tolist() for values in epochs]
    named = zip((field.name for field in fields(History)), zip(*means, strict=True), strict=False)
    return History(**{name: tuple(curve) for name, curve in named})


def _precision(settings: OptimiserSettings) -> str:
    """What matrix products are computed in; `auto` asks the processor."""
    if settings.precision != "auto":
        return settings.precision
    has = torch.cpu.get_capabilities()
    return "bfloat16" if has.get("avx512_bf16") or has.get("amx_bf16") else "float32"
