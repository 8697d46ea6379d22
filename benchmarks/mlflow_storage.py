"""Measure the size of MLflow's store and the time of its tables for many models, folds, seeds and trials.

    python benchmarks/mlflow_storage.py --models 15 --subjects 68 --seeds 5 --trials 40 --epochs 60 [--written 1]

The runs are synthetic, and the project's own tracking code writes them: for each model one run with a nested run per
subject and seed, and one study with a nested run per trial and a score per inner fold. With `--written`, it writes only
some of the models, and the others are copies of the rows of the first one under other ids, which takes seconds instead
of minutes. The four tables of `microfacial ui` are then read as MLflow's page reads them: 100 runs, filtered and sorted
by the store. Artifacts are not part of the size.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np
from mlflow import MlflowClient

from microfacial.records import History
from microfacial.tracking.fold_records import TrainedFold
from microfacial.tracking.run_records import FlowDigest, RunIdentity, RunMetadata
from microfacial.tracking.runs import ModelRun
from microfacial.tracking.store import connect
from microfacial.tracking.studies import StudyIdentity, StudyRun
from microfacial.tracking.views import STUDY_VIEWS, TRAINING_VIEWS, view_tags
from microfacial.tuning.trials import Trial

_METADATA = RunMetadata(tags={"microfacial.git_commit": "0" * 40, "microfacial.data": "0" * 32})
_PAGE_ROWS = 100
_INNER_FOLDS = 10
_SETTINGS = {f"setting_{number}": number for number in range(25)}
_CURVES = ("training_loss", "validation_loss", "validation_uar")


def main() -> None:
    """Write the runs, then print sizes and times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in {"models": 15, "subjects": 68, "seeds": 5, "trials": 40, "epochs": 60}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--written", type=int, help="models that the tracking code writes (default: all)")
    plan = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        client = connect(root)
        database = root / "mlruns" / "mlflow.db"
        for number in range(plan.models):
            if plan.written is not None and number >= plan.written:
                _copy_first_model(database, number)
                continue
            start = time.perf_counter()
            _write_model(client, root, f"model_{number}", plan)
            training = time.perf_counter()
            _write_study(client, root, f"model_{number}", plan)
            end = time.perf_counter()
            size_mb = database.stat().st_size / 1e6
            seconds = f"folds {training - start:5.1f} s, trials {end - training:5.1f} s"
            print(f"{number + 1:>3} models: {size_mb:6.1f} MB; {seconds}", flush=True)
        size_mb = database.stat().st_size / 1e6
        runs = plan.models * (2 + plan.subjects * plan.seeds + plan.trials)
        print(f"{runs} runs, {size_mb:.1f} MB, {1e3 * size_mb / runs:.1f} kB each")
        for experiment in client.search_experiments(filter_string="name LIKE 'd · %'"):
            for tag, text in view_tags(STUDY_VIEWS if "studies" in experiment.name else TRAINING_VIEWS).items():
                wall, processor = _time_table(client, experiment.experiment_id, json.loads(text))
                print(
                    f"{tag.rpartition('-')[2]:<8} {wall:6.3f} s, of which {processor:6.3f} s on a processor", flush=True
                )


def _write_model(client: MlflowClient, root: Path, model: str, plan: argparse.Namespace) -> None:
    identity = RunIdentity(
        key=model,
        dataset="d",
        scheme="s",
        model=model,
        corpora=("a", "b", "c"),
        clips="0" * 32,
        flow=FlowDigest(digest="0" * 32, shape=(442, 5, 2, 224, 224), unit="px"),
        settings={
            "train": {"protocol": "composite", "seed": 0, "repeats": plan.seeds, "validation_folds": 5},
            "faces": {"size_px": 224, "method": "landmarks"},
            "flow": {"method": "variational"},
            "model": _SETTINGS,
        },
    )
    random = np.random.default_rng(0)
    run = ModelRun(client, identity, _METADATA, root)
    for repeat in range(plan.seeds):
        for subject in range(plan.subjects):
            curves = {name: tuple(random.random(plan.epochs).tolist()) for name in _CURVES}
            fold = TrainedFold(
                name=f"a/sub{subject:02}",
                repeat=repeat,
                seed=subject,
                chosen="epoch 60",
                counts={"held_out_clips": 6, "held_out_hits": int(random.integers(7)), "held_out_accuracy": 0.5},
                history=History(**curves),
            )
            run.log_fold(fold, 1.0)
    run.close_unfinished("FINISHED")
    client.log_metric(run.run_id, "uf1", float(random.random()))


def _write_study(client: MlflowClient, root: Path, model: str, plan: argparse.Namespace) -> None:
    identity = StudyIdentity(name=model, dataset="d", scheme="s", model=model, tags=_METADATA.tags, digests={})
    run = StudyRun(client, identity, _SETTINGS, root)
    random = np.random.default_rng(0)
    for number in range(plan.trials):
        scores = dict(enumerate(random.random(_INNER_FOLDS * plan.seeds).tolist()))
        run.log_trial(
            Trial(
                number=number,
                state="complete",
                model=model,
                settings=_SETTINGS,
                params={},
                scores=scores,
                value=float(random.random()),
                seconds=1.0,
            )
        )


def _copy_first_model(database: Path, number: int) -> None:
    """Copy all rows of the runs of the first model. The last digits of an id are replaced by a number."""
    with sqlite3.connect(database) as store:
        first = "SELECT run_uuid FROM runs WHERE run_uuid NOT LIKE '%-____'"
        for table, columns in _COLUMNS_WITH_IDS.items():
            names = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            values = [f"substr({name}, 1, 27) || '-{number:04}'" if name in columns else name for name in names]
            if table == "tags":
                parent = f"substr(value, 1, 27) || '-{number:04}'"
                values[names.index("value")] = f"CASE key WHEN 'mlflow.parentRunId' THEN {parent} ELSE value END"
            store.execute(
                f"INSERT INTO {table} SELECT {', '.join(values)} FROM {table} WHERE {columns[0]} IN ({first})"
            )


_COLUMNS_WITH_IDS = {
    "tags": ("run_uuid",),
    "params": ("run_uuid",),
    "metrics": ("run_uuid",),
    "latest_metrics": ("run_uuid",),
    "inputs": ("destination_id", "input_uuid"),
    "runs": ("run_uuid",),
}
"""Tables with rows for each run. The first column has the id of the run."""


def _time_table(client: MlflowClient, experiment: str, view: dict[str, object]) -> tuple[float, float]:
    """Return the seconds that the store needs for the first rows of a table, the medians of five.

    Returns:
        The duration, and the time of the processor, which does not depend on the load of the machine.
    """
    order = f"{view['orderByKey']} {'ASC' if view['orderByAsc'] else 'DESC'}"
    seconds = []
    for _ in range(5):
        start, processor = time.perf_counter(), time.process_time()
        runs = client.search_runs([experiment], str(view["searchFilter"]), max_results=_PAGE_ROWS, order_by=[order])
        seconds.append((time.perf_counter() - start, time.process_time() - processor))
    assert runs
    wall, own = np.median(seconds, axis=0)
    return float(wall), float(own)


if __name__ == "__main__":
    main()
