"""MLflow with a server, an outage, a clone and DVC's queue of experiments."""

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from mlflow_server import server, stop
from processes import ENVIRONMENT, dvc, execute, git, microfacial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_strays")]


def read_runs(uri: str) -> dict[tuple[str, str, str], Run]:
    """Return all runs of a store by model, fold ('' for the run of the model itself) and DVC experiment."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tiny · casme2-4")
    assert experiment is not None
    runs = list(client.search_runs([experiment.experiment_id], "tags.`microfacial.key` != ''"))
    names = ("microfacial.model", "microfacial.fold", "microfacial.dvc_exp")
    by_name = {tuple(run.data.tags.get(name, "") for name in names): run for run in runs}
    assert len(by_name) == len(runs)
    return {(model, fold, experiment): run for (model, fold, experiment), run in by_name.items()}


def assert_complete(uri: str, model: str) -> None:
    runs = {key: run for key, run in read_runs(uri).items() if key[0] == model}
    assert len(runs) == 1 + 4
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    (parent,) = (run for (_, fold, _), run in runs.items() if not fold)
    names = {item.path for item in MlflowClient(uri).list_artifacts(parent.info.run_id)}
    assert names == {"figures", "files", "folds.json", "predictions.json", "subjects.json"}
    assert parent.data.metrics["uf1"] >= 0


def train(project: Path, model: str, uri: str) -> "subprocess.CompletedProcess[str]":
    return execute(project, "env", f"MLFLOW_TRACKING_URI={uri}", sys.executable, "-m", "microfacial", "train", model)


def test_a_server_and_the_store_of_the_project_get_the_same_runs(flow_checkout: Path, unused_port: int) -> None:
    uri = f"http://127.0.0.1:{unused_port}"
    with server(flow_checkout.parent / "laboratory", unused_port):
        done = train(flow_checkout, "roi_cnn", uri)
        assert done.returncode == 0, done.stderr
        assert "microfacial:" not in done.stderr
        assert_complete(uri, "roi_cnn")
        served = {key: run.data for key, run in read_runs(uri).items()}
    assert not (flow_checkout / "mlruns" / "mlflow.db").exists()

    assert microfacial(flow_checkout, "sync").returncode == 0
    local = {key: run.data for key, run in read_runs(f"sqlite:///{flow_checkout / 'mlruns' / 'mlflow.db'}").items()}
    assert local.keys() == served.keys()
    for key, data in local.items():
        assert data.params == served[key].params
        assert data.metrics == pytest.approx(served[key].metrics, abs=1e-5)


def test_an_outage_of_the_server_prints_one_line_and_sync_writes_the_missing_runs(
    flow_checkout: Path, unused_port: int
) -> None:
    uri = f"http://127.0.0.1:{unused_port}"
    params = flow_checkout / "params.yaml"
    slow = "roi_cnn: {input_px: 64, encoder: conv, widths: [64, 64, 64, 64], epochs: 40, patience: 40}"
    lines = params.read_text().splitlines()
    params.write_text("\n".join(f"  {slow}" if line.strip().startswith("roi_cnn") else line for line in lines))
    laboratory = flow_checkout.parent / "laboratory"
    with server(laboratory, unused_port) as process:
        command = ("env", f"MLFLOW_TRACKING_URI={uri}", sys.executable, "-m", "microfacial", "train", "roi_cnn")
        with (flow_checkout / "run.log").open("wb") as log:
            training = subprocess.Popen(
                (*command, "--processes", "1"), cwd=flow_checkout, env=ENVIRONMENT, stdout=log, stderr=log
            )
        cache = flow_checkout / ".microfacial" / "tiny" / "folds" / "roi_cnn"
        end = time.monotonic() + 180
        while len(list(cache.rglob("*.npz"))) < 1:
            assert time.monotonic() < end, "timeout while waiting for a fold"
            time.sleep(0.05)
        time.sleep(1)
        stop(process)
        assert training.wait(300) == 0
    output = (flow_checkout / "run.log").read_text()
    assert output.count("microfacial: MLflow ") == 1, output
    assert output.count("`microfacial sync`") == 1
    assert "Traceback" not in output
    assert (flow_checkout / "results" / "tiny" / "train" / "roi_cnn" / "run.json").exists()

    with server(laboratory, unused_port):
        sync = ("env", f"MLFLOW_TRACKING_URI={uri}", sys.executable, "-m", "microfacial", "sync")
        done = execute(flow_checkout, *sync)
        assert done.returncode == 0, done.stderr
        assert "sync: tiny/roi_cnn: scores and" in done.stdout
        assert_complete(uri, "roi_cnn")
        assert "sync: nothing to write: 1 model" in execute(flow_checkout, *sync).stdout


def test_sync_writes_the_results_of_a_clone_that_pulled_them_with_dvc(finished_checkout: Path) -> None:
    """The clone has the files of git and of DVC's remote, and no state of the machine that trained."""
    remote = finished_checkout.parent / "remote"
    assert dvc(finished_checkout, "remote", "add", "--default", "storage", str(remote)).returncode == 0
    git(finished_checkout, "commit", "--quiet", "--all", "--message", "Name the remote")
    assert dvc(finished_checkout, "push").returncode == 0
    clone = finished_checkout.parent / "another clone"
    git(finished_checkout.parent, "clone", "--quiet", str(finished_checkout), str(clone))
    done = dvc(clone, "pull")
    assert done.returncode == 0, done.stderr
    assert not (clone / ".microfacial").exists()

    done = microfacial(clone, "sync")
    assert done.returncode == 0, done.stderr
    assert "sync: 3 of 3 models in results/ written" in done.stdout
    uri = f"sqlite:///{clone / 'mlruns' / 'mlflow.db'}"
    for model in ("majority", "linear_svm", "roi_cnn"):
        assert_complete(uri, model)
    parent = read_runs(uri)["roi_cnn", "", ""]
    assert parent.data.tags["microfacial.git_commit"] == "unknown"
    assert git(clone, "status", "--porcelain") == ""


def test_an_experiment_in_the_queue_of_dvc_writes_into_the_store_of_the_project(finished_checkout: Path) -> None:
    change = ("--set-param", "models.linear_svm.input_px=12")
    done = dvc(finished_checkout, "exp", "run", "--queue", "--name", "smaller", *change)
    assert done.returncode == 0, done.stderr
    done = dvc(finished_checkout, "exp", "run", "--run-all")
    assert done.returncode == 0, done.stdout + done.stderr

    runs = read_runs(f"sqlite:///{finished_checkout / 'mlruns' / 'mlflow.db'}")
    folds = [run for (model, fold, name), run in runs.items() if (model, name) == ("linear_svm", "smaller") and fold]
    parent = runs["linear_svm", "", "smaller"]
    assert parent.data.params["input_px"] == "12"
    assert parent.info.status == "FINISHED"
    assert {run.data.tags["mlflow.parentRunId"] for run in folds} == {parent.info.run_id}
    assert len(folds) == 4
    assert runs["linear_svm", "", ""].data.params["input_px"] == "14"
    artifact = Path(unquote(str(parent.info.artifact_uri).removeprefix("file://"))) / "predictions.json"
    assert artifact.is_relative_to(finished_checkout / "mlruns")
    assert artifact.exists()
    assert not list((finished_checkout / ".dvc" / "tmp" / "exps").rglob("mlflow.db"))
