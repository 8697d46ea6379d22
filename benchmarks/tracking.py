"""What tracking costs: wall time of a whole LOSO with MLflow and without it, in turns.

    make repro && python benchmarks/tracking.py [--models ststnet roi_cnn] [--rounds 5] [--subjects 24]

Each run is a fresh process of the train stage, in a copy of the project, with no fold in its journal and an MLflow
database that is there already: making one is done once a project, and is reported apart. The data are the demo's,
whose people are repeated under other names until there are as many as in CASME II's four classes. `ststnet` is the
network with the fewest parameters, `roi_cnn` the one with the fewest of those that params.yaml lists. Trust the
ratio, not the seconds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import yaml

from microfacial.files import read_csv, read_json, write_csv, write_json

ROOT = Path(__file__).parent.parent
OFF = """
import sys
from microfacial.stages import train
from microfacial.tracking import mirror

def nothing(*arguments):
    pass

mirror.Mirror.__enter__ = lambda self: self
mirror.Mirror.log_fold = mirror.Mirror.finish = nothing
"""
RUN = """
import sys
from microfacial.__main__ import run

run()
"""


def copy_project(folder: Path, models: list[str], subjects: int) -> None:
    """A project on faces and flow of the demo, repeated, with its own store and journal."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["models"] = {model: params["models"].get(model, {}) for model in models}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "src").symlink_to(ROOT / "src")
    repeat_people(ROOT / "results" / "demo", folder / "results" / "demo", subjects)


def repeat_people(build: Path, copy: Path, subjects: int) -> None:
    """Write clips, faces and flow of so many subjects: the demo's, again and again under other names."""
    rows = read_csv(build / "clips.csv")
    each = len(rows) // len({row["subject"] for row in rows})  # the demo has as many clips of everyone
    chosen = np.arange(subjects * each) % len(rows)
    rounds = [f"{number // len(rows)}sub" for number in range(len(chosen))]
    clips = [
        {**rows[row], "subject": rows[row]["subject"].replace("sub", name)}
        for row, name in zip(chosen, rounds, strict=True)
    ]
    for folder in ("faces", "flow"):
        (copy / folder).mkdir(parents=True)
    write_csv(copy / "clips.csv", clips, list(rows[0]))
    for name in ("faces/crops.npy", "flow/flow.npy"):
        np.save(copy / name, np.load(build / name, mmap_mode="r")[chosen])
    for name, key in (("faces/faces.json", "faces"), ("flow/index.json", "clips")):
        content = read_json(build / name)
        kept = [
            json.dumps(content[key][row]).replace("/sub", f"/{name}") for row, name in zip(chosen, rounds, strict=True)
        ]
        write_json(copy / name, {**content, key: [json.loads(entry) for entry in kept]})


def train(folder: Path, model: str, *, tracked: bool) -> float:
    """Seconds of one train stage from nothing, in a process of its own."""
    shutil.rmtree(folder / ".microfacial", ignore_errors=True)
    shutil.rmtree(folder / "mlruns" / "artifacts", ignore_errors=True)
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    empty = folder / "empty.db"
    if empty.exists():
        shutil.copy(empty, folder / "mlruns" / "mlflow.db")  # no run of it is known
    command = [sys.executable, "-c", (RUN if tracked else OFF + RUN), "train", model]
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def make_store(folder: Path) -> float:
    """Seconds that an empty database takes; it is kept to copy."""
    start = time.perf_counter()
    code = "from pathlib import Path; from microfacial.tracking.store import connect; connect(Path())"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    shutil.copy(folder / "mlruns" / "mlflow.db", folder / "empty.db")
    return time.perf_counter() - start


def main() -> None:
    """Print seconds with and without tracking, and its share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="+", default=["ststnet", "roi_cnn"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--subjects", type=int, default=24)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_project(folder, options.models, options.subjects)
        print(f"empty database, once a project: {make_store(folder):.1f} s")
        for model in options.models:
            pairs = [
                (train(folder, model, tracked=True), train(folder, model, tracked=False)) for _ in range(options.rounds)
            ]
            share = median((with_it - without) / with_it for with_it, without in pairs)
            with_it, without = (median(column) for column in zip(*pairs, strict=True))
            print(f"{model}: {with_it:.1f} s tracked, {without:.1f} s not: tracking is {share:.0%} of the wall time")


if __name__ == "__main__":
    main()
