"""A training in MLflow for tests: its identity, its folds, and functions that write and read its runs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.records import FoldResult, History, Samples
from microfacial.tracking.fold_records import summarise_fold
from microfacial.tracking.run_records import FlowDigest, RunIdentity, RunMetadata
from microfacial.tracking.runs import ModelRun
from microfacial.tracking.store import connect

IDENTITY = RunIdentity(
    dataset="d",
    scheme="s",
    model="m",
    key="k1",
    corpora=("a", "b"),
    clips="cd" * 16,
    flow=FlowDigest(digest="ab" * 30, shape=(25, 5, 2, 16, 16), unit="px"),
    settings={
        "train": {"protocol": "composite", "seed": 0, "repeats": 1},
        "faces": {"size_px": 16},
        "flow": {"method": "dis", "dis": {"preset": "fast"}, "tvl1": {"tau": 0.25}},
        "model": {"epochs": 2, "widths": [8, 8], "max_gradient_norm": None, "flip": True},
    },
)
METADATA = RunMetadata(tags={"microfacial.git_commit": "c0ffee"})
CONFIG = TrainConfig(protocol="composite", bootstrap_draws=100)


def make_folds(samples: Samples, config: TrainConfig) -> list[FoldResult]:
    history = History(training_loss=(1.0, 0.5), validation_loss=(1.1, 0.9), validation_uar=(0.4, 0.6))
    return [
        FoldResult(
            plan=plan,
            truth=samples.labels[plan.test_rows],
            probabilities=np.eye(3)[samples.labels[plan.test_rows]],
            chosen="epoch 2",
            history=history,
            seconds=0.1,
        )
        for plan in plan_folds(samples, config)
    ]


def open_run(root: Path, identity: RunIdentity = IDENTITY) -> ModelRun:
    return ModelRun(connect(root), identity, METADATA, root)


def log_fold(run: ModelRun, fold: FoldResult) -> bool:
    return run.log_fold(summarise_fold(fold), fold.seconds)


def read_runs(client: MlflowClient) -> tuple[list[Run], list[Run]]:
    """Return the runs of models and their nested runs."""
    experiment = client.get_experiment_by_name("d · s")
    assert experiment is not None
    runs = list(client.search_runs([experiment.experiment_id]))
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return [run for run in runs if run not in children], children


def read_run_contents(project: Path) -> dict[tuple[str, str], tuple[dict[str, float], dict[str, str]]]:
    """Return metrics (without seconds) and parameters of all runs, by model and fold. Check that all are finished."""
    client = connect(project)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.`microfacial.model` != ''")
    assert {run.info.status for run in runs} == {"FINISHED"}
    contents = {
        (run.data.tags["microfacial.model"], run.data.tags.get("microfacial.fold", "")): (
            {name: round(value, 6) for name, value in run.data.metrics.items() if name != "seconds"},
            dict(run.data.params),
        )
        for run in runs
    }
    assert len(contents) == len(runs)  # no run exists twice
    return contents


def list_artifacts(client: MlflowClient, run: Run, folder: str) -> set[str]:
    return {Path(item.path).name for item in client.list_artifacts(run.info.run_id, folder)}


def write_run(root: Path, out: Path, folds: list[FoldResult], identity: RunIdentity = IDENTITY) -> bool:
    run = open_run(root, identity)
    missing = [log_fold(run, fold) for fold in folds]
    return run.finish(out, METADATA) or any(missing)


def load_table(client: MlflowClient, run: Run, name: str) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", client.tracking_uri)  # load_table reads the environment
        table: pd.DataFrame = client.load_table(run.info.experiment_id, name, [run.info.run_id])
        return table
