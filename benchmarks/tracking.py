"""Measure the cost of tracking: the wall time of a complete LOSO with MLflow and without it, in turns.

    make repro && python benchmarks/tracking.py [--models ststnet roi_cnn] [--rounds 5] [--subjects 24]

Each run is a new process of the train stage in a copy of the project. The fold cache is empty, and the MLflow database
exists. A project creates its database only once, so the time for that is printed separately. The data are those of the
demo. Its people are repeated under other names until there are as many as in the four classes of CASME II. `ststnet` is
the network with the fewest parameters. `roi_cnn` has the fewest parameters of the networks in params.yaml. Trust the
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
RUN = """
from microfacial.pipeline.cli import run_command_line

run_command_line()
"""
RUN_WITHOUT_TRACKING = f"""
from microfacial.tracking.background_writer import BackgroundWriter

for method in ("__enter__", "log_fold", "finish"):  # without __enter__, the thread does not import MLflow
    assert hasattr(BackgroundWriter, method)
    setattr(BackgroundWriter, method, lambda self, *arguments: self)
{RUN}"""


def copy_project(folder: Path, models: list[str], subjects: int) -> None:
    """Write a project with the repeated faces and flow of the demo, a store and a fold cache of its own."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["models"] = {model: params["models"].get(model, {}) for model in models}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "src").symlink_to(ROOT / "src")
    repeat_people(ROOT / "results" / "demo", folder / "results" / "demo", subjects)


def repeat_people(results: Path, copy: Path, subjects: int) -> None:
    """Write clips, faces and flow of `subjects` subjects. They are those of the demo, repeated under other names."""
    rows = read_csv(results / "clips.csv")
    clips_per_subject = len(rows) // len({row["subject"] for row in rows})  # equal for all subjects of the demo
    chosen = np.arange(subjects * clips_per_subject) % len(rows)
    prefixes = [f"{number // len(rows)}sub" for number in range(len(chosen))]
    clips = [
        {**rows[row], "subject": rows[row]["subject"].replace("sub", prefix)}
        for row, prefix in zip(chosen, prefixes, strict=True)
    ]
    for folder in ("faces", "flow"):
        (copy / folder).mkdir(parents=True)
    write_csv(copy / "clips.csv", clips, list(rows[0]))
    for name in ("faces/crops.npy", "flow/flow.npy"):
        np.save(copy / name, np.load(results / name, mmap_mode="r")[chosen])
    for name, key in (("faces/faces.json", "faces"), ("flow/index.json", "clips")):
        content = read_json(results / name)
        entries = [
            json.dumps(content[key][row]).replace("/sub", f"/{prefix}")
            for row, prefix in zip(chosen, prefixes, strict=True)
        ]
        write_json(copy / name, {**content, key: [json.loads(entry) for entry in entries]})


def train(folder: Path, model: str, *, tracked: bool) -> float:
    """Run one train stage without cached folds in a new process. Return its duration in seconds."""
    shutil.rmtree(folder / ".microfacial", ignore_errors=True)
    shutil.rmtree(folder / "mlruns" / "artifacts", ignore_errors=True)
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    empty = folder / "empty.db"
    if empty.exists():
        shutil.copy(empty, folder / "mlruns" / "mlflow.db")  # without runs
    command = [sys.executable, "-c", RUN if tracked else RUN_WITHOUT_TRACKING, "train", model]
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def make_store(folder: Path) -> float:
    """Create an empty database as a template. Return the duration in seconds."""
    start = time.perf_counter()
    code = "from pathlib import Path; from microfacial.tracking.store import connect; connect(Path())"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    shutil.copy(folder / "mlruns" / "mlflow.db", folder / "empty.db")
    return time.perf_counter() - start


def main() -> None:
    """Print the seconds with and without tracking, and the share of tracking."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="+", default=["ststnet", "roi_cnn"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--subjects", type=int, default=24)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_project(folder, options.models, options.subjects)
        print(f"empty database, once per project: {make_store(folder):.1f} s")
        for model in options.models:
            pairs = [
                (train(folder, model, tracked=True), train(folder, model, tracked=False)) for _ in range(options.rounds)
            ]
            share = median((tracked - untracked) / tracked for tracked, untracked in pairs)
            tracked, untracked = (median(column) for column in zip(*pairs, strict=True))
            print(
                f"{model}: {tracked:.1f} s tracked, {untracked:.1f} s untracked: "
                f"tracking is {share:.0%} of the wall time"
            )


if __name__ == "__main__":
    main()
