"""The work of a team on PostgreSQL, an S3-compatible store and an MLflow server, from a study to a colleague's clone.

The tests run in order, on one project. `make test-services` runs them.
"""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import yaml
from mlflow import MlflowClient
from optuna.trial import TrialState

import team_services
from processes import git
from team_services import BUCKETS, Services, find_missing_service, running_services

pytestmark = pytest.mark.services
TRIALS = 4
MODEL = "mlp"


def unused_ports() -> tuple[int, int, int]:
    """Return three different ports of this machine on which no program listens."""
    probes = [socket.socket() for _ in range(3)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    first, second, third = (int(probe.getsockname()[1]) for probe in probes)
    for probe in probes:
        probe.close()
    return first, second, third


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    """Start the services. Without their programs, all tests end at once with one line that names the remedy."""
    missing = find_missing_service()
    if missing:
        pytest.exit(f"make test-services: {missing}", returncode=2)
    with running_services(unused_ports()) as running:
        yield running


@pytest.fixture(scope="module")
def project(services: Services, flow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project of the team, with the flow of the tiny demo, and its remote in DVC."""
    project = tmp_path_factory.mktemp("team") / "project"
    shutil.copytree(flow_template, project, symlinks=True)
    content = yaml.safe_load((project / "params.yaml").read_text())
    content["models"] = {"majority": {}, MODEL: {"epochs": 5, "input_px": 14}}
    content["study"] = {
        "tuning_subjects": ["demo/sub01", "demo/sub02", "demo/sub03"],
        "inner_folds": 3,
        "trials": TRIALS,
        "startup_trials": 2,
        "storage": f"{services.postgres}/studies",
        "workers": 2,
        "heartbeat_seconds": 20,
    }
    (project / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    call(services, project, "dvc", "remote", "add", "--default", "team", f"s3://{BUCKETS[1]}/project")
    call(services, project, "dvc", "remote", "modify", "team", "endpointurl", services.s3)
    git(project, "commit", "--quiet", "--all", "--message", "Name the remote and the studies of the team")
    return project


def call(services: Services, folder: Path, *command: str) -> str:
    """Run a program of this environment as a member of the team. Return its output."""
    words = [sys.executable, "-m", command[0], *command[1:]]
    environment = {**services.environment, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=3000)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_program_that_is_not_installed_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team_services, "POSTGRES", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install postgresql" in find_missing_service()


def test_two_workers_share_the_trials_of_a_study(services: Services, project: Path) -> None:
    call(services, project, "microfacial", "study", MODEL, "--processes", "2")
    with services.connect("studies") as database:
        states = [row[0] for row in database.execute("SELECT state FROM trials ORDER BY number")]
        assert states == ["COMPLETE" if state != "PRUNED" else state for state in states]
        assert len(states) == TRIALS
        heartbeats = database.execute("SELECT count(*) FROM trial_heartbeats").fetchone()
        assert heartbeats is not None
        assert heartbeats[0] == TRIALS
    assert not (project / "mlruns" / "studies.journal").exists()
    (study,) = optuna.get_all_study_summaries(f"{services.postgres}/studies")
    assert study.study_name.startswith(f"tiny-{MODEL}-")
    trials = optuna.load_study(study_name=study.study_name, storage=f"{services.postgres}/studies").get_trials()
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}


def test_training_registers_and_promotes_a_champion_on_the_server(services: Services, project: Path) -> None:
    call(services, project, "dvc", "repro")
    call(services, project, "microfacial", "register", MODEL)
    call(services, project, "microfacial", "promote", "--bootstrap")
    version = MlflowClient(services.mlflow).get_model_version_by_alias("tiny.casme2-4", "champion")
    assert version.source is not None
    assert version.source.startswith(("mlflow-artifacts:", "models:"))
    assert [key for key in services.list_keys("mlflow") if key.endswith(".safetensors")]
    with services.connect("mlflow") as database:
        row = database.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone()
        assert row is not None
        assert int(str(row[0])) >= 2 + 2 * 4 + TRIALS  # two models with four folds each, and the trials
    assert not (project / "mlruns" / "mlflow.db").exists()


def test_a_clone_of_a_colleague_has_the_data_and_the_champion(services: Services, project: Path) -> None:
    call(services, project, "dvc", "push")
    assert any(key.startswith("project/files/md5/") for key in services.list_keys("dvc"))
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Train")
    clone = project.parent / "a clone"
    git(project.parent, "clone", "--quiet", str(project), str(clone))
    assert not (clone / "data").exists()
    call(services, clone, "dvc", "pull")
    for path in sorted((project / "data").rglob("*.jpg")):
        assert (clone / path.relative_to(project)).read_bytes() == path.read_bytes()
    assert "Running stage" not in call(services, clone, "dvc", "repro")

    frames = next(path.parent for path in sorted((clone / "data").rglob("*.jpg")))
    numbers = sorted(int(path.stem.removeprefix("reg_img")) for path in frames.glob("*.jpg"))
    moments = {"--onset": numbers[0], "--apex": numbers[len(numbers) // 2], "--offset": numbers[-1]}
    options = [word for name, number in moments.items() for word in (name, str(number))]
    answers = [
        json.loads(call(services, folder, "microfacial", "predict", str(frames), "--json", "--fps", "200", *options))
        for folder in (project, clone)
    ]
    assert answers[0]["probabilities"] == answers[1]["probabilities"]
    assert sum(answers[1]["probabilities"].values()) == pytest.approx(1)


def test_no_secret_is_in_a_file_of_the_project(services: Services, project: Path) -> None:
    password = Path(services.environment["PGPASSFILE"]).read_text().strip().rpartition(":")[2]
    for path in project.rglob("*"):
        if path.is_file() and path.stat().st_size < 1_000_000:
            assert password.encode() not in path.read_bytes(), path
