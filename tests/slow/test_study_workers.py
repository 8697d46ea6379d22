"""Studies with several workers, killed workers, and the use of the results."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import yaml
from mlflow import MlflowClient
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from processes import ENVIRONMENT, dvc, find_descendants, microfacial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_strays")]
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
TRIALS = 8


@pytest.fixture
def project(flow_checkout: Path) -> Path:
    """Return a project with computed flow, and settings of a study whose trials take about a second."""
    set_params(
        flow_checkout,
        models={"majority": {}, "mlp": {"epochs": 400, "input_px": 14, "flip": False, "test_time_flip": False}},
        study={
            "tuning_subjects": ["demo/sub01", "demo/sub02", "demo/sub03"],
            "inner_folds": 3,
            "trials": TRIALS,
            "startup_trials": 3,
            "fixed_parameters": ["epochs", "input_px"],
            "heartbeat_seconds": 1,
        },
    )
    return flow_checkout


def set_params(project: Path, **changes: dict[str, Any]) -> None:
    params = project / "params.yaml"
    content = yaml.safe_load(params.read_text())
    for section, keys in changes.items():
        content[section] = keys if section == "models" else {**content.get(section, {}), **keys}
    params.write_text(yaml.safe_dump(content, sort_keys=False))


def start(project: Path, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "microfacial", "study", "mlp", "--processes", "1", *options]
    log = (project / "study.log").open("ab")
    return subprocess.Popen(command, cwd=project, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True)


def read_trials(project: Path, storage: str = "journal") -> list[FrozenTrial]:
    """Return the trials of the only study.

    The result is empty until the first trial is printed, because opening the database would disturb its creation.
    """
    mlruns, log = project / "mlruns", project / "study.log"
    if not log.exists() or ": trial 0, " not in log.read_text():
        return []
    opened: Any = (
        f"sqlite:///{mlruns / 'studies.db'}"
        if storage == "sqlite"
        else optuna.storages.JournalStorage(JournalFileBackend(str(mlruns / "studies.journal")))
    )
    (name,) = optuna.get_all_study_names(opened)
    return optuna.load_study(study_name=name, storage=opened).get_trials()


def count(project: Path, storage: str, *states: TrialState) -> int:
    return sum(trial.state in states for trial in read_trials(project, storage))


def wait_for(condition: Callable[[], bool], event: str, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"timeout while waiting for {event}"
        time.sleep(0.1)


def list_run_names(project: Path) -> list[str]:
    """Return the names of the trials' runs in MLflow."""
    client = MlflowClient(f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny · casme2-4 · studies")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`microfacial.role` = 'trial'")
    return sorted(str(run.info.run_name) for run in runs)


def additional_worker_of(run: "subprocess.Popen[bytes]") -> psutil.Process:
    return find_descendants(run.pid, "--no-conclusion")[0]


def test_two_workers_run_every_trial_once(project: Path) -> None:
    set_params(project, study={"storage": "sqlite", "workers": 2})
    run = start(project)
    assert run.wait(600) == 0, (project / "study.log").read_text()
    all_trials = read_trials(project, "sqlite")
    assert [trial.number for trial in all_trials] == list(range(TRIALS))
    assert {trial.state for trial in all_trials} <= set(DONE)
    settings = [trial.user_attrs["settings"] for trial in all_trials]
    assert all(settings.count(each) == 1 for each in settings)
    assert list_run_names(project) == [f"trial {number}" for number in range(TRIALS)]
    log = (project / "study.log").read_text()
    assert all(f": trial {number}, " in log for number in range(TRIALS))


def test_if_one_of_two_workers_is_killed_the_other_runs_its_trial_again(project: Path) -> None:
    set_params(project, study={"storage": "sqlite"})
    run = start(project, "--workers", "2")
    wait_for(
        lambda: count(project, "sqlite", TrialState.RUNNING) == 2 and count(project, "sqlite", *DONE) > 1, "two workers"
    )
    additional_worker_of(run).kill()
    assert run.wait(600) == 0, (project / "study.log").read_text()
    all_trials = read_trials(project, "sqlite")
    assert sum(trial.state in DONE for trial in all_trials) == TRIALS
    dead = [trial for trial in all_trials if trial.state is TrialState.FAIL]
    assert [trial.system_attrs["failed_trial"] for trial in all_trials if "failed_trial" in trial.system_attrs] == [
        trial.number for trial in dead
    ]
    assert len(dead) <= 1  # zero if the worker was killed between two trials
    assert list_run_names(project) == sorted(f"trial {trial.number}" for trial in all_trials)
    assert "ended with code -9" in (project / "study.log").read_text()


def test_if_the_first_of_two_workers_is_killed_the_second_continues(project: Path) -> None:
    set_params(project, study={"storage": "sqlite"})
    first, second = start(project), start(project)
    wait_for(
        lambda: count(project, "sqlite", TrialState.RUNNING) == 2 and count(project, "sqlite", *DONE) > 1, "two workers"
    )
    first.kill()
    assert second.wait(600) == 0, (project / "study.log").read_text()
    assert count(project, "sqlite", *DONE) == TRIALS
    assert len(list_run_names(project)) == len(read_trials(project, "sqlite"))


def test_a_killed_study_continues_and_loses_no_finished_trial(project: Path, tmp_path: Path) -> None:
    run = start(project)
    wait_for(lambda: count(project, "journal", *DONE) >= 2, "two trials")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    before = [trial for trial in read_trials(project) if trial.state in DONE]
    assert 2 <= len(before) < TRIALS
    assert start(project).wait(600) == 0, (project / "study.log").read_text()
    after = read_trials(project)
    assert [trial for trial in after if trial.number in {finished.number for finished in before}] == before
    assert sum(trial.state in DONE for trial in after) == TRIALS
    assert list_run_names(project) == sorted(f"trial {trial.number}" for trial in after)


def test_applied_settings_train_only_that_model_again(project: Path) -> None:
    """Before `apply`, params.yaml has settings that no trial has, so any winner changes them."""
    mlp = {"epochs": 20, "input_px": 14, "flip": False, "test_time_flip": False}
    set_params(project, models={"majority": {}, "mlp": {**mlp, "learning_rate": 0.002}}, study={"trials": 2})
    assert start(project).wait(600) == 0, (project / "study.log").read_text()
    set_params(project, models={"majority": {}, "mlp": {**mlp, "learning_rate": 0.5}})
    assert dvc(project, "repro").returncode == 0
    done = microfacial(project, "study", "apply", "mlp", "--force")  # trial 0 may be the best
    assert done.returncode == 0, done.stderr
    assert "-    learning_rate: 0.5" in done.stdout
    again = dvc(project, "repro")
    assert again.returncode == 0, again.stderr
    ran = [line.split("'")[1] for line in again.stdout.splitlines() if line.startswith("Running stage")]
    assert ran == ["train@mlp", "report"]


@pytest.mark.parametrize(("storage", "name"), [("journal", "studies.journal"), ("sqlite", "studies.db")])
def test_the_dashboard_opens_the_storage(project: Path, unused_port: int, storage: str, name: str) -> None:
    set_params(project, study={"storage": storage, "trials": 2})
    assert start(project).wait(600) == 0
    location = f"mlruns/{name}" if storage == "journal" else f"sqlite:///mlruns/{name}"
    command = [str(Path(sys.executable).parent / "optuna-dashboard"), location, "--port", str(unused_port)]
    with (project / "dashboard.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=project, stdout=log, stderr=log)
    try:
        answer = b""
        for _ in range(60):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{unused_port}/api/studies", timeout=10) as page:
                    answer = page.read()
                break
            except OSError:
                time.sleep(0.5)
        assert b"tiny-mlp-" in answer
    finally:
        server.terminate()
        server.wait(30)
