import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from microfacial.errors import PipelineError
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.evaluation.result_files import write_training
from microfacial.evaluation.scoring import pool
from microfacial.locks import exclusive_lock
from microfacial.records import Evaluation, FoldResult, History, Samples
from microfacial.tracking.location import store_owner, store_uri
from microfacial.tracking.run_records import FlowDigest, RunIdentity, RunMetadata, summarise_fold, write_identity
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
KNOWN = RunMetadata(tags={"microfacial.git_commit": "c0ffee"})
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
            truth=samples.labels[plan.test_rows],
            probabilities=np.eye(3)[samples.labels[plan.test_rows]],
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


def open_run(root: Path, identity: RunIdentity = IDENTITY) -> ModelRun:
    return ModelRun(connect(root), identity, KNOWN, root)


def log(run: ModelRun, fold: FoldResult) -> bool:
    return run.log_fold(summarise_fold(fold), fold.seconds)


def runs(client: MlflowClient) -> tuple[list[Run], list[Run]]:
    """Parents and children."""
    experiment = client.get_experiment_by_name("d · s")
    assert experiment is not None
    found = list(client.search_runs([experiment.experiment_id]))
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in children], children


def artifacts(client: MlflowClient, run: Run, folder: str) -> set[str]:
    return {Path(item.path).name for item in client.list_artifacts(run.info.run_id, folder)}


@pytest.fixture
def out(tmp_path: Path, samples: Samples, folds: list[FoldResult], scored: Evaluation) -> Path:
    """What the train stage leaves."""
    folder = tmp_path / "results" / "d" / "train" / "m"
    write_training(folder, samples, folds, scored)
    write_identity(folder, IDENTITY)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "fold.npz").touch()
    return folder


def finish(root: Path, out: Path, folds: list[FoldResult], identity: RunIdentity = IDENTITY) -> bool:
    run = open_run(root, identity)
    missing = [log(run, fold) for fold in folds]
    return run.finish(out, KNOWN) or any(missing)


def load_table(client: MlflowClient, run: Run, name: str) -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", client.tracking_uri)  # its search asks the environment
        table: pd.DataFrame = client.load_table(run.info.experiment_id, name, [run.info.run_id])
        return table


def test_one_parent_and_one_child_a_subject_with_curves_scores_and_files(
    root: Path, out: Path, scored: Evaluation, folds: list[FoldResult]
) -> None:
    finish(root, out, folds)
    client = connect(root)
    (parent,), children = runs(client)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["uf1"] == scored.overall.uf1 == 1.0
    assert parent.data.metrics["a/uf1"] == scored.corpora["a"].uf1
    assert parent.data.tags["microfacial.git_commit"] == "c0ffee"
    assert sorted(run.data.tags["microfacial.subject"] for run in children) == [fold.plan.name for fold in folds]
    curve = client.get_metric_history(children[0].info.run_id, "validation_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 1.1), (2, 0.9)]
    assert all(run.info.status == "FINISHED" for run in children)
    assert artifacts(client, parent, "figures") == {"confusion.png", "subjects.png", "reliability.png", "loss.png"}
    assert artifacts(client, parent, "files") == {path.name for path in out.iterdir() if path.is_file()}
    tables = {"folds.json", "predictions.json", "subjects.json"}
    assert artifacts(client, parent, "") == {"figures", "files"} | tables


def test_parameters_are_the_settings_that_count_flat_and_as_params_yaml_writes_them(root: Path) -> None:
    open_run(root)
    (parent,), _ = runs(connect(root))
    assert parent.data.params == {
        "model": "m",
        "dataset": "d",
        "scheme": "s",
        "protocol": "composite",
        "corpora": "a b",
        "seed": "0",
        "epochs": "2",
        "widths": "[8, 8]",
        "max_gradient_norm": "null",
        "flip": "true",
        "train.repeats": "1",
        "faces.size_px": "16",
        "flow.method": "dis",
        "flow.dis.preset": "fast",  # and nothing of tvl1, which did nothing
    }


def test_a_filter_on_any_parameter_or_fact_of_a_model_keeps_its_folds(
    root: Path, out: Path, folds: list[FoldResult]
) -> None:
    finish(root, out, folds)
    (parent,), children = runs(connect(root))
    for child in children:
        assert child.data.params.items() >= parent.data.params.items()
        for fact in ("model", "dataset", "scheme", "protocol", "corpora", "seed", "key", "git_commit"):
            assert child.data.tags[f"microfacial.{fact}"] == parent.data.tags[f"microfacial.{fact}"]


def test_the_flow_store_is_the_dataset_of_model_and_folds(root: Path, folds: list[FoldResult]) -> None:
    log(open_run(root), folds[0])
    (parent,), (child,) = runs(connect(root))
    for run in (parent, child):
        assert run.inputs is not None
        (used,) = run.inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == ("d flow", ("ab" * 30)[:36])
        assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "training"}
        assert json.loads(used.dataset.source) == {"uri": "results/d/flow"}
        assert json.loads(used.dataset.profile or "{}")["features_nbytes"] == 2 * 25 * 5 * 2 * 16 * 16
        assert "float16" in (used.dataset.schema or "")


def test_the_tables_tell_which_clip_and_which_subject_is_wrong(
    root: Path, out: Path, folds: list[FoldResult], samples: Samples
) -> None:
    finish(root, out, folds)
    client = connect(root)
    (parent,), children = runs(client)
    predictions = load_table(client, parent, "predictions.json")
    assert sorted(predictions["clip"]) == sorted(samples.clips.tolist())
    assert predictions["right"].all()
    subjects = load_table(client, parent, "subjects.json")
    assert subjects["accuracy"].tolist() == [1.0] * len(folds)
    assert {run.data.metrics["held_out_accuracy"] for run in children} == {1.0}


def test_every_repetition_of_a_fold_is_a_run_below_the_model_s_with_its_own_seed(
    root: Path, samples: Samples, tmp_path: Path
) -> None:
    config = TrainConfig(protocol="composite", seed=3, repeats=2, bootstrap_draws=100)
    folds = folds_of(samples, config)
    scored = replace(pool("m", samples, folds, config), uf1_sd=0.25, ece=0.125)
    train = {"protocol": "composite", "seed": 3, "repeats": 2}
    identity = replace(IDENTITY, settings={**IDENTITY.settings, "train": train})
    write_training(tmp_path / "twice", samples, folds, scored)
    finish(root, tmp_path / "twice", folds, identity)
    finish(root, tmp_path / "twice", folds, identity)
    client = connect(root)
    (parent,), children = runs(client)
    assert sorted((run.data.tags["microfacial.subject"], run.data.tags["microfacial.repeat"]) for run in children) == [
        (name, seed) for name in sorted(set(samples.subjects.tolist())) for seed in ("3", "4")
    ]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.data.tags["microfacial.seed"] for run in (*children, parent)} == {"3"}
    metrics = parent.data.metrics
    assert (metrics["uf1"], metrics["uf1_sd"], metrics["uar_sd"], metrics["ece"]) == (1.0, 0.25, 0.0, 0.125)
    assert (metrics["uf1_low"], metrics["uf1_high"]) == (1.0, 1.0)
    assert {f"mean_over_folds_{name}" for name in ("uf1", "uar", "accuracy")} <= metrics.keys()


def test_a_killed_run_is_taken_up_and_no_fold_is_written_twice(root: Path, out: Path, folds: list[FoldResult]) -> None:
    killed = open_run(root)
    for fold in folds[:3]:
        log(killed, fold)
    client = connect(root)
    (parent,), children = runs(client)
    client.create_run(  # what a kill in the middle of log_fold leaves
        parent.info.experiment_id,
        tags={"mlflow.parentRunId": parent.info.run_id, "microfacial.fold": folds[3].plan.key},
    )
    finish(root, out, folds)
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
    assert parent.data.params["epochs"] == "2"
    assert parent.inputs is not None
    assert len(parent.inputs.dataset_inputs) == 1


def test_what_a_kill_left_open_and_other_settings_will_not_take_up_is_closed_as_killed(
    root: Path, folds: list[FoldResult]
) -> None:
    log(open_run(root), folds[0])
    client = connect(root)
    (killed,), _ = runs(client)
    half = client.create_run(
        killed.info.experiment_id, tags={"mlflow.parentRunId": killed.info.run_id, "microfacial.fold": "a/1#0"}
    )
    open_run(root, replace(IDENTITY, key="k2"))
    assert client.get_run(killed.info.run_id).info.status == "KILLED"
    assert client.get_run(half.info.run_id).info.status == "KILLED"
    open_run(root)  # the old settings again
    assert client.get_run(killed.info.run_id).info.status == "RUNNING"


def test_what_may_be_alive_elsewhere_is_neither_closed_nor_taken_up(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of another machine, and of another checkout on this one where a stage is at work; both with the same settings."""
    client, other = connect(root), tmp_path_factory.mktemp("other checkout")
    open_run(root)
    (first,), _ = runs(client)
    client.set_tag(first.info.run_id, "microfacial.host", "another-machine")
    ModelRun(client, IDENTITY, KNOWN, other)
    second = next(run for run in runs(client)[0] if run.info.run_id != first.info.run_id)
    with exclusive_lock(other / ".microfacial" / "stage.lock", "a stage"):
        open_run(root)
        assert len(runs(client)[0]) == 3
        assert {run.info.status for run in runs(client)[0]} == {"RUNNING"}
    open_run(root, replace(IDENTITY, key="k2"))
    assert client.get_run(first.info.run_id).info.status == "RUNNING"
    assert client.get_run(second.info.run_id).info.status == "KILLED"  # nobody holds its lock any more


def test_a_store_that_cannot_be_opened_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://127.0.0.1/none")
    with pytest.raises(PipelineError, match="Correct MLFLOW_TRACKING_URI"):
        connect(root)


def test_a_finished_run_that_is_run_again_stays_as_it_is(root: Path, out: Path, folds: list[FoldResult]) -> None:
    assert finish(root, out, folds)
    client = connect(root)
    before = [(run.info.run_id, run.info.end_time) for run in runs(client)[0]]
    assert not finish(root, out, folds)
    parents, children = runs(client)
    assert [(run.info.run_id, run.info.end_time) for run in parents] == before
    assert len(children) == len(folds)
    assert parents[0].inputs is not None
    assert len(parents[0].inputs.dataset_inputs) == 1


def test_files_that_were_deleted_from_a_finished_run_are_written_again_and_tables_have_no_row_twice(
    root: Path, out: Path, folds: list[FoldResult], samples: Samples
) -> None:
    finish(root, out, folds)
    client = connect(root)
    (parent,), _ = runs(client)
    shutil.rmtree(next((root / "mlruns" / "artifacts").rglob("files")))
    assert finish(root, out, folds)
    assert artifacts(client, parent, "files") == {path.name for path in out.iterdir() if path.is_file()}
    predictions = load_table(client, parent, "predictions.json")
    assert len(predictions) == len(samples.clips)
    assert not finish(root, out, folds)


def test_curves_longer_than_one_batch_are_whole(root: Path, folds: list[FoldResult]) -> None:
    curve = tuple(float(epoch) for epoch in range(500))
    history = History(training_loss=curve, validation_loss=curve, validation_uar=curve)
    log(open_run(root), replace(folds[0], history=history))
    client = connect(root)
    (child,) = runs(client)[1]
    for name in ("training_loss", "validation_loss", "validation_uar"):
        assert tuple(point.value for point in client.get_metric_history(child.info.run_id, name)) == curve


def test_other_settings_are_another_run(root: Path, out: Path, folds: list[FoldResult]) -> None:
    finish(root, out, folds)
    finish(root, out, folds, replace(IDENTITY, key="k2"))
    parents, children = runs(connect(root))
    assert (len(parents), len(children)) == (2, 2 * len(folds))


def test_everything_lands_below_the_project_whatever_the_current_folder(
    root: Path,
    out: Path,
    folds: list[FoldResult],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    finish(root, out, folds)
    assert list(elsewhere.iterdir()) == []
    assert (root / "mlruns" / "artifacts").is_dir()


def test_a_checkout_that_dvc_makes_for_an_experiment_writes_into_the_project_s_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    checkout = tmp_path / ".dvc" / "tmp" / "exps" / "standalone" / "tmp_1"
    checkout.mkdir(parents=True)
    assert store_owner(checkout) == store_owner(tmp_path) == tmp_path.resolve()
    assert store_uri(checkout) == f"sqlite:///{tmp_path.resolve()}/mlruns/mlflow.db"
