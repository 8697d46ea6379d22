import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from microfacial.errors import PipelineError
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.store import connect

NAMES = ["a b", "a#b", "a?b", "a%20b", "100%", "a&b=c", "a'b", 'a"b', "ü 日本", "[x]", "a\nb"]


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a run, a logged model and a registered version, each with one file."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "project"
    (root / "mlruns").mkdir(parents=True)
    shutil.copy(empty_store, root / "mlruns")
    client = connect(root)
    experiment = ensure_experiment(client, "x", root)
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "run", "run.txt")
    model = client.create_logged_model(experiment, name="model")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "model.txt").write_text("model")
    client.log_model_artifacts(model.model_id, str(tmp_path / "files"))
    client.create_registered_model("m")
    client.create_model_version("m", source=model.artifact_location)
    client.create_experiment("elsewhere", "s3://bucket/mlruns/artifacts")
    return root


def list_addresses(root: Path) -> list[str]:
    """Return the addresses of the experiment, the run, the logged model and the registered version."""
    client = connect(root)
    experiment = client.get_experiment_by_name("x")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    (model,) = client.search_logged_models([experiment.experiment_id])
    version = client.get_model_version_download_uri("m", "1")
    return [experiment.artifact_location, str(run.info.artifact_uri), model.artifact_location, version]


def read_run_file(client: MlflowClient) -> str:
    experiment = client.get_experiment_by_name("x")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return Path(client.download_artifacts(run.info.run_id, "run.txt")).read_text()


def test_all_addresses_follow_a_moved_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert all(address.startswith(f"{project}/mlruns/artifacts") for address in list_addresses(project))
    assert capsys.readouterr().err == ""
    moved = project.rename(project.with_name("moved"))
    assert all(address.startswith(f"{moved}/mlruns/artifacts") for address in list_addresses(moved))
    assert f"moved or copied from {project}." in capsys.readouterr().err
    assert read_run_file(connect(moved)) == "run"
    assert capsys.readouterr().err == ""
    assert not project.exists()
    elsewhere = connect(moved).get_experiment_by_name("elsewhere")
    assert elsewhere is not None
    assert elsewhere.artifact_location == "s3://bucket/mlruns/artifacts"


def test_a_copy_does_not_write_into_the_original(project: Path) -> None:
    before = sorted(project.rglob("*"))
    copy = Path(shutil.copytree(project, project.with_name("copy")))
    client = connect(copy)
    client.log_text(client.create_run(ensure_experiment(client, "x", copy)).info.run_id, "new", "new.txt")
    assert len(list(copy.rglob("new.txt"))) == 1
    assert sorted(project.rglob("*")) == before
    assert all(address.startswith(f"{project}/mlruns/artifacts") for address in list_addresses(project))


def test_a_link_to_a_project_changes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = project.with_name("link")
    link.symlink_to(project)
    assert all(address.startswith(f"{project}/mlruns/artifacts") for address in list_addresses(link))
    assert capsys.readouterr().err == ""


def test_addresses_of_earlier_versions_are_corrected(project: Path) -> None:
    """They are URLs, such as file:///home/a%20b/mlruns/artifacts."""
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as database:
        database.execute("UPDATE experiments SET artifact_location = 'file:///a%20b/mlruns/artifacts' WHERE name = 'x'")
    assert list_addresses(project)[0] == f"{project}/mlruns/artifacts"


@pytest.mark.parametrize("name", NAMES)
def test_a_project_works_in_a_folder_with_any_name(project: Path, name: str) -> None:
    moved = project.rename(project.with_name(name))
    client = connect(moved)
    assert read_run_file(client) == "run"
    client.log_text(client.create_run(ensure_experiment(client, "x", moved)).info.run_id, "new", "new.txt")
    assert len(list(moved.rglob("new.txt"))) == 1


def test_a_folder_in_place_of_the_database_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "mlflow.db").mkdir(parents=True)
    with pytest.raises(PipelineError, match=r"mlflow\.db is a folder"):
        connect(tmp_path)


def test_a_damaged_database_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"no database" * 100)
    with pytest.raises(PipelineError, match=r"mlflow\.db is damaged \(file is not a database\).*microfacial sync"):
        connect(tmp_path)
