"""Compare a graphics processor with the processors of the same machine.

    python benchmarks/gpu.py [--clips 255] [--subjects 26] [--repeats 1] [--models hybrid …] [--presets default mission]

The table has leave-one-subject-out of every network with the preset `mission`, pretraining of the motion prior, and
TV-L1 flow of one clip. The device trains all folds and all epochs. The processors train one epoch of one fold with one
thread; the time of all folds is computed from it, as if all cores were busy all the time, and is marked with ≈.

A second table trains the MLP on both with the same seeds, and prints the largest difference of a probability. Results
of two devices should differ by less than `TOLERANCE`. Two trainings on one device should not differ at all.

On a machine without a graphics processor, the first line says so, and only the column of the processors is filled.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from loso import make_samples
from microfacial.evaluation.folds import train_chunk, train_folds
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.models import MODELS, Network
from microfacial.models.settings import OptimiserSettings
from microfacial.preprocessing.devices import describe_device, find_device
from microfacial.preprocessing.opencv_flow import Tvl1Settings
from microfacial.preprocessing.tvl1 import tvl1
from microfacial.records import FoldResult, Samples
from microfacial.training.pretraining import Pretraining, pretrain

TOLERANCE = 1e-3  # of probabilities, after a training in float32
MISSION = tuple(name for name, model in MODELS.items() if isinstance(model, Network) and "mission" in model.presets)
PAIRS = 5  # pairs of frames of one clip


@dataclass(frozen=True)
class Row:
    """One line of the table: seconds on the device, None without one, and seconds on the processors."""

    name: str
    device: float | None
    processors: float
    estimated: bool

    def __str__(self) -> str:
        mark = "≈ " if self.estimated else ""
        if self.device is None:
            return f"| {self.name} | – | {mark}{self.processors:.1f} | – |"
        return (
            f"| {self.name} | {self.device:.1f} | {mark}{self.processors:.1f} | {self.processors / self.device:.1f} |"
        )


def measure(run: Callable[[], object]) -> float:
    """Return the wall time of a function in seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def time_loso(model: str, preset: str, device: str, options: argparse.Namespace) -> Row:
    """Time all folds of a model on the device, and one epoch of one fold on one core."""
    variant = MODELS[model]
    assert isinstance(variant, Network)
    settings: OptimiserSettings = variant.settings.model_validate(variant.presets[preset])
    settings = settings.model_copy(update={"patience": settings.epochs})  # no fold stops early
    samples = make_samples(variant, settings, options.clips, options.subjects)
    plans = plan_folds(samples, TrainConfig(repeats=options.repeats))
    short = settings.model_copy(update={"epochs": 1, "patience": 1})
    train_chunk(samples, (plans[0],), model, short)  # the first call loads code
    epoch = measure(lambda: train_chunk(samples, (plans[0],), model, short))
    processors = epoch * settings.epochs * len(plans) / (os.cpu_count() or 1)
    seconds = None
    if device != "cpu":
        train_all(samples, model, short, device, 1)  # the first call compiles programs for the device
        seconds = measure(lambda: train_all(samples, model, settings, device, options.repeats))
    name = f"{model}, {preset}: {len(plans)} folds, {settings.epochs} epochs, inputs {samples.inputs.shape[1:]}"
    return Row(name, seconds, processors, estimated=True)


def train_all(samples: Samples, model: str, settings: OptimiserSettings, device: str, repeats: int) -> list[FoldResult]:
    """Train all folds in this process, and return them in the order of their keys."""
    plans = plan_folds(samples, TrainConfig(repeats=repeats))
    folds = train_folds(samples, plans, model, settings, processes=1, device=device)
    return sorted(folds, key=lambda fold: fold.plan.key)


def time_pretraining(device: str, steps: int) -> Row:
    """Time some steps of pretraining, and scale them to all steps."""
    plan = Pretraining(steps=steps)
    scale = Pretraining().steps / steps

    def seconds(name: str) -> float:
        pretrain(Pretraining(steps=1), name)
        return scale * measure(lambda: pretrain(plan, name))

    on_device = None if device == "cpu" else seconds(device)
    return Row(f"pretraining, {Pretraining().steps} steps, one core", on_device, seconds("cpu"), estimated=True)


def time_tvl1(device: str, rounds: int, side_px: int) -> Row:
    """Time TV-L1 of the pairs of one clip, with one thread on the processor."""
    random = np.random.default_rng(0)
    first = random.uniform(0, 255, (PAIRS, side_px, side_px)).astype(np.float32)
    last = np.roll(first, 1, axis=2)

    def seconds(name: str) -> float:
        settings = Tvl1Settings.model_validate({"device": name})
        tvl1(first, last, settings)
        return min(measure(lambda: tvl1(first, last, settings)) for _ in range(rounds))

    on_device = None if device == "cpu" else seconds(device)
    return Row(f"TV-L1, {PAIRS} pairs of {side_px} px, one core", on_device, seconds("cpu"), estimated=False)


def compare_results(device: str, options: argparse.Namespace) -> None:
    """Print the largest differences of probabilities between two trainings of the MLP."""
    variant = MODELS["mlp"]
    assert isinstance(variant, Network)
    settings = variant.settings(epochs=5)
    settings = settings.model_copy(update={"patience": settings.epochs})  # no fold stops early
    samples = make_samples(variant, settings, options.clips, options.subjects)
    runs = [train_all(samples, "mlp", settings, name, 1) for name in ("cpu", device, device)]
    print(f"\n| mlp, 5 epochs | largest difference of a probability |\n| --- | --- |\n| {device} twice |", end=" ")
    print(f"{largest_difference(*runs[1:]):.1e} |")
    across = largest_difference(runs[0], runs[1])
    print(f"| cpu and {device} | {across:.1e}, {'within' if across <= TOLERANCE else 'ABOVE'} {TOLERANCE:g} |")


def largest_difference(first: Sequence[FoldResult], second: Sequence[FoldResult]) -> float:
    """Return the largest difference between the probabilities of the same folds."""
    pairs = zip(first, second, strict=True)
    return max(float(np.abs(fold.probabilities - other.probabilities).max()) for fold, other in pairs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=255)
    parser.add_argument("--subjects", type=int, default=26)
    parser.add_argument("--repeats", type=int, default=1, help="repetitions of the protocol, all in one program")
    parser.add_argument("--models", nargs="+", choices=MISSION, default=MISSION)
    parser.add_argument("--presets", nargs="+", default=["default", "mission"])
    parser.add_argument("--steps", type=int, default=10, help="steps of pretraining to time")
    parser.add_argument("--side-px", type=int, default=224, help="side of the frames of TV-L1")
    parser.add_argument("--rounds", type=int, default=3, help="of TV-L1")
    options = parser.parse_args(arguments)
    device = find_device("auto", "gpu.py")
    if device == "cpu":
        print("PyTorch finds no graphics processor (cuda or mps) on this machine: only its processors are measured")
    else:
        print(f"device: {describe_device(device)}, PyTorch {torch.__version__}, {os.cpu_count()} cores")
    torch.set_num_threads(1)
    print("\n| work | device, s | processors, s | ratio |\n| --- | --- | --- | --- |")
    for preset in options.presets:
        for model in options.models:
            if preset in MODELS[model].presets:
                print(time_loso(model, preset, device, options), flush=True)
    print(time_pretraining(device, options.steps), flush=True)
    print(time_tvl1(device, options.rounds, options.side_px), flush=True)
    if device != "cpu":
        compare_results(device, options)


if __name__ == "__main__":
    main()
