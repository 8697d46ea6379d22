import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Run

from microfacial.errors import PipelineError
from microfacial.protocols import TrainConfig, plan_folds
from microfacial.records import Evaluation, FoldResult, History, Samples
from microfacial.scoring import pool
from microfacial.tracking.runs import Identity, ModelRun
from microfacial.tracking.store import connect

IDENTITY = Identity(
    dataset="d",
    scheme="s",
    model="m",
    key="k1",
    seed=0,
    tags={"microfacial.protocol": "loso"},
    digests={"flow": "ab" * 30},
)
CONFIG = TrainConfig(protocol="composite", bootstrap_draws=100)


@pytest.fixture
def root(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_store, tmp_path / "mlruns")
    return tmp_path


def folds_of(samples: Samples, config: TrainConfig) -> list[FoldResult]:
    history = History(training_loss=(1.0, 0.5), validation_loss=(1.1, 0.9), validation_uar=(0.4, 0.6))
    return [
        FoldResult(
            plan=plan,
            truth=samples.labels[plan.held_out],
            probabilities=np.eye(3)[samples.labels[plan.held_out]],
            chosen="epoch 2",
            history=history,
            seconds=0.1,
        )
        for plan in plan_folds(samples, config)
    ]


@pytest.fixture
def folds(samples: Samples) -> list[FoldResult]:
    return folds_of(samples, CONFIG)


@pytest.fixture
def scored(samples: Samples, folds: list[FoldResult]) -> Evaluation:
    return pool("m", samples, folds, CONFIG)


def open_run(root: Path, identity: Identity = IDENTITY) -> ModelRun:
    return ModelRun(connect(root), identity, {"epochs": 2}, root)


def runs(client: MlflowClient) -> tuple[list[Run], list[Run]]:
    """Parents and children."""
    experiment = client.get_experiment_by_name("d · s")
    assert experiment is not None
    found = list(client.search_runs([experiment.experiment_id]))
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in children], children


def finish(root: Path, scored: Evaluation, folds: list[FoldResult], identity: Identity = IDENTITY) -> None:
    files = root / "out"
    files.mkdir(exist_ok=True)
    (files / "folds.csv").write_text("audit")
    (files / "checkpoints").mkdir(exist_ok=True)
    (files / "checkpoints" / "fold.npz").touch()
    with open_run(root, identity) as run:
        for fold in folds:
            run.log_fold(fold)
        run.finish(scored, {"confusion.png": Figure()}, files)


def test_one_parent_and_one_child_a_subject_with_curves_scores_and_files(
    root: Path, scored: Evaluation, folds: list[FoldResult]
) -> None:
    finish(root, scored, folds)
    client = connect(root)
    (parent,), children = runs(client)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["uf1"] == scored.overall.uf1 == 1.0
    assert parent.data.params["epochs"] == "2"
    assert parent.inputs is not None
    assert parent.inputs.dataset_inputs[0].dataset.digest == ("ab" * 30)[:36]
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} == {"confusion.png", "folds.csv"}
    assert sorted(run.data.tags["microfacial.subject"] for run in children) == [fold.plan.name for fold in folds]
    curve = client.get_metric_history(children[0].info.run_id, "validation_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 1.1), (2, 0.9)]
    assert all(run.info.status == "FINISHED" for run in children)


def test_every_repetition_of_a_fold_is_a_run_below_the_model_s_with_its_own_seed(root: Path, samples: Samples) -> None:
    config = TrainConfig(protocol="composite", seed=3, repeats=2, bootstrap_draws=100)
    folds = folds_of(samples, config)
    scored = replace(pool("m", samples, folds, config), uf1_sd=0.25, ece=0.125)
    identity = replace(IDENTITY, seed=3)
    finish(root, scored, folds, identity)
    finish(root, scored, folds, identity)
    client = connect(root)
    (parent,), children = runs(client)
    assert sorted((run.data.tags["microfacial.subject"], run.data.tags["microfacial.seed"]) for run in children) == [
        (name, seed) for name in sorted(set(samples.subjects.tolist())) for seed in ("3", "4")
    ]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    metrics = parent.data.metrics
    assert (metrics["uf1"], metrics["uf1_sd"], metrics["uar_sd"], metrics["ece"]) == (1.0, 0.25, 0.0, 0.125)
    assert (metrics["uf1_low"], metrics["uf1_high"]) == (1.0, 1.0)
    assert {f"mean_over_folds_{name}" for name in ("uf1", "uar", "accuracy")} <= metrics.keys()


def test_a_killed_run_is_taken_up_and_no_fold_is_written_twice(
    root: Path, scored: Evaluation, folds: list[FoldResult]
) -> None:
    killed = open_run(root)
    for fold in folds[:3]:
        killed.log_fold(fold)
    client = connect(root)
    (parent,), children = runs(client)
    client.create_run(  # what a kill in the middle of log_fold leaves
        parent.info.experiment_id,
        tags={"mlflow.parentRunId": parent.info.run_id, "microfacial.fold": folds[3].plan.key},
    )
    finish(root, scored, folds)
    parents, children = runs(client)
    assert [run.info.run_id for run in parents] == [parent.info.run_id]
    assert parents[0].info.status == "FINISHED"
    assert sorted(run.data.tags["microfacial.subject"] for run in children) == [fold.plan.name for fold in folds]


def test_a_run_killed_before_it_was_described_is_described_when_taken_up(root: Path) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", die)
        with pytest.raises(KeyboardInterrupt):
            open_run(root)
    open_run(root)
    (parent,), _ = runs(connect(root))
    assert parent.data.params == {"epochs": "2"}
    assert parent.inputs is not None
    assert len(parent.inputs.dataset_inputs) == 1


def test_a_store_that_cannot_be_opened_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://127.0.0.1/none")
    with pytest.raises(PipelineError, match="Correct MLFLOW_TRACKING_URI"):
        connect(root)


def test_a_finished_run_that_is_run_again_stays_one_run(
    root: Path, scored: Evaluation, folds: list[FoldResult]
) -> None:
    finish(root, scored, folds)
    finish(root, scored, folds)
    parents, children = runs(connect(root))
    assert (len(parents), len(children)) == (1, len(folds))
    assert parents[0].inputs is not None
    assert len(parents[0].inputs.dataset_inputs) == 1


def test_curves_longer_than_one_batch_are_whole(root: Path, folds: list[FoldResult]) -> None:
    curve = tuple(float(epoch) for epoch in range(500))
    history = History(training_loss=curve, validation_loss=curve, validation_uar=curve)
    with open_run(root) as run:
        run.log_fold(replace(folds[0], history=history))
    client = connect(root)
    (child,) = runs(client)[1]
    for name in ("training_loss", "validation_loss", "validation_uar"):
        assert tuple(point.value for point in client.get_metric_history(child.info.run_id, name)) == curve


def test_other_settings_are_another_run(root: Path, scored: Evaluation, folds: list[FoldResult]) -> None:
    finish(root, scored, folds)
    finish(root, scored, folds, replace(IDENTITY, key="k2"))
    parents, children = runs(connect(root))
    assert (len(parents), len(children)) == (2, 2 * len(folds))


def test_an_error_closes_the_run_as_failed(root: Path, folds: list[FoldResult]) -> None:
    def fail() -> None:
        with open_run(root) as run:
            run.log_fold(folds[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert runs(connect(root))[0][0].info.status == "FAILED"


def test_everything_lands_below_the_project_whatever_the_current_folder(
    root: Path,
    scored: Evaluation,
    folds: list[FoldResult],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    finish(root, scored, folds)
    assert list(elsewhere.iterdir()) == []
    assert (root / "mlruns" / "artifacts").is_dir()
