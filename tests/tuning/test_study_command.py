import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from command_line import set_params
from fakes import replace_flow
from microfacial.errors import ConfigError, PipelineError, ProtocolError
from microfacial.files import write_json
from microfacial.models.presets import resolve
from microfacial.pipeline.config import load
from microfacial.pipeline.project import PARAMS
from microfacial.tracking.model_versions import ModelVersionRecord, registered_name
from microfacial.tracking.store import connect
from microfacial.tuning.optuna_storage import StudyStorage, find_studies
from microfacial.tuning.optuna_study import TrialRunner
from microfacial.tuning.trials import StoredStudy

RunStudy = Callable[..., str]
SetStudy = Callable[..., None]
LatestStudy = Callable[[], StoredStudy]
LetWin = Callable[[int], None]
TUNED_EARLIER = "\ntuned:\n  mlp: {study: an-earlier-one, subjects: [demo/sub04]}\n"


@contextmanager
def watching_files() -> Iterator[list[str]]:
    """Collect the paths of all files that are opened."""
    opened: list[str] = []
    on = [True]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if on[0] and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    yield opened
    on[0] = False


def tracked_runs() -> tuple[MlflowClient, list[Run]]:
    client: MlflowClient = connect(Path())
    experiment = client.get_experiment_by_name("tiny · casme2-4 · studies")
    assert experiment is not None
    return client, list(client.search_runs([experiment.experiment_id]))


def test_a_study_prints_its_trials_and_the_scores_of_the_best_settings(concluded: str) -> None:
    output = concluded
    assert "4 trials on 3 inner folds of 3 subjects, trial 0 from params.yaml" in output
    assert [f"trial {number}, {number + 1} of 4 done" in output for number in range(4)] == [True] * 4
    assert "never seen by tuning, 1 subjects, 3 clips: UF1" in output
    assert "tuned on, 3 subjects, 9 clips: UF1" in output
    assert "all, 4 subjects, 12 clips: UF1" in output
    assert "scored them once" in output
    assert "cannot be told from zero on 1 subjects" in output


def test_a_study_reads_no_file_of_the_train_stage(study: RunStudy, study_project: Path, let_win: LetWin) -> None:
    let_win(1)
    write_json(study_project / "results/tiny/train/mlp/evaluation.json", {"uf1": 1.0})
    with watching_files() as opened:
        assert "never seen by tuning" in study("mlp")
    assert any("flow.npy" in path for path in opened)
    assert not [path for path in opened if "results/tiny/train" in path]


def test_unseen_subjects_are_scored_once_per_winner_and_the_count_is_printed(
    concluded: str, study: RunStudy, set_study: SetStudy, latest_study: LatestStudy, let_win: LetWin
) -> None:
    assert "\n".join(study("mlp").splitlines()[1:]) in concluded  # the second run trains and scores nothing
    conclusion = latest_study().conclusion
    assert conclusion is not None
    assert (conclusion.best, conclusion.looks) == ((2,), 1)
    let_win(5)
    set_study(trials=6)
    assert "scored them 2 times" in study("mlp")


def test_other_subjects_are_not_scored_if_no_trial_beats_trial_0(
    study: RunStudy, latest_study: LatestStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrialRunner, "_train", lambda *_: 0.5)
    output = study("mlp")
    assert "No trial was better than trial 0" in output
    assert " against " not in output
    conclusion = latest_study().conclusion
    assert conclusion is not None
    assert (conclusion.findings, conclusion.looks) == ((), 0)


@pytest.mark.usefixtures("concluded")
def test_trials_are_children_of_the_studys_run_in_mlflow() -> None:
    client, runs = tracked_runs()
    (parent,) = [run for run in runs if run.data.tags["microfacial.role"] == "study"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(run.info.run_name or "" for run in children) == [f"trial {number}" for number in range(4)]
    assert parent.data.tags["microfacial.best"] == "2"
    assert "never seen by tuning/uf1_difference" in parent.data.metrics
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {
        "history.png",
        "parallel_coordinates.png",
        "slice.png",
    }


def test_trial_0_has_the_champions_settings_and_the_champions_tuning_subjects_are_not_unseen(
    study: RunStudy, latest_study: LatestStudy, let_win: LetWin
) -> None:
    let_win(2)
    settings = resolve("linear_svm", {"input_px": 7, "inner_folds": 2}, "svm").model_dump(mode="json")
    champion = ModelVersionRecord(
        name=registered_name("tiny", "casme2-4"),
        version=1,
        model="linear_svm",
        settings=settings,
        dataset="tiny",
        scheme="casme2-4",
        protocol="loso",
        tuned_on=("demo/sub04",),
        run_id="",
    )
    client: MlflowClient = connect(Path())
    client.create_registered_model(champion.name)
    client.create_model_version(champion.name, "nowhere", tags=champion.tags)
    client.set_registered_model_alias(champion.name, "champion", "1")
    output = study("mlp")
    assert "trial 0 from champion tiny.casme2-4 version 1, linear_svm" in output
    assert "never seen by tuning," not in output
    assert "all, 4 subjects" in output
    first, second, *_ = latest_study().trials
    assert (first.model, first.settings, first.params) == ("linear_svm", settings, {})
    assert second.settings["hidden"] == 8


@pytest.mark.usefixtures("concluded")
def test_other_data_starts_another_study(study: RunStudy, study_project: Path, latest_study: LatestStudy) -> None:
    old = latest_study().name
    path = study_project / "results/tiny/flow/flow.npy"
    replace_flow(path, np.load(path) * 2)
    study("mlp")
    assert latest_study().name != old
    assert len(latest_study().trials) == 4


def test_no_trial_starts_when_the_time_is_over(study: RunStudy, set_study: SetStudy) -> None:
    set_study(max_minutes=1e-9)
    output = study("mlp")
    assert "the time is over" in output
    assert "of 4 done" not in output


def test_additional_workers_do_not_score_the_best_settings(
    study: RunStudy, latest_study: LatestStudy, let_win: LetWin
) -> None:
    let_win(2)
    assert "never seen by tuning" not in study("mlp", "--no-conclusion")
    assert len(latest_study().trials) == 4
    assert latest_study().conclusion is None


def test_under_holdout_a_study_tunes_on_the_other_subjects_and_scores_the_held_out_ones(
    study: RunStudy, set_study: SetStudy, latest_study: LatestStudy, let_win: LetWin
) -> None:
    let_win(1)
    set_params("train", protocol="holdout", holdout=["demo/sub04"], validation_folds=2)
    set_study(tuning_subjects=["demo/sub03", "demo/sub04"], trials=2)
    with pytest.raises(ConfigError, match=r"study\.tuning_subjects: demo/sub04 "):
        study("mlp")
    set_study(tuning_subjects=[])
    output = study("mlp")
    assert latest_study().facts["subjects"] == ["demo/sub01", "demo/sub02", "demo/sub03"]
    assert "inner folds of the tuning subjects, 3 subjects, 9 clips: UF1" in output
    assert "never seen by tuning, 1 subjects, 3 clips: UF1" in output
    assert "tuned on, " not in output


def test_a_nested_study_predicts_all_subjects_with_settings_tuned_without_them(
    study: RunStudy, set_study: SetStudy
) -> None:
    set_study(mode="nested", tuning_subjects=[], outer_groups=2, inner_folds=2, trials=2)
    with pytest.raises(ProtocolError, match="at least 2 training subjects"):
        study("mlp")
    set_study(outer_groups=4, inner_folds=3)
    output = study("mlp")
    assert "all: predicted with settings tuned without them, 4 subjects, 12 clips: UF1" in output
    assert "MLflow failed" not in output
    groups = find_studies(StudyStorage(Path(), load(PARAMS).study), "tiny", "mlp")
    tuned_on = [set(group.facts["subjects"]) for group in groups if len(group.facts["subjects"]) == 3]
    assert len(tuned_on) == 4
    _, runs = tracked_runs()
    parents = [run for run in runs if run.data.tags["microfacial.role"] == "study"]
    names = {name for run in parents for name in run.data.metrics}
    assert "all: predicted with settings tuned without them/uf1" in names


def test_listed_subjects_that_a_study_would_ignore_are_refused_or_named(study: RunStudy, set_study: SetStudy) -> None:
    set_study(mode="nested", outer_groups=4, trials=2)
    with pytest.raises(ConfigError, match=r"study\.tuning_subjects .*demo/sub01.*nested"):
        study("mlp")
    set_study(mode="split")
    set_params("train", holdout=["demo/sub01"])
    assert study("mlp").count("train.holdout is not used, because train.protocol is loso") == 1


def test_a_nested_study_claims_nothing_about_subjects_on_which_trial_0_was_tuned(
    study: RunStudy, set_study: SetStudy
) -> None:
    set_study(mode="nested", tuning_subjects=[], outer_groups=4, inner_folds=3, trials=2)
    PARAMS.write_text(PARAMS.read_text() + TUNED_EARLIER)
    output = study("mlp")
    assert "never seen before: predicted with settings tuned without them, 3 subjects, 9 clips: UF1" in output


def test_subjects_on_which_params_yaml_was_tuned_are_never_unseen_and_stay_in_the_list(
    study: RunStudy, let_win: LetWin
) -> None:
    let_win(2)
    PARAMS.write_text(PARAMS.read_text() + TUNED_EARLIER)
    output = study("mlp")
    assert "never seen by tuning," not in output
    assert "nothing can be claimed" in output
    study("apply", "mlp")
    assert load(PARAMS).tuned["mlp"].subjects == tuple(f"demo/sub0{number}" for number in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("arguments", "error", "value"),
    [
        (("majority",), ConfigError, "majority"),
        (("mlp", "--workers", "2"), ConfigError, r"study\.storage.* 2 workers"),
    ],
)
def test_models_without_a_space_and_workers_without_a_database_are_refused(
    study: RunStudy, arguments: tuple[str, ...], error: type[Exception], value: str
) -> None:
    with pytest.raises(error, match=value):
        study(*arguments)


def test_a_study_continues_without_mlflow_and_the_next_command_writes_its_runs(
    study: RunStudy, latest_study: LatestStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from microfacial.pipeline.commands import study as command

    def fail(*_: object) -> None:
        raise PipelineError("MLflow's store cannot be opened")

    with monkeypatch.context() as patched:
        patched.setattr(command, "StudyRun", fail)
        assert "MLflow's store cannot be opened" in study("mlp")
    assert len(latest_study().trials) == 4
    study("mlp")
    assert len(tracked_runs()[1]) == 5
