"""Locks and permissions are tested with real ones: a second connection, a read-only address, another user."""

import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest

from microfacial.errors import PipelineError
from microfacial.tracking import database_faults
from microfacial.tracking.database_faults import database_file, explain_database_error, find_fault
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.location import database_path
from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors

NOBODY = 65534


def find_fault_as_nobody(path: Path) -> str:
    """Return the fault that a user without rights finds. Root has all rights, so it becomes another user."""
    if os.geteuid() != 0:
        return find_fault(path)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(NOBODY)
        os.write(writer, json.dumps(find_fault(path)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return str(json.loads(text))


@pytest.fixture
def shared_database() -> Iterator[Path]:
    """Return a database in a folder that all users can enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    path = folder / "store.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    path.chmod(0o666)
    yield path
    shutil.rmtree(folder)


@pytest.mark.parametrize(("target", "mode"), [("store.db", 0o444), ("store.db", 0o000), (".", 0o555)])
def test_a_missing_permission_is_named_with_its_file(shared_database: Path, target: str, mode: int) -> None:
    assert find_fault_as_nobody(shared_database) == ""
    place = shared_database.parent / target
    place.chmod(mode)
    fault = find_fault_as_nobody(shared_database)
    place.chmod(0o777)
    assert fault.startswith(f"{place} cannot be read and written")
    assert str(place) in fault.partition("`chmod ")[2]


def test_the_owner_of_a_file_can_run_the_command_of_the_message(
    shared_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda place, _: place != shared_database)
    assert f"`chmod u+rw {shared_database}`" in find_fault(shared_database)


def test_another_owner_is_named(shared_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda place, _: place != shared_database)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    assert "It belongs to" in find_fault(shared_database)


def test_a_store_that_is_opened_for_reading_only_is_named_when_it_is_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)  # MLflow makes the folder "file:" in the working directory
    path = database_path(root)
    uri = f"sqlite:///file:{path}?mode=ro&uri=true"
    assert database_file(uri) == path
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = connect(root)
    with pytest.raises(PipelineError, match=rf"{path} can only be read"), mlflow_errors_as_pipeline_errors(root):
        ensure_experiment(client, "d", root)


def test_a_locked_database_is_refused_within_seconds_and_the_wait_is_announced(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert database_faults.LOCK_SECONDS <= 5
    monkeypatch.setattr(database_faults, "LOCK_SECONDS", 0.6)
    path, start = database_path(root), time.monotonic()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PipelineError, match=rf"{path} is locked"):
            connect(root)
    assert time.monotonic() - start < 3
    assert f"a program that uses {path}" in capsys.readouterr().err
    assert connect(root).tracking_uri.endswith(str(path))


def test_a_short_lock_is_waited_for(root: Path) -> None:
    with closing(sqlite3.connect(database_path(root), isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        timer = Timer(0.7, other.rollback)
        timer.start()
        assert find_fault(database_path(root)) == ""
        timer.join()


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("database or disk is full", "its disk is full"),
        ("disk I/O error", "Check the disk"),
        ("no such table: experiments", "is damaged"),
        ("attempt to write a readonly database", "can only be read"),
        ("something else", ""),
    ],
)
def test_each_error_of_sqlite_has_its_own_cause(root: Path, reason: str, cause: str) -> None:
    message = explain_database_error(database_path(root), reason)
    assert cause in message
    assert bool(message) == bool(cause)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:////a/b.db", Path("/a/b.db")),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("postgresql://h/x", None),
        ("nonsense", None),
    ],
)
def test_the_path_of_a_database_comes_from_its_address(uri: str, path: Path | None) -> None:
    assert database_file(uri) == path
