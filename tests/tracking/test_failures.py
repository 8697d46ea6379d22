"""Each failure of MLflow's store has its own message and remedy, when the store is opened and later."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from requests import Response
from requests.exceptions import HTTPError

from microfacial.errors import PipelineError
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.failures import describe_failure
from microfacial.tracking.location import database_path
from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors

SERVER = "http://user:secret@127.0.0.1:1"
NOWHERE = "f" * 32


def http_error(code: int) -> HTTPError:
    response = Response()
    response.status_code = code
    return HTTPError(f"{code} of {SERVER}", response=response)


def refusal(**answer: str) -> MlflowException:
    return RestException(answer)  # type: ignore[no-untyped-call]


def status(code: int, body: str = "") -> MlflowException:
    text = f"API request to endpoint /x failed with error code {code} != 200. Response body: '{body}'"
    return MlflowException(text)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (status(401), "MLFLOW_TRACKING_USERNAME"),
        (status(403), "MLFLOW_TRACKING_TOKEN"),
        (status(403, "Invalid Host header - possible DNS rebinding attack detected"), "--allowed-hosts"),
        (status(407), "MLFLOW_TRACKING_USERNAME"),
        (status(404), "is not an MLflow server"),
        (status(429), "HTTP 429"),
        (status(500), "Read its log"),
        (http_error(403), "MLFLOW_TRACKING_TOKEN"),
        (http_error(502), "HTTP 502"),
        (MlflowException("API request to endpoint was successful, but it was not in a valid JSON format"), "HTTP 200"),
        (refusal(detail="Not Found"), "is not an MLflow server"),
        (refusal(error_code="INTERNAL_ERROR", message="out of paper"), "out of paper"),
        (MlflowException("API request failed with exception certificate verify failed"), "SERVER_CERT_PATH"),
        (MlflowException("Invalid url: http://:x/api"), "is not the address of a server"),
        (MlflowException("API request failed with exception HTTPConnectionPool"), "Start it"),
    ],
)
def test_each_answer_of_a_server_has_its_own_remedy(
    error: Exception, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    message = describe_failure(SERVER, error)
    assert remedy in message
    assert "127.0.0.1:1" in message
    assert "secret" not in message
    assert "\n" not in message


def test_a_remedy_names_the_variable_only_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert "MLFLOW_TRACKING_URI" not in describe_failure("sqlite:////tmp/none.db", MlflowException("strange"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////tmp/none.db")
    assert "MLFLOW_TRACKING_URI" in describe_failure("sqlite:////tmp/none.db", MlflowException("strange"))


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("mysql://127.0.0.1/none", "pip install 'mysqlclient'"),
        ("postgresql://127.0.0.1:9/none", "postgresql://127.0.0.1:9/none cannot be used"),
        ("127.0.0.1:5000", "begins with http://"),
        ("ftp://127.0.0.1/none", "ftp://127.0.0.1/none cannot be used"),
        ("sqlite:////no/such/store.db", "/no/such/store.db cannot be made"),
    ],
)
def test_an_address_that_leads_nowhere_is_named_with_its_remedy(
    root: Path, monkeypatch: pytest.MonkeyPatch, uri: str, fault: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(PipelineError, match=rf"{fault}.*MLFLOW_TRACKING_URI, or unset it") as caught:
        connect(root)
    assert "\n" not in str(caught.value)


def test_a_store_that_is_a_folder_is_refused_at_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}")
    start = time.monotonic()
    with pytest.raises(PipelineError, match=rf"{root} is a folder"):
        connect(root)
    assert time.monotonic() - start < 5


def test_a_damaged_store_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "other.db"
    path.write_bytes(b"no database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    with pytest.raises(PipelineError, match=rf"{path} is damaged.*microfacial sync"):
        connect(root)


@pytest.mark.parametrize(
    ("revision", "remedy"),
    [("90e64c465722", "mlflow db upgrade 'sqlite:///PATH'"), ("ffffffffffff", "Install the newer MLflow")],
)
def test_a_database_of_an_older_and_of_a_newer_mlflow_have_different_remedies(
    root: Path, revision: str, remedy: str
) -> None:
    path = database_path(root)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE alembic_version SET version_num = '{revision}'")
    with pytest.raises(PipelineError) as caught:
        connect(root)
    assert remedy.replace("PATH", str(path)).replace("'", "") in str(caught.value).replace("'", "")


def delete_run(client: MlflowClient, experiment: str) -> None:
    run = client.create_run(experiment).info.run_id
    client.delete_run(run)
    client.set_tag(run, "a", "b")


def delete_experiment(client: MlflowClient, experiment: str) -> None:
    client.delete_experiment(experiment)
    client.create_run(experiment)


def delete_version(client: MlflowClient, experiment: str) -> None:
    client.create_registered_model("m.s")
    client.set_registered_model_alias("m.s", "champion", "3")


@pytest.mark.parametrize(
    ("write", "fault"),
    [
        (delete_run, "was deleted in MLflow during this command.*mlflow runs restore --run-id"),
        (delete_experiment, "the experiment 1 was deleted.*mlflow experiments restore --experiment-id 1"),
        (delete_version, "version 3 of m.s was deleted.*microfacial register"),
        (lambda client, _: client.set_tag(NOWHERE, "a", "b"), f"{NOWHERE} was deleted permanently"),
        (lambda client, _: client.create_run("77"), "the experiment 77 was deleted permanently"),
        (lambda client, _: client.update_registered_model("m.s", "x"), "the registered model m.s was deleted"),
    ],
)
def test_an_object_that_is_deleted_during_a_command_is_named_with_its_remedy(
    root: Path, write: Callable[[MlflowClient, str], object], fault: str
) -> None:
    client = connect(root)
    experiment = ensure_experiment(client, "d", root)
    with pytest.raises(PipelineError, match=fault), mlflow_errors_as_pipeline_errors(root):
        write(client, experiment)


def test_an_error_after_opening_has_the_same_cause_and_no_traceback(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(root)
    run = client.create_run(ensure_experiment(client, "d", root)).info.run_id
    path = database_path(root)
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    with pytest.raises(PipelineError, match=rf"{path} is damaged") as caught, mlflow_errors_as_pipeline_errors(root):
        client.set_tag(run, "a", "b")
    assert "SELECT" not in str(caught.value)
    assert "Traceback" not in capsys.readouterr().err


def test_a_store_that_vanishes_during_a_command_is_named(root: Path) -> None:
    client = connect(root)
    run = client.create_run(ensure_experiment(client, "d", root)).info.run_id
    database_path(root).unlink()
    with (
        pytest.raises(PipelineError, match=rf"{database_path(root)} was deleted or moved"),
        mlflow_errors_as_pipeline_errors(root),
    ):
        client.set_tag(run, "a", "b")


def test_a_message_of_any_length_is_complete() -> None:
    reason = "because " * 100 + "of this"
    assert reason in describe_failure("sqlite:////tmp/none.db", MlflowException(reason))
