"""Tasks on workers of dask: results equal local ones, killed workers and lost schedulers, and refused workers."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from distributed import LocalCluster
from joblib import delayed
from mlflow import MlflowClient

from microfacial.cluster import connect, dask_backend
from microfacial.cluster.connect import run_on_cluster
from microfacial.cluster.settings import RunConfig, SlurmConfig
from microfacial.cluster.worker_check import describe_here
from microfacial.errors import PipelineError
from microfacial.evaluation.folds import train_folds
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.models.lookup import Model
from microfacial.models.presets import resolve
from microfacial.records import Fitted, FoldResult, Samples, TrainingData
from microfacial.settings import Section
from microfacial.training.fit import Watch, fit
from microfacial.training.pretraining import Pretraining, pretrain
from microfacial.workers import make_parallel
from processes import ENVIRONMENT, find_descendants, microfacial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_strays")]

PACKAGES = {"numpy": "", "torch": ""}
LOCAL = RunConfig(backend="dask")
MLP = resolve("mlp", {"input_px": 16, "epochs": 3}, "models.mlp")
RESULT_FILES = ("predictions.csv", "folds.csv", "history.csv", "evaluation.json", "run.json", "settings.json")


@pytest.fixture
def pair(samples: Samples) -> Samples:
    """Return samples of one corpus, with six subjects."""
    return samples.take(np.arange(24))


def train(samples: Samples, fit: Callable[..., list[Fitted]] = fit) -> dict[str, FoldResult]:
    plans = plan_folds(samples, TrainConfig(protocol="loso", validation_folds=3))
    return {fold.plan.key: fold for fold in train_folds(samples, plans, "mlp", MLP, processes=1, fit=fit)}


def assert_equal(folds: dict[str, FoldResult], expected: dict[str, FoldResult]) -> None:
    assert folds.keys() == expected.keys()
    for key, fold in expected.items():
        assert folds[key].probabilities.tobytes() == fold.probabilities.tobytes()
        assert folds[key].history == fold.history


def kill_once(marker: Path) -> Callable[..., list[Fitted]]:
    """Return a function that fits like `fit`, and kills the first worker that calls it."""

    def fit_or_die(
        chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None
    ) -> list[Fitted]:
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return fit(chunk, model=model, settings=settings, watch=watch)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    return fit_or_die


@pytest.mark.parametrize("large_bytes", [1_000, 1_000_000])
def test_a_worker_killed_in_a_fold_changes_nothing(
    pair: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large_bytes: int
) -> None:
    """With the small limit the samples are an argument that workers share; with the large one every task has a copy."""
    monkeypatch.setattr(dask_backend, "_LARGE_BYTES", large_bytes)
    expected = train(pair)
    with run_on_cluster(LOCAL, 2, tmp_path, PACKAGES):
        folds = train(pair, kill_once(tmp_path / "killed"))
    assert (tmp_path / "killed").exists()
    assert_equal(folds, expected)


def test_a_task_that_ends_every_worker_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="memory"), run_on_cluster(LOCAL, 2, tmp_path, PACKAGES):
        make_parallel(1, return_as="list")([delayed(os._exit)(1)])


def test_a_worker_without_a_package_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="not_installed_here"), run_on_cluster(LOCAL, 1, tmp_path, PACKAGES):
        make_parallel(1, return_as="list")([delayed(import_module)("not_installed_here")])


def test_an_error_of_a_task_keeps_its_type_and_cancels_the_others(tmp_path: Path) -> None:
    with run_on_cluster(LOCAL, 2, tmp_path, PACKAGES):
        with pytest.raises(ZeroDivisionError):
            make_parallel(1, return_as="list")([delayed(divmod)(1, number) for number in (1, 0, 2)])
        assert make_parallel(1, return_as="list")([delayed(abs)(number) for number in (-1, -2)]) == [1, 2]


def test_a_cluster_on_this_machine_is_encrypted_and_listens_on_loopback_only(tmp_path: Path) -> None:
    with run_on_cluster(LOCAL, 2, tmp_path, PACKAGES):
        make_parallel(1, return_as="list")([delayed(abs)(-1)])
        me = psutil.Process()
        listening = [
            connection.laddr.ip
            for process in (me, *me.children(recursive=True))
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
    assert len(listening) >= 3
    assert {*listening} == {"127.0.0.1"}


def test_a_single_worker_runs_the_tasks_and_not_this_process(tmp_path: Path) -> None:
    with run_on_cluster(LOCAL, 1, tmp_path, PACKAGES):
        (process,) = make_parallel(1, return_as="list")([delayed(os.getpid)()])
    assert process != os.getpid()


def test_the_prior_of_a_worker_is_the_prior_of_this_process(tmp_path: Path) -> None:
    plan = Pretraining(steps=2, batch=32)
    with run_on_cluster(LOCAL, 1, tmp_path, PACKAGES):
        (prior,) = make_parallel(1, return_as="list")([delayed(pretrain)(plan)])
    for name, array in pretrain(plan).arrays.items():
        assert prior.arrays[name].tobytes() == array.tobytes()


# --- given schedulers -------------------------------------------------------------------------------------------------


@contextmanager
def scheduler(threads: int = 1) -> Iterator[str]:
    """Run a scheduler with one worker. Yield its address."""
    with LocalCluster(n_workers=1, threads_per_worker=threads, host="127.0.0.1", dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("case", ["threads", "code", "versions"])
def test_a_worker_whose_results_could_differ_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    described = describe_here(PACKAGES)
    wrong = {
        "threads": described,
        "code": replace(described, code="0" * 16),
        "versions": replace(described, versions=(("python", "2.7"), *described.versions[1:])),
    }
    monkeypatch.setattr(connect, "describe_here", lambda packages: wrong[case])
    message = {"threads": "--nthreads 1", "code": "same commit", "versions": r"instead of 2\.7"}
    with scheduler(threads=2 if case == "threads" else 1) as address:
        config = RunConfig(backend="dask", scheduler=address)
        with pytest.raises(PipelineError, match=message[case]), run_on_cluster(config, 1, tmp_path, PACKAGES):
            make_parallel(1, return_as="list")([delayed(abs)(-1)])


@pytest.mark.parametrize("case", ["workers", "scheduler", "certificates"])
def test_without_workers_or_scheduler_or_certificates_the_error_names_the_address(
    tmp_path: Path, unused_port: int, case: str
) -> None:
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as cluster:
        protocol = "tls" if case == "certificates" else "tcp"
        address = cluster.scheduler_address if case == "workers" else f"{protocol}://127.0.0.1:{unused_port}"
        config = RunConfig(backend="dask", scheduler=address, wait_minutes=0.05)
        with pytest.raises(PipelineError, match=address), run_on_cluster(config, 1, tmp_path, PACKAGES):
            make_parallel(1, return_as="list")([delayed(abs)(-1)])


def test_when_all_workers_have_left_the_command_ends(tmp_path: Path) -> None:
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        config = RunConfig(backend="dask", scheduler=cluster.scheduler_address, wait_minutes=0.05)
        with run_on_cluster(config, 1, tmp_path, PACKAGES):
            results = make_parallel(1)([delayed(abs)(-1), delayed(time.sleep)(3600)])
            assert next(iter(results)) == 1
            cluster.scale(0)
            with pytest.raises(PipelineError, match="no worker"):
                list(results)


# --- SLURM ------------------------------------------------------------------------------------------------------------

_SBATCH = """#!/bin/sh
echo "$@" >> {log}
cp "$1" {folder}/job.sh
setsid sh {folder}/job.sh > {folder}/job.out 2>&1 &
echo "$!"
"""
_SCANCEL = """#!/bin/sh
echo "scancel $@" >> {log}
kill -- "-$1"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put stand-ins for SLURM's commands into the path, which run a job at once on this machine. Return their log."""
    folder = tmp_path / "slurm commands"
    folder.mkdir()
    for name, text in (("sbatch", _SBATCH), ("scancel", _SCANCEL)):
        (folder / name).write_text(text.format(log=f"'{folder / 'log'}'", folder=f"'{folder}'"))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "log"


def test_slurm_jobs_run_the_tasks_and_are_cancelled(slurm: Path, pair: Samples, tmp_path: Path) -> None:
    jobs = SlurmConfig(
        jobs=1,
        processes=2,
        memory_gb=2.5,
        max_minutes=90,
        partition="short",
        interface="lo",
        directives=("--gres=gpu:1",),
        prologue=("export STARTED=yes",),
    )
    config = RunConfig(backend="dask", scheduler="slurm", slurm=jobs, wait_minutes=5)
    expected = train(pair)
    with run_on_cluster(config, 1, tmp_path / "state", PACKAGES):
        assert_equal(train(pair), expected)
        assert make_parallel(1, return_as="list")([delayed(os.getenv)("STARTED")]) == ["yes"]
    script = slurm.with_name("job.sh").read_text()
    for line in ("-p short", "--cpus-per-task=2", "-t 01:30:00", "--gres=gpu:1"):
        assert f"#SBATCH {line}" in script
    assert "--nthreads 1" in script
    assert "--nworkers 2" in script
    assert "scancel" in slurm.read_text()


def test_without_the_commands_of_slurm_the_error_names_the_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    config = RunConfig(backend="dask", scheduler="slurm")
    with pytest.raises(PipelineError, match="sbatch"), run_on_cluster(config, 1, tmp_path, PACKAGES):
        make_parallel(1, return_as="list")([delayed(abs)(-1)])


# --- the command line -------------------------------------------------------------------------------------------------


def set_run(project: Path, **run: object) -> None:
    params = project / "params.yaml"
    content = yaml.safe_load(params.read_text())
    content["models"]["roi_cnn"] |= {"epochs": 40, "patience": 40}
    params.write_text(yaml.safe_dump({**content, "run": run}, sort_keys=False))


def read_results(project: Path) -> dict[str, bytes]:
    folder = project / "results" / "tiny" / "train" / "roi_cnn"
    return {name: (folder / name).read_bytes() for name in RESULT_FILES if (folder / name).exists()}


def list_runs(project: Path) -> list[tuple[str, str]]:
    client = MlflowClient(f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    return sorted(
        (str(run.info.run_name), run.info.status)
        for experiment in client.search_experiments()
        for run in client.search_runs([experiment.experiment_id])
    )


def start(project: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "microfacial", *arguments]
    with (project / "run.log").open("wb") as log:
        return subprocess.Popen(command, cwd=project, env=ENVIRONMENT, stdout=log, stderr=log)


def wait_for(condition: Callable[[], bool], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def count_folds(project: Path) -> int:
    return len(list((project / ".microfacial" / "tiny" / "folds").rglob("*.npz")))


def find_workers(run: "subprocess.Popen[bytes]", busy_seconds: float = 0.0) -> list[psutil.Process]:
    return find_descendants(run.pid, "spawn_main", busy_seconds)


@pytest.fixture
def expected(flow_checkout: Path, tmp_path: Path) -> Path:
    """Return a copy of the project in which a local command trained the network."""
    copy = Path(shutil.copytree(flow_checkout, tmp_path / "local", symlinks=True))
    set_run(copy, backend="local")
    done = microfacial(copy, "train", "roi_cnn", "--processes", "2")
    assert done.returncode == 0, done.stderr
    return copy


def test_a_command_on_a_local_cluster_writes_the_same_files_though_a_worker_is_killed(
    flow_checkout: Path, expected: Path
) -> None:
    set_run(flow_checkout, backend="dask")
    run = start(flow_checkout, "train", "roi_cnn", "--processes", "2")
    wait_for(lambda: count_folds(flow_checkout) >= 1 or run.poll() is not None)
    for worker in find_workers(run)[:1]:
        worker.kill()
    assert run.wait(600) == 0, (flow_checkout / "run.log").read_text()
    assert read_results(flow_checkout) == read_results(expected)
    assert list_runs(flow_checkout) == list_runs(expected)


def test_flow_on_a_cluster_equals_local_flow(flow_checkout: Path) -> None:
    flow = flow_checkout / "results" / "tiny" / "flow"
    before = {path.name: path.read_bytes() for path in flow.iterdir()}
    shutil.rmtree(flow)
    shutil.rmtree(flow_checkout / ".microfacial", ignore_errors=True)
    set_run(flow_checkout, backend="dask")
    done = microfacial(flow_checkout, "flow", "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in flow.iterdir()} == before


def test_a_lost_scheduler_ends_with_one_line_and_the_next_run_continues(flow_checkout: Path, expected: Path) -> None:
    with scheduler() as address:
        set_run(flow_checkout, backend="dask", scheduler=address)
        run = start(flow_checkout, "train", "roi_cnn")
        wait_for(lambda: count_folds(flow_checkout) >= 1 or run.poll() is not None)
    assert run.wait(120) == 2
    *_, line = (flow_checkout / "run.log").read_text().splitlines()
    assert line.startswith("microfacial: the scheduler tcp://127.0.0.1:")
    assert "Traceback" not in (flow_checkout / "run.log").read_text()
    finished = count_folds(flow_checkout)
    assert 1 <= finished < 4
    set_run(flow_checkout, backend="local")
    done = microfacial(flow_checkout, "train", "roi_cnn", "--processes", "1")
    assert done.returncode == 0, done.stderr
    assert read_results(flow_checkout) == read_results(expected)
    assert list_runs(flow_checkout) == list_runs(expected)


def test_workers_of_a_killed_command_end(flow_checkout: Path) -> None:
    set_run(flow_checkout, backend="dask")
    params = flow_checkout / "params.yaml"
    params.write_text(params.read_text().replace(": 40\n", ": 5000\n"))
    run = start(flow_checkout, "train", "roi_cnn", "--processes", "2")
    wait_for(lambda: len(find_workers(run, busy_seconds=4)) == 2)
    descendants = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(descendants, timeout=30)
    assert alive == []


def test_the_trials_of_a_study_are_those_of_a_local_study(flow_checkout: Path, tmp_path: Path) -> None:
    study = {"tuning_subjects": ["demo/sub01", "demo/sub02", "demo/sub03"], "inner_folds": 3, "trials": 2}
    lines = []
    for backend in ("local", "dask"):
        project = Path(shutil.copytree(flow_checkout, tmp_path / backend, symlinks=True))
        content = yaml.safe_load((project / "params.yaml").read_text())
        content |= {"study": study, "run": {"backend": backend}, "models": {"mlp": {"epochs": 3, "input_px": 14}}}
        (project / "params.yaml").write_text(yaml.safe_dump(content))
        done = microfacial(project, "study", "mlp", "--processes", "1")
        assert done.returncode == 0, done.stderr
        scores = [line for line in done.stdout.splitlines() if "UF1" in line]
        lines.append([re.sub(r", (about .+ of work left|[0-9]+ s\b)", "", line) for line in scores])
    assert lines[0] == lines[1]
    assert lines[0]
