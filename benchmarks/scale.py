"""Measure how the cost of each step grows with the number of clips and subjects.

    python benchmarks/scale.py [--sizes 1 4 16] [--epochs 5] [--folds 8]

Size 1 has as many clips and subjects as CASME II. Faces and flow are drawn at random and are smaller than real ones;
their cost per clip does not depend on other clips. Each size runs in a process of its own, in a project of its own.

The steps: `write` writes clips.csv, faces and flow. `read` opens them and checks that they are finite. `inputs` makes
the inputs of the MLP. `plan` divides the subjects of all folds. `fold` trains some folds with one thread; the table has
the time of one. `train` is the whole stage `train` of `majority`, which trains nothing: it plans, scores, and writes
files and MLflow's runs. `report` draws the page. `memory` is the peak of the process up to `fold`. `large` is the peak
of its memory that is no file while it trains one fold of the MLP at 224 px, where an input has 602 kB.

The table has processor seconds, and the exponent e of growth between two sizes: the cost is proportional to size**e.
"""

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil

from microfacial.datasets.clip_table import write_clips
from microfacial.evaluation.experiment import Data, load_data
from microfacial.evaluation.folds import train_chunk
from microfacial.evaluation.protocols import plan_folds
from microfacial.models import MODELS
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.pipeline.project import open_project
from microfacial.preprocessing.flow import WINDOWS
from microfacial.preprocessing.store import read_features, write_faces, write_flow
from microfacial.records import Clip, Face, FoldPlan, Image

ROOT = Path(__file__).parent.parent
CLIPS, SUBJECTS, SIDE_PX = 255, 26, 28
CLASSES = ("happiness", "disgust", "surprise", "repression")
PARAMS = """
clips: {name: scale, root: data, corpora: [demo], scheme: casme2-4}
faces: {size_px: 28}
flow: {}
train: {bootstrap_draws: 2000}
models: {majority: {}, mlp: {}}
report: {}
"""
STEPS = ("write", "read", "inputs", "plan", "fold", "memory", "large", "train", "report")


@contextmanager
def measured(costs: dict[str, float], step: str) -> Iterator[None]:
    """Store the processor seconds of a block, with those of its child processes."""
    before = processor_seconds()
    yield
    costs[step] = processor_seconds() - before


def processor_seconds() -> float:
    """Return the processor seconds of this process and of its finished children."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def make_clips(count: int, subjects: int) -> list[Clip]:
    """Return clips whose subjects and classes take turns."""
    return [
        Clip(
            corpus="demo",
            subject=f"sub{row % subjects:05d}",
            name=f"clip{row:06d}",
            emotion=CLASSES[row // subjects % len(CLASSES)],
            label=CLASSES[row // subjects % len(CLASSES)],
            action_units="",
            frames=f"{row}/{{}}.jpg",
            numbers=tuple(range(1, 10)),
            onset=1,
            apex=5,
            offset=9,
            apex_source="annotated",
            fps=200.0,
            cropped=True,
            digest=f"{row:016x}",
        )
        for row in sorted(range(count), key=lambda row: row % subjects)
    ]


def write_features(folder: Path, clips: list[Clip]) -> None:
    """Write clips, faces and flow, clip by clip."""
    random = np.random.default_rng(0)
    boxes = ((2, 2, 12, 26), (2, 2, 8, 26), (16, 6, 26, 22))

    def draw_faces() -> Iterator[tuple[Face, Image]]:
        for clip in clips:
            face = Face(clip=clip.id, transform=np.eye(2, 3), boxes=boxes, source="template", confidence=None)
            yield face, random.integers(0, 256, (2, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)

    write_clips(folder / "clips.csv", clips)
    write_faces(folder / "faces", len(clips), draw_faces(), ("eyes", "eyebrows", "mouth"), SIDE_PX)
    shape = (len(WINDOWS), 2, SIDE_PX, SIDE_PX)
    flows = ((row, random.normal(size=shape).astype(np.float16)) for row in range(len(clips)))
    write_flow(folder / "flow", [clip.id for clip in clips], flows, (WINDOWS, 2, "px"), SIDE_PX)


def measure_size(size: float, options: argparse.Namespace) -> dict[str, float]:
    """Run all steps in the current folder. Return processor seconds, and the peak memory in MB."""
    costs: dict[str, float] = {}
    clips = make_clips(round(CLIPS * size), round(SUBJECTS * size))
    with measured(costs, "write"):
        write_features(Path("results/scale"), clips)
    with measured(costs, "read"):
        read_features(Path("results/scale"))
    data, settings = load_data(), resolve("mlp", {"epochs": options.epochs}, "mlp")
    with measured(costs, "inputs"):
        inputs = MODELS["mlp"].make_inputs(data.store, settings)
        samples = make_samples(inputs, data.store, data.clips, data.classes)
    with measured(costs, "plan"):
        plans = tuple(plan_folds(samples, data.protocol))
    train_chunk(samples, plans[:1], "mlp", resolve("mlp", {"epochs": 1}, "mlp"))  # warms up
    folds = plans[: options.folds]
    with measured(costs, "fold"):
        train_chunk(samples, folds, "mlp", settings)
    costs["fold"] /= len(folds)
    costs["memory"] = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 / (1e3 if sys.platform == "darwin" else 1)
    )
    with peak_memory(costs, "large"):
        train_large_inputs(data, plans[0])
    run_stages(costs)
    return costs


def train_large_inputs(data: Data, plan: FoldPlan) -> None:
    """Train one fold of the MLP on large inputs for one epoch."""
    settings = resolve("mlp", {"epochs": 1, "input_px": 224}, "mlp")
    samples = make_samples(MODELS["mlp"].make_inputs(data.store, settings), data.store, data.clips, data.classes)
    train_chunk(samples, (plan,), "mlp", settings)


@contextmanager
def peak_memory(costs: dict[str, float], step: str) -> Iterator[None]:
    """Store the largest memory of this process in a block in MB, without the pages of files."""
    ended, peak = threading.Event(), 0

    def watch() -> None:
        nonlocal peak
        process = psutil.Process()
        while not ended.wait(0.02):
            memory = process.memory_info()
            peak = max(peak, memory.rss - memory.shared)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    costs[step] = peak / 1e6


def run_stages(costs: dict[str, float]) -> None:
    """Run the stages `train` of majority, with MLflow, and `report`, after their imports."""
    from microfacial.pipeline.stages.report import run_report
    from microfacial.pipeline.stages.train import run_train
    from microfacial.tracking.store import connect

    connect(Path())
    Path("params.yaml").write_text(PARAMS.replace(", mlp: {}", ""))
    project = open_project()
    steps: dict[str, Callable[[], object]] = {
        "train": lambda: run_train(project, "majority", processes=1),
        "report": lambda: run_report(project),
    }
    for name, step in steps.items():
        with measured(costs, name), redirect_stdout(StringIO()):
            step()


def run_apart(size: float, arguments: list[str]) -> dict[str, float]:
    """Measure a size in a new process and a new project."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "params.yaml").write_text(PARAMS)
        for name in ("dvc.yaml", "constraints.txt"):
            shutil.copy(ROOT / name, root)
        (root / "src").symlink_to(ROOT / "src")
        command = [sys.executable, str(Path(__file__).resolve()), "--only", str(size), *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        done = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    costs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return costs


def print_table(costs: dict[float, dict[str, float]]) -> None:
    """Print the costs of each size, and the exponents of growth from each size to the next one."""
    sizes = list(costs)
    growth = [f"e {before:g}→{after:g}" for before, after in pairwise(sizes)]
    columns = ["step", *(f"{size:g}× ({round(CLIPS * size)} clips)" for size in sizes), *growth]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for step in STEPS:
        values = [costs[size][step] for size in sizes]
        exponents = [
            math.log(costs[larger][step] / costs[smaller][step]) / math.log(larger / smaller)
            for smaller, larger in pairwise(sizes)
        ]
        unit = "MB" if step in ("memory", "large") else "s"
        cells = [*(f"{value:.3g} {unit}" for value in values), *(f"{exponent:.2f}" for exponent in exponents)]
        print(f"| {step} | {' | '.join(cells)} |")


def main() -> None:
    """Measure all sizes, or one in the current folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1, 4, 16])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument("--only", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        print(json.dumps(measure_size(options.only, options)))
        return
    arguments = ["--epochs", str(options.epochs), "--folds", str(options.folds)]
    costs: dict[float, dict[str, float]] = {}
    for size in options.sizes:
        start = time.perf_counter()
        costs[size] = run_apart(size, arguments)
        print(f"size {size:g}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    print_table(costs)


if __name__ == "__main__":
    main()
