import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState

from fakes import make_data
from microfacial.errors import ConfigError, PipelineError
from microfacial.models.presets import resolve
from microfacial.tuning.objective import Candidate, InnerFolds, tuning_subjects
from microfacial.tuning.optuna_study import (
    PairedPruner,
    StoredStudy,
    StudySpec,
    StudyStorage,
    TrialRunner,
    find_studies,
    keep_conclusion,
    parameter_importances,
    read_study,
)
from microfacial.tuning.search_space import Choice, Real, Space, StudyConfig
from microfacial.tuning.trials import Conclusion, Trial, choose_best

SPACE: Space = {
    "learning_rate": Real(1e-4, 1e-1, log=True),
    "dropout": Real(0.0, 0.7),
    "hidden": Choice((4, 8, 16)),
}
BASE = {"epochs": 2, "flip": False, "test_time_flip": False, "input_px": 7}
PARAMS_YAML = Candidate("mlp", resolve("mlp", {**BASE, "hidden": 8}, "mlp"))
OUTSIDE = Candidate("mlp", resolve("mlp", {**BASE, "hidden": 5}, "mlp"))


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass
class MakeWorker:
    """Workers of one study, each as a process of its own would have them."""

    root: Path

    def __call__(self, reference: Candidate = PARAMS_YAML, space: Space = SPACE, **changes: Any) -> TrialRunner:
        config = StudyConfig(**{"trials": 6, "startup_trials": 3, "inner_folds": 6, "heartbeat_seconds": 1, **changes})
        data = make_data(subjects=12)
        bench = InnerFolds(
            data=data,
            subjects=tuning_subjects(data, ()),
            config=config,
            folder=self.root / "folds",
            features="f",
            code="c",
            processes=1,
        )
        base = PARAMS_YAML.settings.model_dump()
        question = StudySpec("demo-mlp-0", "mlp", base, space, reference, {"dataset": "demo"})
        return TrialRunner(question, bench, StudyStorage(self.root, config))


@pytest.fixture
def make_worker(root: Path) -> MakeWorker:
    return MakeWorker(root)


def trials_of(worker: TrialRunner) -> tuple[Trial, ...]:
    return worker.read().trials


def facts_of(trials: Iterator[Trial] | tuple[Trial, ...]) -> list[tuple[object, ...]]:
    """All of a trial but its seconds."""
    return [(one.number, one.state, dict(one.settings), dict(one.scores), one.value) for one in trials]


def optuna_study(worker: TrialRunner) -> optuna.Study:
    return optuna.load_study(study_name=worker.question.name, storage=worker.shelf.open())


def test_trial_0_has_the_settings_of_the_reference_and_the_next_those_of_params_yaml(make_worker: MakeWorker) -> None:
    champion = Candidate("linear_svm", resolve("linear_svm", {"input_px": 7, "inner_folds": 2}, "svm"))
    found = list(make_worker(champion, trials=3).run())
    assert [one.reference for one in found] == [True, False, False]
    assert (found[0].model, found[0].settings) == ("linear_svm", champion.settings.model_dump(mode="json"))
    assert (found[1].model, found[1].settings) == ("mlp", PARAMS_YAML.settings.model_dump(mode="json"))
    assert found[2].settings["input_px"] == 7  # not in the space


def test_what_is_tried_twice_is_tried_once(make_worker: MakeWorker) -> None:
    """Without a champion, trial 0 is what params.yaml has."""
    found = list(make_worker(trials=2).run())
    assert found[0].settings == PARAMS_YAML.settings.model_dump(mode="json")
    assert found[0].settings != found[1].settings


def test_the_value_of_a_trial_is_the_uf1_of_its_inner_folds_by_scikit_learn(make_worker: MakeWorker) -> None:
    from sklearn.metrics import f1_score

    worker = make_worker(trials=2)
    trial = next(worker.run())
    folds = [fold for chunk in worker.bench.try_settings(PARAMS_YAML, 0) for fold in chunk]
    truth = [label for fold in folds for label in fold.truth]
    predicted = [label for fold in folds for label in fold.predicted]
    assert trial.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert len(trial.scores) == 6


def test_every_trial_is_there_once_however_often_the_study_is_stopped(make_worker: MakeWorker, tmp_path: Path) -> None:
    undisturbed = list(MakeWorker(tmp_path / "other")(prune=False).run())
    for _ in range(3):
        run = make_worker(prune=False).run()
        next(run)
        next(run)
        run.close()  # type: ignore[attr-defined]
    assert list(make_worker(prune=False).run()) == []
    trials = trials_of(make_worker())
    assert [one.number for one in trials] == [0, 1, 2, 3, 4, 5]
    assert facts_of(trials) == facts_of(tuple(undisturbed))
    tried = [one.settings for one in trials]
    assert all(tried.count(settings) == 1 for settings in tried)


def test_more_trials_go_on_where_fewer_ended(make_worker: MakeWorker) -> None:
    list(make_worker(trials=3).run())
    assert [one.number for one in make_worker(trials=5).run()] == [3, 4]


def test_a_journals_trial_whose_worker_died_is_begun_anew(make_worker: MakeWorker) -> None:
    worker = make_worker(trials=4)
    run = worker.run()
    next(run)
    run.close()  # type: ignore[attr-defined]
    dead = optuna_study(worker).ask()
    dead.suggest_float("dropout", 0.0, 0.7)
    list(make_worker(trials=4).run())
    trials = trials_of(worker)
    assert [one.state for one in trials if one.number == dead.number] == ["died"]
    assert [one.retry_of for one in trials].count(dead.number) == 1
    assert sum(one.state in ("complete", "pruned") for one in trials) == 4
    (anew,) = [one for one in trials if one.retry_of == dead.number]
    assert anew.params["dropout"] == dead.params["dropout"]


def test_an_interrupted_trial_is_begun_anew(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(InnerFolds, "try_settings", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(make_worker(trials=3).run())
    found = list(make_worker(trials=3).run())
    assert (found[0].number, found[0].retry_of, found[0].reference) == (1, 0, True)
    assert len(found) == 3


def test_trial_0_outside_of_the_space_leaves_all_parameters_to_be_drawn_together(make_worker: MakeWorker) -> None:
    worker = make_worker(OUTSIDE, trials=5)
    list(worker.run())
    study = optuna_study(worker)
    assert study.trials[0].params == {}
    study.sampler = worker._make_sampler(5)
    trial = study.ask()
    assert trial.relative_params.keys() == SPACE.keys()


def test_settings_of_the_space_teach_the_sampler_as_trial_0(make_worker: MakeWorker) -> None:
    worker = make_worker(trials=2)
    list(worker.run())
    assert optuna_study(worker).trials[0].params == {"learning_rate": 1e-3, "dropout": 0.5, "hidden": 8}


def test_settings_that_cannot_be_trained_are_a_failed_trial_with_its_reason(make_worker: MakeWorker) -> None:
    space: Space = {"learning_rate": Choice((1e30,))}
    found = list(make_worker(space=space, trials=3).run())
    assert [one.state for one in found] == ["complete", "failed", "failed"]
    assert "training diverged in epoch" in found[1].reason


def test_a_trial_0_that_cannot_be_trained_ends_the_study(make_worker: MakeWorker) -> None:
    broken = Candidate("mlp", resolve("mlp", {**BASE, "learning_rate": 1e30}, "mlp"))
    with pytest.raises(ConfigError, match="trial 0 cannot be trained"):
        list(make_worker(broken).run())


def test_trials_that_are_clearly_worse_are_stopped_and_never_chosen(make_worker: MakeWorker) -> None:
    good = Candidate("mlp", resolve("mlp", {**BASE, "epochs": 30, "learning_rate": 1e-2, "hidden": 8}, "mlp"))
    worker = make_worker(good, {"learning_rate": Real(1e-9, 2e-9)}, trials=4, repeats=3, inner_folds=6)
    list(worker.run())
    trials = trials_of(worker)
    stopped = [one for one in trials if one.state == "pruned"]
    assert stopped
    assert all(5 <= len(one.scores) < 18 for one in stopped)
    assert all(one.value is None for one in stopped)
    best = choose_best(trials)
    assert best is not None
    assert best.state == "complete"
    list(replace_config(worker, prune=False, trials=6).run())
    assert [one.state for one in trials_of(worker)[4:]] == ["complete", "complete"]


def replace_config(worker: TrialRunner, **changes: Any) -> TrialRunner:
    config = worker.bench.config.model_copy(update=changes)
    return replace(worker, bench=replace(worker.bench, config=config))


def test_the_pruner_compares_with_trial_0_and_not_with_the_best() -> None:
    study = optuna.create_study(direction="maximize")

    def add(level: float, role: str, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
        scores = {step: level + step / 1000 for step in range(8)}
        trial = optuna.create_trial(
            state=state,
            value=level if state is TrialState.COMPLETE else None,
            intermediate_values=scores,
            user_attrs={"role": role},
        )
        study.add_trial(trial)
        return study.trials[-1]

    add(0.5, "trial 0")
    add(0.9, "")
    pruner = PairedPruner(folds=8, p=0.1)
    assert not pruner.prune(study, add(0.6, "", TrialState.RUNNING))  # better than trial 0, worse than the best
    assert pruner.prune(study, add(0.4, "", TrialState.RUNNING))
    assert not pruner.prune(study, study.trials[0])


def test_a_journal_has_one_worker_at_a_time(make_worker: MakeWorker) -> None:
    run = make_worker().run()
    next(run)
    other = f"""
import fcntl
with open({str(make_worker().shelf.lock("demo-mlp-0.run"))!r}, "a") as stream:
    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""
    assert subprocess.run([sys.executable, "-c", other], capture_output=True, check=False).returncode != 0
    run.close()  # type: ignore[attr-defined]
    assert subprocess.run([sys.executable, "-c", other], capture_output=True, check=False).returncode == 0


def test_of_several_workers_one_that_falls_silent_is_made_up_for(make_worker: MakeWorker) -> None:
    settings: dict[str, Any] = {"storage": "sqlite", "trials": 3}
    worker = make_worker(**settings)
    run = worker.run()
    next(run)
    run.close()  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna_study(worker)
        dead = study.ask()
        study._storage.record_heartbeat(dead._trial_id)  # type: ignore[attr-defined]
    found = list(make_worker(**settings).run())  # waits for six heartbeats
    assert [one.retry_of for one in found].count(dead.number) == 1
    trials = trials_of(worker)
    assert sum(one.state in ("complete", "pruned") for one in trials) == 3
    assert trials[dead.number].state == "died"


def test_no_trial_begins_after_the_deadline(make_worker: MakeWorker) -> None:
    assert list(replace(make_worker(), deadline=0.0).run()) == []


def test_studies_are_found_by_data_set_and_model_with_how_they_ended(make_worker: MakeWorker) -> None:
    worker = make_worker(trials=2)
    list(worker.run())
    conclusion = Conclusion(best=(1,), findings=(), looks=2)
    keep_conclusion(worker.shelf, worker.question.name, conclusion)
    (kept,) = find_studies(worker.shelf, "demo", "mlp")
    assert isinstance(kept, StoredStudy)
    assert kept.conclusion == conclusion
    assert len(kept.trials) == 2
    assert find_studies(worker.shelf, "demo", "hybrid") == []
    assert find_studies(worker.shelf, "casme2") == []
    assert read_study(worker.shelf.open(), worker.question.name) == kept


def test_importances_are_of_trials_of_the_space_and_the_same_every_time(make_worker: MakeWorker) -> None:
    worker = make_worker(OUTSIDE, trials=7, prune=False)
    list(worker.run())
    shares = parameter_importances(worker.shelf, worker.question.name)
    assert shares.keys() == SPACE.keys()
    assert sum(shares.values()) == pytest.approx(1)
    assert parameter_importances(worker.shelf, worker.question.name) == shares


def test_importances_of_few_trials_are_not_claimed(make_worker: MakeWorker) -> None:
    worker = make_worker(trials=2)
    list(worker.run())
    assert parameter_importances(worker.shelf, worker.question.name) == {}


def test_a_database_that_cannot_be_opened_is_said_to_be(root: Path) -> None:
    with pytest.raises(PipelineError, match=r"study\.storage nonsense cannot be opened"):
        StudyStorage(root, StudyConfig(storage="nonsense")).open()


@pytest.mark.parametrize(("storage", "name"), [("journal", "studies.journal"), ("sqlite", "studies.db")])
def test_studies_are_kept_below_mlruns(root: Path, storage: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ExperimentalWarning)
        StudyStorage(root, StudyConfig(storage=storage)).open()
    assert (root / "mlruns" / name).exists() or storage == "journal"
    assert Path(StudyStorage(root, StudyConfig(storage=storage)).url).name == name


def test_a_trial_0_that_was_interrupted_again_and_again_is_still_tried(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TrialRunner, "_train", interrupt)
        for _ in range(6):
            with pytest.raises(KeyboardInterrupt):
                list(make_worker().run())
    worker = make_worker()
    list(worker.run())
    trials = trials_of(worker)
    assert [one.state for one in trials if one.reference and one.state != "died"] == ["complete"]
    assert sum(one.state in ("complete", "pruned") for one in trials) == 6


def test_values_that_do_not_go_with_what_is_kept_are_a_failed_trial(make_worker: MakeWorker) -> None:
    worker = make_worker(space={"mixup": Real(-1.0, -0.5)})
    list(worker.run())
    states = [one.state for one in trials_of(worker)]
    assert states == ["complete"] + ["failed"] * 5


def test_a_damaged_journal_is_said_to_be(root: Path) -> None:
    (root / "mlruns").mkdir()
    (root / "mlruns/studies.journal").write_text("{no json\n{}\n")
    with pytest.raises(PipelineError, match="is damaged"):
        find_studies(StudyStorage(root, StudyConfig()), "demo")


def test_of_several_workers_one_that_dies_while_it_takes_a_trial_is_made_up_for(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("microfacial.tuning.optuna_study._MISSED_BEATS", 1)
    worker = make_worker(storage="sqlite", trials=2)
    study = worker._open()
    study.ask()  # trial 0, which no heartbeat ever told of
    list(worker.run())
    assert [one.state for one in trials_of(worker)] == ["died", "complete", "complete"]
    assert trials_of(worker)[2].reference or trials_of(worker)[1].reference
