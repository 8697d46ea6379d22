"""A killed run that is started again ends with the same results and trains no finished fold again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from fakes import ROOT
from processes import ENVIRONMENT, microfacial
from shared_folders import build_once

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_strays")]
SLOW_CNN = "roi_cnn: {input_px: 64, encoder: conv, widths: [64, 64, 64, 64], epochs: 40, patience: 40}"
RESULT_FILES = ("predictions.csv", "folds.csv", "history.csv", "evaluation.json")


def slow_down(project: Path) -> Path:
    """Choose settings with which the ROI CNN needs one or two seconds per fold. Remove the SVM, which takes time."""
    params = project / "params.yaml"
    lines = [line for line in params.read_text().splitlines() if not line.strip().startswith("linear_svm")]
    params.write_text("\n".join(f"  {SLOW_CNN}" if line.strip().startswith("roi_cnn") else line for line in lines))
    return project


@pytest.fixture
def project(flow_checkout: Path) -> Path:
    """Return a project with computed flow, whose trainings the tests kill."""
    return slow_down(flow_checkout)


@pytest.fixture(scope="session")
def undisturbed(flow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the results of a run that was not killed."""

    def build(root: Path) -> None:
        done = microfacial(slow_down(Path(shutil.copytree(flow_template, root, symlinks=True))), "repro")
        assert done.returncode == 0, done.stdout + done.stderr

    return build_once(tmp_path_factory, "undisturbed", build) / "results" / "tiny" / "train" / "roi_cnn"


def start(project: Path, *command: str) -> "subprocess.Popen[bytes]":
    log = (project / "run.log").open("ab")
    return subprocess.Popen(command, cwd=project, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True)


def wait_for(condition: Callable[[], bool], event: str, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"timeout while waiting for {event}"
        time.sleep(0.02)


def list_folds(project: Path) -> list[Path]:
    """Return the finished folds. A fold that is being written lies in a folder whose name starts with a dot."""
    return sorted((project / ".microfacial" / "tiny" / "folds" / "roi_cnn").glob("*/[!.]*.npz"))


def read_runs(project: Path) -> tuple[list[Run], list[Run]]:
    """Return MLflow's runs of the ROI CNN: the runs of the model, and the runs of its folds."""
    client = MlflowClient(f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny · casme2-4")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`microfacial.model` = 'roi_cnn'")
    models = [run for run in runs if run.data.tags["microfacial.role"] == "model"]
    return models, [run for run in runs if run not in models]


def assert_same_results(project: Path, undisturbed: Path) -> None:
    out = project / "results" / "tiny" / "train" / "roi_cnn"
    assert all((out / name).read_bytes() == (undisturbed / name).read_bytes() for name in RESULT_FILES)


def assert_one_finished_run(project: Path) -> None:
    models, nested = read_runs(project)
    assert [run.info.status for run in models] == ["FINISHED"]
    subjects = sorted(run.data.tags["microfacial.subject"] for run in nested)
    assert subjects == [f"demo/sub0{number}" for number in (1, 2, 3, 4)]
    assert {run.info.status for run in nested} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in nested} == {models[0].info.run_id}


@pytest.mark.parametrize("processes", ["1", "2"])
def test_killing_all_processes_between_folds_loses_no_finished_fold(
    project: Path, undisturbed: Path, processes: str
) -> None:
    run = start(project, sys.executable, "-m", "microfacial", "repro", "--processes", processes)
    wait_for(lambda: len(list_folds(project)) >= 1, "a fold")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    finished = {path: path.stat().st_mtime_ns for path in list_folds(project)}
    assert 1 <= len(finished) < 4

    done = microfacial(project, "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert_same_results(project, undisturbed)
    assert_one_finished_run(project)


def test_killing_all_processes_during_the_stage_flow_does_not_change_the_results(
    tiny_checkout: Path, undisturbed: Path
) -> None:
    project = slow_down(tiny_checkout)
    run = start(project, sys.executable, "-m", "microfacial", "repro", "--processes", "1")
    wait_for(
        lambda: any((project / ".microfacial" / "tiny" / "flow").rglob("[!.]*/[!.]*.npz")), "the first clip's flow"
    )
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    done = microfacial(project, "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "clips were finished by an earlier run" in done.stdout
    assert_same_results(project, undisturbed)
    assert_one_finished_run(project)


def test_after_only_make_was_killed_a_second_make_waits_for_the_first_run(project: Path, undisturbed: Path) -> None:
    (project / ".venv").symlink_to(sys.prefix)
    make = ("make", "--old-file", ".venv/installed", "repro")
    first = start(project, *make)
    wait_for(lambda: len(list_folds(project)) >= 1, "a fold")
    first.kill()
    first.wait()
    os.killpg(first.pid, signal.SIGSTOP)  # without a pause, the first run could end before the second starts
    log = project / "run.log"
    second = start(project, *make)
    wait_for(lambda: "another `microfacial repro`" in log.read_text(), "a second run that waits")
    os.killpg(first.pid, signal.SIGCONT)
    assert second.wait(600) == 0, log.read_text()
    assert_same_results(project, undisturbed)
    assert_one_finished_run(project)


def test_a_setting_changed_after_the_kill_reuses_no_old_fold(project: Path) -> None:
    run = start(project, sys.executable, "-m", "microfacial", "train", "roi_cnn", "--processes", "1")
    wait_for(lambda: len(list_folds(project)) >= 1, "a fold")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    old = {path.parent for path in list_folds(project)}
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 40", "epochs: 2"))
    done = microfacial(project, "train", "roi_cnn")
    assert done.returncode == 0, done.stdout + done.stderr
    new = {path.parent for path in list_folds(project)} - old
    assert [len(list(folder.iterdir())) for folder in new] == [4]
    evaluation = json.loads((project / "results/tiny/train/roi_cnn/evaluation.json").read_text())
    assert evaluation["overall"]["clips"] == 12
    history = (project / "results/tiny/train/roi_cnn/history.csv").read_text().splitlines()
    assert len(history) == 1 + 4 * 2


def test_a_demo_that_was_interrupted_by_a_kill_is_complete_after_the_next_run(tiny_checkout: Path) -> None:
    project = tiny_checkout
    shutil.rmtree(project / "data")
    run = start(project, sys.executable, "-m", "microfacial", "demo", "--processes", "1")
    wait_for(lambda: any((project / "data").rglob("reg_img*.jpg")), "the first frames")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (project / "data" / "demo").exists()
    done = microfacial(project, "demo")
    assert done.returncode == 0, done.stderr
    shutil.copy(ROOT / "data.dvc", project)
    again = microfacial(project, "doctor")
    assert "ok   data version" in again.stdout, again.stdout
