"""What leave-one-subject-out costs: our training against the plain loop that most papers run.

    python benchmarks/loso.py [--model mlp] [--clips 150] [--subjects 32] [--folds 16] [--epochs 60] [--plot FILE]

The plain loop trains fold after fold: `torch.optim.AdamW`, `LambdaLR`, a `DataLoader` over tensors in memory without
workers, fp32, two threads, the same architecture, epochs, batch size, learning rates, loss weights, augmentation and
choice of the epoch. Ours uses two processes of one thread. Both run on synthetic clips that carry a faint pattern a
class; each is warmed up, then timed three times, in turns, and the best time counts. Where others use the machine,
threads that wait for each other lose more than processes that do not: compare processor seconds then, and the plain
loop with --threads 1.
"""

import argparse
import math
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.evaluation.significance import bootstrap_intervals
from microfacial.metrics import confusion, uf1
from microfacial.models import MODELS, Network, Task
from microfacial.models.settings import OptimiserSettings
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, FaceStore, FoldPlan, Samples
from microfacial.training.augmentation import InputLayout, augment, mirror, numbers_per_row
from microfacial.training.lanes import channel_scale
from microfacial.training.losses import class_weights

CLASSES = ("negative", "positive", "surprise")
REGIONS = {"left eye": (16, 16, 96, 112), "right eye": (16, 112, 96, 208), "mouth": (128, 56, 208, 168)}
SIDE_PX = 224
PROCESSES = 2
Predictions = NDArray[np.int64]


class Cost(NamedTuple):
    """What a run of all folds took, and what it predicted."""

    seconds: float
    processor_seconds: float
    predicted: list[Predictions]


def make_samples(variant: Network[Any], settings: OptimiserSettings, clips: int, subjects: int) -> Samples:
    """Synthetic clips of people, in the inputs that a variant wants: noise, and a faint pattern a class."""
    random = np.random.default_rng(0)
    labels = np.arange(clips) % len(CLASSES)
    windows = (ONSET_APEX, *PHASE_WINDOWS)
    patterns = random.normal(size=(len(CLASSES), len(windows), 2, 14, 14))
    coarse = random.normal(size=(clips, len(windows), 2, 14, 14)) + 0.12 * patterns[labels]
    fine = coarse.repeat(SIDE_PX // 14, axis=-1).repeat(SIDE_PX // 14, axis=-2)
    store = FaceStore(
        clips=tuple(map(str, range(clips))),
        crops=random.integers(0, 256, (clips, 2, SIDE_PX, SIDE_PX, 3), dtype=np.uint8),
        flow=fine.astype(np.float16),
        windows=windows,
        unit="px",
        boxes=np.tile(list(REGIONS.values()), (clips, 1, 1)),
        regions=tuple(REGIONS),
    )
    inputs = variant.make_inputs(store, settings)
    people = np.sort(np.arange(clips) % subjects)
    return Samples(
        inputs=np.ascontiguousarray(inputs.values),
        labels=labels,
        subjects=np.array([f"random/{person:03}" for person in people]),
        corpora=np.repeat("random", clips),
        clips=np.array(store.clips),
        active=random.random((clips, len(inputs.mirror))) < 0.3,
        classes=CLASSES,
        windows=inputs.windows,
        mirror=inputs.mirror,
    )


def run_ours(samples: Samples, plans: Sequence[FoldPlan], model: str, settings: OptimiserSettings) -> list[Predictions]:
    """Train all folds by the package, in the order of the plans."""
    folds = {
        fold.plan.key: fold.predicted for fold in train_folds(samples, plans, model, settings, processes=PROCESSES)
    }
    return [folds[plan.key] for plan in plans]


def run_plain(
    samples: Samples, plans: Sequence[FoldPlan], model: str, settings: OptimiserSettings, threads: int
) -> list[Predictions]:
    """Train fold after fold by the plain loop."""
    torch.set_num_threads(threads)
    variant = MODELS[model]
    assert isinstance(variant, Network)
    return [train_plainly(samples, plan, variant, settings) for plan in plans]


def train_plainly(samples: Samples, plan: FoldPlan, variant: Network[Any], settings: OptimiserSettings) -> Predictions:
    """One fold by the plain loop."""
    torch.manual_seed(plan.seed)
    layout = InputLayout(shows=variant.shows, windows=samples.windows, mirror=samples.mirror)
    known, validates = samples.take(plan.training_rows), (plan.validation_fold == 0) & settings.early_stopping
    trained, validated = known.take(np.flatnonzero(~validates)), known.take(np.flatnonzero(validates))
    scale = channel_scale(trained.inputs)
    shape = (len(scale), 1, 1) if trained.inputs.ndim > 3 else (len(scale),)

    def scaled(inputs: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(inputs / scale.reshape(shape))

    together = (trained.active[:, :, None] & trained.active[:, None]).mean(axis=0, dtype=np.float32)
    network = variant.build(Task(shape=trained.inputs.shape[1:], classes=3, co_occurrence=together), settings)
    weights = torch.from_numpy(class_weights(trained.labels, 3, settings.class_weights)).float()
    criterion = nn.CrossEntropyLoss(weights, label_smoothing=settings.label_smoothing)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    rows = TensorDataset(scaled(trained.inputs), torch.from_numpy(trained.labels))
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimiser, partial(share_of_rate, settings=settings, steps=-(-len(rows) // settings.batch_size))
    )
    asked, truth = scaled(validated.inputs), torch.from_numpy(validated.labels)
    lowest, best, since = float("inf"), network.state_dict(), 0
    for _ in range(settings.epochs):
        network.train()
        for inputs, labels in DataLoader(rows, settings.batch_size, shuffle=True):
            uniform = torch.rand(1, len(inputs), numbers_per_row(settings, layout))
            targets = nn.functional.one_hot(labels, 3).float()[None]
            changed, shares = augment(inputs[None], targets, uniform, settings, layout)
            optimiser.zero_grad()
            loss = criterion(network(changed[0]), shares[0] if settings.mixup_alpha else labels)
            loss.backward()
            if settings.max_gradient_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), settings.max_gradient_norm)
            optimiser.step()
            rates.step()
        if not settings.early_stopping:
            continue
        network.eval()
        with torch.no_grad():
            loss = criterion(network(asked), truth).item()
        since += 1
        if loss < lowest:
            lowest, since = loss, 0
            best = {name: value.clone() for name, value in network.state_dict().items()}
        if since >= settings.patience:
            break
    if settings.early_stopping:
        network.load_state_dict(best)
    network.eval()
    held_out = scaled(samples.inputs[plan.test_rows])
    images = [held_out, mirror(held_out, layout)] if settings.test_time_flip else [held_out]
    with torch.no_grad():
        return np.asarray(sum(network(image).softmax(1) for image in images).argmax(1).numpy())


def share_of_rate(step: int, settings: OptimiserSettings, steps: int) -> float:
    """Which share of the learning rate a step takes, of so many an epoch: a warm-up, then perhaps half a cosine."""
    warmup = settings.warmup_epochs * steps
    if step < warmup:
        return (step + 1) / warmup
    if settings.schedule == "constant":
        return 1.0
    return (1 + math.cos(math.pi * min(1, (step - warmup) / max(1, settings.epochs * steps - warmup)))) / 2


def time_run(run: Callable[[], list[Predictions]]) -> Cost:
    """Wall and processor seconds of a run, children included."""
    before, start = processor_seconds(), time.perf_counter()
    predicted = run()
    return Cost(time.perf_counter() - start, processor_seconds() - before, predicted)


def processor_seconds() -> float:
    """Processor seconds of this process and of its workers so far."""
    return sum(sum(process.cpu_times()[:2]) for process in own_processes())


def own_processes() -> list[psutil.Process]:
    """This process and its workers."""
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


class Memory:
    """Watches the memory of this process and its workers while a block runs; `peak_mb` is the most."""

    def __enter__(self) -> "Memory":
        self.peak_mb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            self.peak_mb = max(self.peak_mb, sum(process.memory_info().rss for process in own_processes()) / 2**20)


class Scored(NamedTuple):
    """UF1, and its interval over people."""

    uf1: float
    low: float
    high: float

    def holds(self, other: "Scored") -> bool:
        """Whether another score lies in the interval."""
        return self.low <= other.uf1 <= self.high


def score(predicted: Sequence[Predictions], samples: Samples, plans: Sequence[FoldPlan]) -> Scored:
    """The pooled score of all folds."""
    folds = zip(plans, predicted, strict=True)
    each = np.stack([confusion(samples.labels[plan.test_rows], guess, len(CLASSES)) for plan, guess in folds])
    (low, high), _ = bootstrap_intervals(each[None], 1000, 0)
    return Scored(float(uf1(each.sum(0))), low, high)


def describe(name: str, costs: Sequence[Cost], scored: Scored, maps: int, peak_mb: float) -> str:
    """One line: time, rate, score with its interval over people, memory."""
    best, processor = (min(values) for values in zip(*(cost[:2] for cost in costs), strict=True))
    return (
        f"{name:6} {best:7.2f} s wall, {processor:7.2f} s processor, {maps / best:9.0f} maps/s, "
        f"UF1 {scored.uf1:.3f} [{scored.low:.3f}, {scored.high:.3f}], {peak_mb:.0f} MB"
    )


def maps_seen(samples: Samples, plans: Sequence[FoldPlan], settings: OptimiserSettings) -> int:
    """Maps that go through the networks in training: samples × windows × regions, in each epoch of each fold."""
    each = int(np.prod(samples.inputs.shape[1:-3])) if samples.inputs.ndim > 3 else 1
    trained = sum(
        int((plan.validation_fold != 0).sum()) if settings.early_stopping else len(plan.validation_fold)
        for plan in plans
    )
    return each * settings.epochs * trained


def prepare(options: argparse.Namespace, clips: int) -> tuple[OptimiserSettings, Samples, list[FoldPlan]]:
    """Settings of the model, synthetic clips for it, and a fold a subject."""
    variant = MODELS[options.model]
    assert isinstance(variant, Network), f"{options.model} is not trained by epochs"
    windows = {} if options.windows_per_phase is None else {"windows_per_phase": options.windows_per_phase}
    keys = {**variant.presets[options.preset], "ensemble_size": 1, **windows}
    settings: OptimiserSettings = variant.settings.model_validate(keys)
    epochs = options.epochs or settings.epochs
    settings = settings.model_copy(update={"epochs": epochs, "patience": epochs})
    samples = make_samples(variant, settings, clips, options.subjects)
    return settings, samples, plan_folds(samples, TrainConfig())


def time_alone(options: argparse.Namespace) -> None:
    """What a whole leave-one-subject-out costs, the start of the processes included."""
    settings, samples, plans = prepare(options, options.clips)
    cost = time_run(partial(run_ours, samples, plans, options.model, settings))
    shape = " × ".join(map(str, samples.inputs.shape))
    print(f"{options.model}: inputs {shape}, {len(plans)} folds, {settings.epochs} epochs: {cost.seconds:.0f} s")


def compare(options: argparse.Namespace, clips: int, folds: int, rounds: int, quiet: bool = False) -> tuple[Cost, Cost]:
    """Best costs of our way and of the plain one."""
    settings, samples, plans = prepare(options, clips)
    plans = plans[:folds]
    runs: dict[str, Callable[..., list[Predictions]]] = {
        "ours": run_ours,
        "plain": partial(run_plain, threads=options.threads),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    peaks_mb = dict.fromkeys(runs, 0.0)
    for run in runs.values():
        run(samples, plans, options.model, settings.model_copy(update={"epochs": 1}))
    for _ in range(rounds):
        for name, run in runs.items():
            with Memory() as memory:
                costs[name].append(time_run(partial(run, samples, plans, options.model, settings)))
            peaks_mb[name] = max(peaks_mb[name], memory.peak_mb)
    ours, plain = (min(costs[name], key=lambda cost: cost.seconds) for name in ("ours", "plain"))
    if not quiet:
        maps, scores = maps_seen(samples, plans, settings), {}
        print(
            f"{options.model}: {clips} clips {samples.inputs.shape[1:]}, {len(plans)} folds, {settings.epochs} epochs"
        )
        for name in runs:
            scores[name] = score(costs[name][0].predicted, samples, plans)
            print(describe(name, costs[name], scores[name], maps, peaks_mb[name]))
        same = scores["ours"].holds(scores["plain"]) and scores["plain"].holds(scores["ours"])
        print(f"each score lies {'' if same else 'NOT '}in the other's interval")
        processor = [min(cost.processor_seconds for cost in costs[name]) for name in ("plain", "ours")]
        print(f"ratio {plain.seconds / ours.seconds:.2f} wall, {processor[0] / processor[1]:.2f} processor")
    return ours, plain


def plot(options: argparse.Namespace, path: Path) -> None:
    """Draw cost against the number of folds and of clips."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    sweeps = {
        "folds": [(folds, options.clips, folds) for folds in (2, 4, 8, 16)],
        "clips": [(clips, clips, options.folds) for clips in (60, 120, 240)],
    }
    for axis, (name, points) in zip(axes, sweeps.items(), strict=True):
        costs = [compare(options, clips, folds, 1, quiet=True) for _, clips, folds in points]
        for number, label in enumerate(("microfacial", "plain loop")):
            axis.plot([point[0] for point in points], [pair[number].seconds for pair in costs], "o-", label=label)
        axis.set(xlabel=f"number of {name}", ylabel="seconds", ylim=(0, None))
        axis.legend()
    figure.suptitle(f"{options.model}, {options.preset}")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Compare both ways on one model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--subjects", type=int, default=32)
    parser.add_argument("--epochs", type=int, help="those of the preset if not given")
    parser.add_argument("--folds", type=int, default=16, help="of so many subjects; the cost of all grows with them")
    parser.add_argument("--threads", type=int, default=2, help="of the plain loop")
    parser.add_argument("--windows-per-phase", type=int, help="of models that look at phases; 2 are four windows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--alone", action="store_true", help="time one round of ours only, all subjects held out in turn"
    )
    parser.add_argument("--plot", type=Path, help="where to draw cost against folds and clips")
    options = parser.parse_args()
    if options.alone:
        time_alone(options)
        return
    compare(options, options.clips, options.folds, options.rounds)
    if options.plot:
        plot(options, options.plot)


if __name__ == "__main__":
    main()
