"""Time leave-one-subject-out: the training of this package against the plain loop of most papers (plain_loop.py).

    python benchmarks/loso.py [--model mlp] [--clips 150] [--subjects 32] [--folds 16] [--epochs 60] [--plot FILE]

The package uses two processes with one thread each. The plain loop uses two threads. Both train on synthetic clips
that carry a faint pattern per class. After a warm-up each runs three times, in turns, and the best time counts. If
other programs use the machine, threads that wait for each other lose more time than processes that do not. Compare
processor seconds in this case, and run the plain loop with --threads 1.
"""

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from matplotlib.figure import Figure
from numpy.typing import NDArray

from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.evaluation.significance import bootstrap_intervals
from microfacial.metrics import confusion, uf1
from microfacial.models import MODELS, Network
from microfacial.models.settings import OptimiserSettings
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, FaceStore, FoldPlan, Samples
from plain_loop import run_plain

CLASSES = ("negative", "positive", "surprise")
REGIONS = {"left eye": (16, 16, 96, 112), "right eye": (16, 112, 96, 208), "mouth": (128, 56, 208, 168)}
SIDE_PX = 224
PROCESSES = 2
FEWEST_FOLDS = 8  # test subjects from which intervals over subjects are wide enough to compare scores
Predictions = NDArray[np.int64]


class Cost(NamedTuple):
    """Time and predictions of one run of all folds."""

    seconds: float
    processor_seconds: float
    predicted: list[Predictions]


def make_samples(variant: Network[Any], settings: OptimiserSettings, clips: int, subjects: int) -> Samples:
    """Return the inputs of a variant for synthetic clips: noise, and a faint pattern per class."""
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
    """Train all folds with this package. Return the predictions in the order of the plans."""
    folds = {
        fold.plan.key: fold.predicted for fold in train_folds(samples, plans, model, settings, processes=PROCESSES)
    }
    return [folds[plan.key] for plan in plans]


def time_run(run: Callable[[], list[Predictions]]) -> Cost:
    """Run a function and measure its wall time and its processor time, including child processes."""
    before, start = processor_seconds(), time.perf_counter()
    predicted = run()
    return Cost(time.perf_counter() - start, processor_seconds() - before, predicted)


def processor_seconds() -> float:
    """Return the processor seconds of this process and its workers so far."""
    return sum(sum(process.cpu_times()[:2]) for process in own_processes())


def own_processes() -> list[psutil.Process]:
    """Return this process and its workers."""
    process = psutil.Process()
    return [process, *process.children(recursive=True)]


class Memory:
    """Measures the peak memory of this process and its workers during a block, in MiB, as `peak_mb`."""

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
    """UF1 with its confidence interval over subjects."""

    uf1: float
    low: float
    high: float

    def holds(self, other: "Scored") -> bool:
        """Return whether another score lies in the interval."""
        return self.low <= other.uf1 <= self.high


def score(predicted: Sequence[Predictions], samples: Samples, plans: Sequence[FoldPlan]) -> Scored:
    """Return the pooled score of all folds."""
    folds = zip(plans, predicted, strict=True)
    counts = np.stack([confusion(samples.labels[plan.test_rows], guess, len(CLASSES)) for plan, guess in folds])
    (low, high), _ = bootstrap_intervals(counts[None], 1000, 0)
    return Scored(float(uf1(counts.sum(0))), low, high)


def compare_scores(ours: Scored, plain: Scored, folds: int) -> str:
    """Return whether both scores agree, or that there are too few subjects to tell."""
    if folds < FEWEST_FOLDS:
        return f"too few test subjects to compare the scores: {folds}. Give --folds {FEWEST_FOLDS} or more"
    agree = ours.holds(plain) and plain.holds(ours)
    return f"each score lies {'' if agree else 'NOT '}in the interval of the other one"


def describe(name: str, costs: Sequence[Cost], scored: Scored, maps: int, peak_mb: float) -> str:
    """Return one line with time, rate, score with interval, and memory."""
    best, processor = (min(values) for values in zip(*(cost[:2] for cost in costs), strict=True))
    return (
        f"{name:6} {best:7.2f} s wall, {processor:7.2f} s processor, {maps / best:9.0f} maps/s, "
        f"UF1 {scored.uf1:.3f} [{scored.low:.3f}, {scored.high:.3f}], {peak_mb:.0f} MB"
    )


def count_maps(samples: Samples, plans: Sequence[FoldPlan], settings: OptimiserSettings) -> int:
    """Return how many maps the networks train on: samples × windows × regions × epochs, summed over folds."""
    maps_per_sample = int(np.prod(samples.inputs.shape[1:-3])) if samples.inputs.ndim > 3 else 1
    rows = sum(
        int((plan.validation_fold != 0).sum()) if settings.early_stopping else len(plan.validation_fold)
        for plan in plans
    )
    return maps_per_sample * settings.epochs * rows


def prepare(options: argparse.Namespace, clips: int) -> tuple[OptimiserSettings, Samples, list[FoldPlan]]:
    """Return the settings of the model, synthetic clips, and one fold per subject."""
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
    """Print the time of one whole leave-one-subject-out of the package, including the start of its processes."""
    settings, samples, plans = prepare(options, options.clips)
    cost = time_run(partial(run_ours, samples, plans, options.model, settings))
    shape = " × ".join(map(str, samples.inputs.shape))
    print(f"{options.model}: inputs {shape}, {len(plans)} folds, {settings.epochs} epochs: {cost.seconds:.0f} s")


def compare(options: argparse.Namespace, clips: int, folds: int, rounds: int, quiet: bool = False) -> tuple[Cost, Cost]:
    """Return the best costs of the package and of the plain loop."""
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
        maps, scores = count_maps(samples, plans, settings), {}
        print(
            f"{options.model}: {clips} clips {samples.inputs.shape[1:]}, {len(plans)} folds, {settings.epochs} epochs"
        )
        for name in runs:
            scores[name] = score(costs[name][0].predicted, samples, plans)
            print(describe(name, costs[name], scores[name], maps, peaks_mb[name]))
        print(compare_scores(scores["ours"], scores["plain"], len(plans)))
        processor = [min(cost.processor_seconds for cost in costs[name]) for name in ("plain", "ours")]
        print(f"ratio {plain.seconds / ours.seconds:.2f} wall, {processor[0] / processor[1]:.2f} processor")
    return ours, plain


def plot(options: argparse.Namespace, path: Path) -> None:
    """Draw the cost against the number of folds and of clips."""
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
    """Compare both with one model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--subjects", type=int, default=32)
    parser.add_argument("--epochs", type=int, help="default: those of the preset")
    parser.add_argument("--folds", type=int, default=16, help="number of folds to train, of one per subject")
    parser.add_argument("--threads", type=int, default=2, help="threads of the plain loop")
    parser.add_argument("--windows-per-phase", type=int, help="for models of phases; 2 makes four windows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="time one round of the package only, with all subjects")
    parser.add_argument("--plot", type=Path, help="file for a drawing of cost against folds and clips")
    options = parser.parse_args()
    if options.alone:
        time_alone(options)
        return
    compare(options, options.clips, options.folds, options.rounds)
    if options.plot:
        plot(options, options.plot)


if __name__ == "__main__":
    main()
