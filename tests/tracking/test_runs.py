from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from tracked_training import IDENTITY, METADATA, list_artifacts, log_fold, make_folds, open_run, read_runs, write_run

from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.result_files import write_training
from microfacial.evaluation.scoring import pool
from microfacial.locks import exclusive_lock
from microfacial.records import Evaluation, FoldResult, Samples
from microfacial.tracking.runs import ModelRun
from microfacial.tracking.store import connect


def test_a_training_is_one_run_with_a_nested_run_per_subject_with_curves_scores_and_files(
    root: Path, out: Path, scored: Evaluation, folds: list[FoldResult]
) -> None:
    write_run(root, out, folds)
    client = connect(root)
    (parent,), children = read_runs(client)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["uf1"] == scored.overall.uf1 == 1.0
    assert parent.data.metrics["a/uf1"] == scored.corpora["a"].uf1
    assert parent.data.tags["microfacial.git_commit"] == "c0ffee"
    assert sorted(run.data.tags["microfacial.subject"] for run in children) == [fold.plan.name for fold in folds]
    curve = client.get_metric_history(children[0].info.run_id, "validation_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 1.1), (2, 0.9)]
    assert all(run.info.status == "FINISHED" for run in children)
    assert list_artifacts(client, parent, "figures") == {"confusion.png", "subjects.png", "reliability.png", "loss.png"}
    assert list_artifacts(client, parent, "files") == {path.name for path in out.iterdir() if path.is_file()}
    tables = {"folds.json", "predictions.json", "subjects.json"}
    assert list_artifacts(client, parent, "") == {"figures", "files"} | tables


def test_fold_runs_have_the_parameters_and_tags_of_their_model_so_that_filters_keep_them(
    root: Path, out: Path, folds: list[FoldResult]
) -> None:
    write_run(root, out, folds)
    (parent,), children = read_runs(connect(root))
    for child in children:
        assert child.data.params.items() >= parent.data.params.items()
        for fact in ("model", "dataset", "scheme", "protocol", "corpora", "seed", "key", "git_commit"):
            assert child.data.tags[f"microfacial.{fact}"] == parent.data.tags[f"microfacial.{fact}"]


def test_every_repetition_of_a_fold_is_a_nested_run_with_its_own_seed(
    root: Path, samples: Samples, tmp_path: Path
) -> None:
    config = TrainConfig(protocol="composite", seed=3, repeats=2, bootstrap_draws=100)
    folds = make_folds(samples, config)
    folds[0] = replace(folds[0], probabilities=np.roll(folds[0].probabilities, 1, axis=1))  # wrong in one repetition
    scored = pool("m", samples, folds, config)
    train = {"protocol": "composite", "seed": 3, "repeats": 2}
    identity = replace(IDENTITY, settings={**IDENTITY.settings, "train": train})
    write_training(tmp_path / "twice", samples, folds, scored)
    write_run(root, tmp_path / "twice", folds, identity)
    write_run(root, tmp_path / "twice", folds, identity)
    client = connect(root)
    (parent,), children = read_runs(client)
    assert sorted((run.data.tags["microfacial.subject"], run.data.tags["microfacial.repeat"]) for run in children) == [
        (name, seed) for name in sorted(set(samples.subjects.tolist())) for seed in ("3", "4")
    ]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.data.tags["microfacial.seed"] for run in (*children, parent)} == {"3"}
    metrics = parent.data.metrics
    assert scored.ece > 0
    assert (metrics["uf1"], metrics["uar_sd"], metrics["ece"]) == (scored.overall.uf1, scored.uar_sd, scored.ece)
    assert metrics["uf1_sd"] == scored.uf1_sd == pytest.approx(2**0.5 * (1 - scored.overall.uf1))
    assert (metrics["uf1_low"], metrics["uf1_high"]) == scored.uf1_interval
    assert {f"mean_over_folds_{name}" for name in ("uf1", "uar", "accuracy")} <= metrics.keys()


def test_a_killed_run_is_continued_and_no_fold_is_written_twice(root: Path, out: Path, folds: list[FoldResult]) -> None:
    killed = open_run(root)
    for fold in folds[:3]:
        log_fold(killed, fold)
    client = connect(root)
    (parent,), children = read_runs(client)
    client.create_run(  # a kill in the middle of log_fold leaves such a run
        parent.info.experiment_id,
        tags={"mlflow.parentRunId": parent.info.run_id, "microfacial.fold": folds[3].plan.key},
    )
    write_run(root, out, folds)
    parents, children = read_runs(client)
    assert [run.info.run_id for run in parents] == [parent.info.run_id]
    assert parents[0].info.status == "FINISHED"
    assert sorted(run.data.tags["microfacial.subject"] for run in children) == [fold.plan.name for fold in folds]


def test_a_run_killed_before_its_parameters_were_written_gets_them_when_it_continues(root: Path) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", die)
        with pytest.raises(KeyboardInterrupt):
            open_run(root)
    open_run(root)
    (parent,), _ = read_runs(connect(root))
    assert parent.data.params["epochs"] == "2"
    assert parent.inputs is not None
    assert len(parent.inputs.dataset_inputs) == 1


def test_a_training_with_other_settings_closes_the_runs_that_a_kill_left_open(
    root: Path, folds: list[FoldResult]
) -> None:
    log_fold(open_run(root), folds[0])
    client = connect(root)
    (killed,), _ = read_runs(client)
    half = client.create_run(
        killed.info.experiment_id, tags={"mlflow.parentRunId": killed.info.run_id, "microfacial.fold": "a/1#0"}
    )
    open_run(root, replace(IDENTITY, key="k2"))
    assert client.get_run(killed.info.run_id).info.status == "KILLED"
    assert client.get_run(half.info.run_id).info.status == "KILLED"
    open_run(root)  # the old settings again
    assert client.get_run(killed.info.run_id).info.status == "RUNNING"


def test_a_run_that_may_be_active_elsewhere_is_neither_closed_nor_continued(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Both runs have the same settings. One is on another machine, the other in a checkout where a stage is active."""
    client, other = connect(root), tmp_path_factory.mktemp("other checkout")
    open_run(root)
    (first,), _ = read_runs(client)
    client.set_tag(first.info.run_id, "microfacial.host", "another-machine")
    ModelRun(client, IDENTITY, METADATA, other)
    second = next(run for run in read_runs(client)[0] if run.info.run_id != first.info.run_id)
    with exclusive_lock(other / ".microfacial" / "stage.lock", "a stage"):
        open_run(root)
        assert len(read_runs(client)[0]) == 3
        assert {run.info.status for run in read_runs(client)[0]} == {"RUNNING"}
    open_run(root, replace(IDENTITY, key="k2"))
    assert client.get_run(first.info.run_id).info.status == "RUNNING"
    assert client.get_run(second.info.run_id).info.status == "KILLED"  # its lock is free now


def test_writing_a_finished_run_again_changes_nothing(root: Path, out: Path, folds: list[FoldResult]) -> None:
    assert write_run(root, out, folds)
    client = connect(root)
    before = [(run.info.run_id, run.info.end_time) for run in read_runs(client)[0]]
    assert not write_run(root, out, folds)
    parents, children = read_runs(client)
    assert [(run.info.run_id, run.info.end_time) for run in parents] == before
    assert len(children) == len(folds)
    assert parents[0].inputs is not None
    assert len(parents[0].inputs.dataset_inputs) == 1


def test_other_settings_make_another_run(root: Path, out: Path, folds: list[FoldResult]) -> None:
    write_run(root, out, folds)
    write_run(root, out, folds, replace(IDENTITY, key="k2"))
    parents, children = read_runs(connect(root))
    assert (len(parents), len(children)) == (2, 2 * len(folds))


def test_all_files_are_written_below_the_project_from_any_current_folder(
    root: Path,
    out: Path,
    folds: list[FoldResult],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    write_run(root, out, folds)
    assert list(elsewhere.iterdir()) == []
    assert (root / "mlruns" / "artifacts").is_dir()


def test_runs_of_other_seeds_and_of_experiments_of_dvc_have_other_names(root: Path) -> None:
    seeded = replace(
        IDENTITY, key="k2", settings={**IDENTITY.settings, "train": {**IDENTITY.settings["train"], "seed": 3}}
    )
    queued = replace(METADATA, tags={"microfacial.dvc_exp": "smaller"})
    open_run(root)
    open_run(root, seeded)
    ModelRun(connect(root), replace(seeded, key="k3"), queued, root)
    ModelRun(connect(root), replace(IDENTITY, key="k4"), queued, root)
    runs, _ = read_runs(connect(root))
    assert {run.info.run_name for run in runs} == {"m", "m seed 3", "m seed 3 smaller", "m smaller"}
