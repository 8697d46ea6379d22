import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard import get_note, save_note

from microfacial.errors import ConfigError
from microfacial.models.presets import resolve
from microfacial.tuning.candidates import Candidate
from microfacial.tuning.objective import InnerFolds
from microfacial.tuning.optuna_setup import make_sampler
from microfacial.tuning.optuna_study import PairedPruner, TrialRunner
from microfacial.tuning.search_space import Categorical, Float, Space
from microfacial.tuning.settings import StudyConfig
from microfacial.tuning.trials import Trial, choose_best

MakeRunner = Callable[..., TrialRunner]
BASE = {"epochs": 2, "flip": False, "test_time_flip": False, "input_px": 7}
PARAMS_YAML = Candidate("mlp", resolve("mlp", {**BASE, "hidden": 8}, "mlp"))
DIVERGES = {"learning_rate": 1e6, "weight_decay": 100.0, "epochs": 20, "warmup_epochs": 0}
OUTSIDE_OF_SPACE = Candidate("mlp", resolve("mlp", {**BASE, "hidden": 5}, "mlp"))


def trials_of(runner: TrialRunner) -> tuple[Trial, ...]:
    return runner.read().trials


def facts_of(trials: Iterator[Trial] | tuple[Trial, ...]) -> list[tuple[object, ...]]:
    """Return everything in a trial except its seconds."""
    return [(trial.number, trial.state, dict(trial.settings), dict(trial.scores), trial.value) for trial in trials]


def optuna_study(runner: TrialRunner) -> optuna.Study:
    return optuna.load_study(study_name=runner.spec.name, storage=runner.storage.open())


def test_trial_0_has_the_reference_settings_and_trial_1_those_of_params_yaml(make_runner: MakeRunner) -> None:
    champion = Candidate("linear_svm", resolve("linear_svm", {"input_px": 7, "inner_folds": 2}, "svm"))
    trials = list(make_runner(champion, trials=3).run())
    assert [trial.reference for trial in trials] == [True, False, False]
    assert (trials[0].model, trials[0].settings) == ("linear_svm", champion.settings.model_dump(mode="json"))
    assert (trials[1].model, trials[1].settings) == ("mlp", PARAMS_YAML.settings.model_dump(mode="json"))
    assert trials[2].settings["input_px"] == 7  # not in the space


def test_equal_settings_are_tried_once(make_runner: MakeRunner) -> None:
    """Without a champion, trial 0 has the settings of params.yaml."""
    trials = list(make_runner(trials=2).run())
    assert trials[0].settings == PARAMS_YAML.settings.model_dump(mode="json")
    assert trials[0].settings != trials[1].settings


def test_the_value_of_a_trial_is_the_uf1_over_its_inner_folds_as_scikit_learn_computes_it(
    make_runner: MakeRunner,
) -> None:
    from sklearn.metrics import f1_score

    runner = make_runner(trials=2)
    trial = next(runner.run())
    folds = [fold for chunk in runner.inner_folds.train(PARAMS_YAML, 0) for fold in chunk]
    truth = [label for fold in folds for label in fold.truth]
    predicted = [label for fold in folds for label in fold.predicted]
    assert trial.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert len(trial.scores) == 6


def test_a_study_that_is_stopped_several_times_has_the_same_trials_as_an_undisturbed_one(
    make_runner: MakeRunner, tmp_path: Path
) -> None:
    undisturbed = list(make_runner(root=tmp_path / "other", prune=False).run())
    for _ in range(3):
        run = make_runner(prune=False).run()
        next(run)
        next(run)
        run.close()  # type: ignore[attr-defined]
    assert list(make_runner(prune=False).run()) == []
    trials = trials_of(make_runner())
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4, 5]
    assert facts_of(trials) == facts_of(tuple(undisturbed))
    tried = [trial.settings for trial in trials]
    assert all(tried.count(settings) == 1 for settings in tried)


def test_more_trials_continue_a_finished_study(make_runner: MakeRunner) -> None:
    list(make_runner(trials=3).run())
    assert [trial.number for trial in make_runner(trials=5).run()] == [3, 4]


def test_a_trial_in_a_journal_runs_again_if_its_worker_died(make_runner: MakeRunner) -> None:
    runner = make_runner(trials=4)
    run = runner.run()
    next(run)
    run.close()  # type: ignore[attr-defined]
    dead = optuna_study(runner).ask()
    dead.suggest_float("dropout", 0.0, 0.7)
    list(make_runner(trials=4).run())
    trials = trials_of(runner)
    assert [trial.state for trial in trials if trial.number == dead.number] == ["died"]
    assert [trial.retry_of for trial in trials].count(dead.number) == 1
    assert sum(trial.state in ("complete", "pruned") for trial in trials) == 4
    (replacement,) = [trial for trial in trials if trial.retry_of == dead.number]
    assert replacement.params["dropout"] == dead.params["dropout"]


def test_an_interrupted_trial_runs_again(make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(InnerFolds, "train", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(make_runner(trials=3).run())
    trials = list(make_runner(trials=3).run())
    assert (trials[0].number, trials[0].retry_of, trials[0].reference) == (1, 0, True)
    assert len(trials) == 3


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_all_parameters_are_sampled_jointly_if_trial_0_is_outside_of_the_space(
    make_runner: MakeRunner, sampler: str
) -> None:
    runner = replace_config(make_runner(OUTSIDE_OF_SPACE, trials=5), sampler=sampler, startup_trials=2)
    list(runner.run())
    study = optuna_study(runner)
    assert study.trials[0].params == {}
    study.sampler = make_sampler(runner.inner_folds.config, 5)
    trial = study.ask()
    assert trial.relative_params.keys() == runner.spec.space.keys()


def test_the_gaussian_process_finds_a_better_value_than_its_random_trials() -> None:
    config = StudyConfig(sampler="gp", startup_trials=4)
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({})
    for number in range(12):
        study.sampler = make_sampler(config, number)
        study.optimize(lambda trial: -((trial.suggest_float("x", -5, 5) - 2) ** 2), n_trials=1)
    values = [trial.value or 0 for trial in study.trials]
    assert max(values[4:]) > max(values[:4])
    assert abs(study.best_params["x"] - 2) < 0.2
    study.sampler = make_sampler(config, 12)
    again = optuna.create_study(direction="maximize", sampler=make_sampler(config, 12))
    again.add_trials(study.trials)
    assert study.ask().suggest_float("x", -5, 5) == again.ask().suggest_float("x", -5, 5)  # a resumed study


def test_a_study_names_its_value_and_has_a_note(make_runner: MakeRunner) -> None:
    runner = make_runner(trials=2)
    list(runner.run())
    study = optuna_study(runner)
    assert study.metric_names == ["UF1"]
    note = get_note(study)
    assert note.startswith(f"# mlp on {runner.spec.facts['dataset']}\n")
    assert all(name in note for name in runner.spec.space)
    save_note(study, "my own words")
    list(replace_config(runner, trials=3).run())
    assert get_note(optuna_study(runner)) == "my own words"


def test_the_sampler_uses_trial_0_if_it_is_in_the_space(make_runner: MakeRunner) -> None:
    runner = make_runner(trials=2)
    list(runner.run())
    assert optuna_study(runner).trials[0].params == {"learning_rate": 1e-3, "dropout": 0.5, "hidden": 8}


def test_settings_that_cannot_be_trained_give_a_failed_trial_with_a_reason(make_runner: MakeRunner) -> None:
    space: Space = {key: Categorical((value,)) for key, value in DIVERGES.items()}
    trials = list(make_runner(space=space, trials=3).run())
    assert [trial.state for trial in trials] == ["complete", "failed", "failed"]
    assert "training diverged" in trials[1].reason


def test_a_trial_0_that_cannot_be_trained_ends_the_study(make_runner: MakeRunner) -> None:
    untrainable = Candidate("mlp", resolve("mlp", {**BASE, **DIVERGES}, "mlp"))
    with pytest.raises(ConfigError, match=r"trial 0 .*diverged"):
        list(make_runner(untrainable).run())


def test_clearly_worse_trials_are_stopped_and_never_chosen(make_runner: MakeRunner) -> None:
    good = Candidate("mlp", resolve("mlp", {**BASE, "epochs": 30, "learning_rate": 1e-2, "hidden": 8}, "mlp"))
    runner = make_runner(good, {"learning_rate": Float(1e-9, 2e-9)}, trials=4, repeats=3, inner_folds=6)
    list(runner.run())
    trials = trials_of(runner)
    stopped = [trial for trial in trials if trial.state == "pruned"]
    assert stopped
    assert all(5 <= len(trial.scores) < 18 for trial in stopped)
    assert all(trial.value is None for trial in stopped)
    best = choose_best(trials)
    assert best is not None
    assert best.state == "complete"
    list(replace_config(runner, prune=False, trials=6).run())
    assert [trial.state for trial in trials_of(runner)[4:]] == ["complete", "complete"]


def replace_config(runner: TrialRunner, **changes: Any) -> TrialRunner:
    config = runner.inner_folds.config.model_copy(update=changes)
    return replace(runner, inner_folds=replace(runner.inner_folds, config=config))


def test_the_pruner_compares_with_trial_0_and_not_with_the_best_trial() -> None:
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


def test_a_journal_has_one_worker_at_a_time(make_runner: MakeRunner) -> None:
    run = make_runner().run()
    next(run)
    other = f"""
import fcntl
with open({str(make_runner().storage.lock_path("demo-mlp-0.run"))!r}, "a") as stream:
    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""
    assert subprocess.run([sys.executable, "-c", other], capture_output=True, check=False).returncode != 0
    run.close()  # type: ignore[attr-defined]
    assert subprocess.run([sys.executable, "-c", other], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_a_trial_runs_again_if_the_heartbeats_of_its_worker_stop(make_runner: MakeRunner) -> None:
    settings: dict[str, Any] = {"storage": "sqlite", "trials": 3}
    runner = make_runner(**settings)
    run = runner.run()
    next(run)
    run.close()  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna_study(runner)
        dead = study.ask()
        study._storage.record_heartbeat(dead._trial_id)  # type: ignore[attr-defined]
    finished = list(make_runner(**settings).run())  # waits for six heartbeats
    assert [trial.retry_of for trial in finished].count(dead.number) == 1
    trials = trials_of(runner)
    assert sum(trial.state in ("complete", "pruned") for trial in trials) == 3
    assert trials[dead.number].state == "died"


def test_no_trial_starts_after_the_deadline(make_runner: MakeRunner) -> None:
    assert list(replace(make_runner(), deadline=0.0).run()) == []


def test_a_trial_0_that_was_interrupted_many_times_still_runs(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TrialRunner, "_train", interrupt)
        for _ in range(6):
            with pytest.raises(KeyboardInterrupt):
                list(make_runner().run())
    runner = make_runner()
    list(runner.run())
    trials = trials_of(runner)
    assert [trial.state for trial in trials if trial.reference and trial.state != "died"] == ["complete"]
    assert sum(trial.state in ("complete", "pruned") for trial in trials) == 6


def test_values_that_do_not_fit_the_fixed_settings_give_a_failed_trial(make_runner: MakeRunner) -> None:
    runner = make_runner(space={"mixup_alpha": Float(-1.0, -0.5)})
    list(runner.run())
    states = [trial.state for trial in trials_of(runner)]
    assert states == ["complete"] + ["failed"] * 5


@pytest.mark.slow
def test_a_trial_runs_again_if_its_worker_died_before_the_first_heartbeat(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("microfacial.tuning.optuna_storage._MISSED_HEARTBEATS", 1)
    runner = make_runner(storage="sqlite", trials=2)
    study = runner._open_study()
    study.ask()  # trial 0, without any heartbeat
    list(runner.run())
    assert [trial.state for trial in trials_of(runner)] == ["died", "complete", "complete"]
    assert trials_of(runner)[2].reference or trials_of(runner)[1].reference
