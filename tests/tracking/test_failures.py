"""Each cause of a store that cannot be used has its own message and remedy."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from microfacial.errors import PipelineError
from microfacial.tracking.failures import describe_failure
from microfacial.tracking.location import database_path
from microfacial.tracking.store import connect, ensure_experiment

SERVER = "http://user:secret@127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("API request to endpoint /x failed with error code 401 != 200", "MLFLOW_TRACKING_USERNAME"),
        ("API request to endpoint /x failed with error code 403 != 200", "MLFLOW_TRACKING_TOKEN"),
        ("API request to endpoint /x failed with error code 404 != 200", "not an MLflow server"),
        ("API request to endpoint /x failed with error code 500 != 200", "log"),
        ("API request failed with exception HTTPConnectionPool", "Start it"),
    ],
)
def test_each_answer_of_a_server_has_its_own_remedy(text: str, remedy: str) -> None:
    message = describe_failure(SERVER, ValueError(text))
    assert remedy in message
    assert "127.0.0.1:1" in message
    assert "secret" not in message


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


def test_another_schema_version_gives_the_complete_command(root: Path) -> None:
    path = database_path(root)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(PipelineError, match=rf"mlflow db upgrade 'sqlite:///{path}'"):
        connect(root)


def test_a_deleted_experiment_is_refused_with_the_command_that_restores_it(root: Path) -> None:
    client = connect(root)
    number = ensure_experiment(client, "d", root)
    client.delete_experiment(number)
    with pytest.raises(PipelineError, match=rf"'d' was deleted.*restore -x {number}"):
        ensure_experiment(client, "d", root)
    client.restore_experiment(number)
    assert ensure_experiment(client, "d", root) == number
