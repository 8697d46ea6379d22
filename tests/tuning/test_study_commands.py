import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import yaml
from click.testing import CliRunner, Result
from mlflow import MlflowClient

from fakes import TINY_PARAMS
from microfacial.errors import ConfigError, PipelineError, ProtocolError
from microfacial.files import write_json
from microfacial.models.presets import resolve
from microfacial.pipeline.cli import main
from microfacial.pipeline.commands.study import _Survey
from microfacial.pipeline.config import load
from microfacial.pipeline.project import PARAMS
from microfacial.tracking.model_versions import ModelVersionRecord, registered_name
from microfacial.tracking.store import connect
from microfacial.tuning.objective import Candidate
from microfacial.tuning.optuna_study import StoredStudy, StudyStorage, TrialRunner, find_studies
from microfacial.tuning.trials import choose_best

MODELS = """models:
  majority: {}
  mlp: {epochs: 2, input_px: 7, hidden: 8, flip: false, test_time_flip: false}  # small

"""
STUDY = """
study:                    # quick
  subjects: [demo/sub01, demo/sub02, demo/sub03]
  inner_folds: 3
  trials: 4
  startup_trials: 2
  keep: [epochs, input_px]
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, computed: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that is computed up to its flow, with a multilayer perceptron to study."""
    root = tmp_path / "project"
    shutil.copytree(computed, root, symlinks=True)
    head, _, tail = TINY_PARAMS.partition("models:")
    (root / PARAMS).write_text(f"{head}{MODELS}report:{tail.partition('report:')[2]}{STUDY}")
    (root / "mlruns").mkdir()
    shutil.copy(empty_store, root / "mlruns")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    return root


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["study", *arguments, *(["--processes", "1"] if arguments[0] == "mlp" else [])])


def study(*arguments: str) -> str:
    """What a command prints.

    Raises:
        Exception: what the command raises.
    """
    done = invoke(*arguments)
    if done.exception:
        raise done.exception
    return done.output


def set_study(**changes: Any) -> None:
    content = yaml.safe_load(PARAMS.read_text())
    content["study"] |= changes
    PARAMS.write_text(yaml.safe_dump(content, sort_keys=False))


def kept() -> StoredStudy:
    return find_studies(StudyStorage(Path(), load(PARAMS).study), "tiny", "mlp")[-1]


@pytest.fixture
def let_win(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let a trial of a number be the best, whatever its folds gave."""
    train = TrialRunner._train

    def choose(number: int) -> None:
        def raised(self: TrialRunner, trial: optuna.Trial, candidate: Candidate) -> float:
            return train(self, trial, candidate) + number * (trial.number == number)

        monkeypatch.setattr(TrialRunner, "_train", raised)

    return choose


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


LetWin = Callable[[int], None]


def test_a_study_tries_settings_and_says_what_they_are_worth_on_subjects_it_never_saw(let_win: LetWin) -> None:
    let_win(2)
    output = study("mlp")
    assert "4 trials on 3 inner folds of 3 subjects, trial 0 from params.yaml, as there is no champion" in output
    assert [f"trial {number}, {number + 1} of 4 done" in output for number in range(4)] == [True] * 4
    assert "never seen by tuning, 1 subjects, 3 clips: UF1" in output
    assert "tuned on, 3 subjects, 9 clips: UF1" in output
    assert "all, 4 subjects, 12 clips: UF1" in output
    assert "They were scored once for this study." in output
    assert "cannot be told from zero on 1 subjects" in output


def test_a_study_reads_no_file_below_train(project: Path, let_win: LetWin) -> None:
    let_win(1)
    write_json(project / "results/tiny/train/mlp/evaluation.json", {"uf1": 1.0})
    with watching_files() as opened:
        assert "never seen by tuning" in study("mlp")
    assert any("flow.npy" in path for path in opened)
    assert not [path for path in opened if "results/tiny/train" in path]


def test_unseen_subjects_are_scored_once_a_winner_and_how_often_is_said(let_win: LetWin) -> None:
    let_win(2)
    first = study("mlp")
    assert "\n".join(study("mlp").splitlines()[1:]) in first  # no trial, and no score, is made anew
    conclusion = kept().conclusion
    assert conclusion is not None
    assert (conclusion.best, conclusion.looks) == ((2,), 1)
    let_win(5)
    set_study(trials=6)
    assert "They were scored 2 times for this study." in study("mlp")


def test_where_no_trial_beats_trial_0_nobody_else_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrialRunner, "_train", lambda *_: 0.5)
    output = study("mlp")
    assert "No trial was better than trial 0 on the inner folds: nothing was scored on other subjects." in output
    with pytest.raises(PipelineError, match="no trial is better than trial 0"):
        study("apply", "mlp")


def test_trials_stand_in_mlflow_below_the_study(let_win: LetWin) -> None:
    let_win(2)
    study("mlp")
    client = connect(Path())
    experiment = client.get_experiment_by_name("tiny · casme2-4 · studies")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
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


def test_the_champions_settings_are_trial_0_and_who_they_were_tuned_on_is_not_unseen(let_win: LetWin) -> None:
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
    assert "never seen by tuning" not in output
    assert "all, 4 subjects" in output
    first, second, *_ = kept().trials
    assert (first.model, first.settings, first.params) == ("linear_svm", settings, {})
    assert second.settings["hidden"] == 8


def test_best_settings_are_written_into_params_yaml_and_comments_stay(let_win: LetWin) -> None:
    let_win(2)
    study("mlp")
    before = PARAMS.read_text()
    output = study("apply", "mlp")
    best = choose_best(kept().trials)
    assert best is not None
    config = load(PARAMS)
    assert config.models["mlp"].model_dump(mode="json") == best.settings
    assert config.tuned["mlp"].study == kept().name
    assert config.tuned["mlp"].subjects == ("demo/sub01", "demo/sub02", "demo/sub03")
    after = PARAMS.read_text()
    assert [comment in after for comment in ("# small", "# quick")] == [True, True]
    untouched = {line for line in before.splitlines() if "mlp:" not in line}
    assert untouched <= set(after.splitlines())
    assert "+  mlp:" in output
    assert "trial 2 of" in output


def test_other_data_is_another_study_and_the_old_one_is_not_applied(project: Path, let_win: LetWin) -> None:
    let_win(2)
    study("mlp")
    old = kept().name
    flow = np.load(project / "results/tiny/flow/flow.npy")
    np.save(project / "results/tiny/flow/flow.npy", flow * 2)
    with pytest.raises(PipelineError, match=r"it was made on other data\. Run `microfacial study mlp`, or"):
        study("apply")
    study("mlp")
    assert kept().name != old
    assert len(kept().trials) == 4


def test_an_unfinished_study_is_not_applied_unless_told(let_win: LetWin, monkeypatch: pytest.MonkeyPatch) -> None:
    let_win(2)
    with monkeypatch.context() as patched:
        patched.setattr(_Survey, "conclude", lambda _: None)  # as a kill would have it
        study("mlp")
    with pytest.raises(PipelineError, match="it is not finished"):
        study("apply", "mlp")
    study("apply", "mlp", "--force")
    assert load(PARAMS).tuned["mlp"].study == kept().name


def test_no_trial_begins_when_the_time_is_over() -> None:
    set_study(minutes=1e-9)
    assert "the time is over. The same command goes on" in study("mlp")


def test_nested_predicts_everyone_by_settings_tuned_without_them() -> None:
    set_study(mode="nested", subjects=[], outer_groups=2, inner_folds=2, trials=2)
    with pytest.raises(ProtocolError, match="needs at least 2 training subjects"):
        study("mlp")
    set_study(outer_groups=4, inner_folds=3)
    output = study("mlp")
    assert "all, each by settings tuned without them, 4 subjects, 12 clips: UF1" in output
    groups = find_studies(StudyStorage(Path(), load(PARAMS).study), "tiny", "mlp")
    tuned_on = [set(one.facts["subjects"]) for one in groups if len(one.facts["subjects"]) == 3]
    assert len(tuned_on) == 4
    with pytest.raises(PipelineError, match="is nested: it says what tuning is worth"):
        study("apply", "mlp")


def test_show_lists_studies_and_what_they_came_to() -> None:
    assert "no study of any model in" in study("show")
    study("mlp")
    assert f"{kept().name}: " in study("show", "mlp")
    assert "1 studies in" in study("show")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("majority",), "majority has nothing to search"),
        (("mlp", "--workers", "2"), "for 2 workers set sqlite, or the URL of a database"),
        (("apply", "mlp"), "no study of mlp on tiny"),
    ],
)
def test_what_cannot_be_studied_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises((ConfigError, PipelineError), match=message):
        study(*arguments)


def test_mlflow_out_of_reach_ends_no_study_and_is_caught_up_with(monkeypatch: pytest.MonkeyPatch) -> None:
    from microfacial.pipeline.commands import study as stage

    def fail(*_: object) -> None:
        raise PipelineError("MLflow's store cannot be opened")

    with monkeypatch.context() as patched:
        patched.setattr(stage, "StudyRun", fail)
        done = invoke("mlp")
    assert done.exit_code == 0
    assert "The study goes on" in done.output
    assert len(kept().trials) == 4
    study("mlp")
    client = connect(Path())
    experiment = client.get_experiment_by_name("tiny · casme2-4 · studies")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 5


def test_who_params_yaml_was_tuned_on_before_is_never_unseen_and_stays_named(let_win: LetWin) -> None:
    let_win(2)
    before = {"study": "an-earlier-one", "subjects": ["demo/sub04"]}
    PARAMS.write_text(f"{PARAMS.read_text()}\ntuned:\n  mlp: {before}\n")
    output = study("mlp")
    assert "never seen by tuning," not in output
    assert output.rstrip().endswith("Nobody is left whom tuning never saw: nothing can be claimed.")
    study("apply", "mlp")
    assert load(PARAMS).tuned["mlp"].subjects == tuple(f"demo/sub0{number}" for number in (1, 2, 3, 4))


def test_nested_claims_nothing_of_those_that_trial_0_was_tuned_on() -> None:
    set_study(mode="nested", subjects=[], outer_groups=4, inner_folds=3, trials=2)
    before = {"study": "an-earlier-one", "subjects": ["demo/sub04"]}
    PARAMS.write_text(f"{PARAMS.read_text()}\ntuned:\n  mlp: {before}\n")
    assert "never seen before, each by settings tuned without them, 3 subjects, 9 clips: UF1" in study("mlp")


def test_looks_are_counted_only_where_somebody_was_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrialRunner, "_train", lambda *_: 0.5)
    study("mlp")
    conclusion = kept().conclusion
    assert conclusion is not None
    assert conclusion.looks == 0
