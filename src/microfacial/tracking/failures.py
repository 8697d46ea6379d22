"""Describe failures of MLflow's store in one line: the cause, the address, and the remedy for this cause."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from microfacial.tracking.location import hide_password, is_served

_LOCK_SECONDS = 60  # how long another program may write
_STATUS = re.compile(r"error code (\d{3})")  # in MLflow's messages on answers of a server
_SCHEMA = ("out-of-date database schema", "Can't locate revision")
_UNSET = "or unset MLFLOW_TRACKING_URI to use the project's own store"
_ASIDE = "move it to another place and run `microfacial sync`, which writes the runs of all results again"


def describe_failure(uri: str, error: Exception) -> str:
    """Return one line about a store that cannot be used. It is never cut.

    Args:
        uri: address of the store. A password in it is not shown.
        error: error of MLflow, SQLAlchemy or alembic.
    """
    place = hide_password(uri)
    text = hide_password(str(error))
    if is_served(uri):
        return _describe_server(place, text)
    if any(sign in text for sign in _SCHEMA):
        return (
            f"MLflow's store {place} was written by another version of MLflow. Copy the database, then run `mlflow db "
            f"upgrade '{place}'`. If that does not find the revision, install the newer MLflow that wrote it"
        )
    path = database_file(uri)
    fault = find_fault(path) if path else ""
    if fault:
        return f"MLflow's store {fault}"
    return f"MLflow's store {place} cannot be opened ({first_line(error)}). Correct MLFLOW_TRACKING_URI, {_UNSET}"


def database_file(uri: str) -> Path | None:
    """Return the path of an SQLite database from its address, or None for another kind of store."""
    try:
        url = make_url(uri)
    except (SQLAlchemyError, ValueError):
        return None
    return Path(url.database) if url.drivername.startswith("sqlite") and url.database else None


def find_fault(path: Path) -> str:
    """Return the fault of a database file with its remedy, or an empty text if it can be read and written.

    Args:
        path: the database. It may be missing.
    """
    if path.is_dir():
        return f"{path} is a folder, not a database. Move it to another place, or correct MLFLOW_TRACKING_URI"
    if not path.exists():
        return (
            "" if path.parent.is_dir() else f"{path} cannot be made: its folder is missing. Make the folder, {_UNSET}"
        )
    try:
        with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS)) as connection:
            connection.execute("PRAGMA schema_version").fetchall()  # reads the header; a check of all pages is slow
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        if "locked" in str(error):
            return f"{path} is locked by another program. Close programs that use it, and run the command again"
        if "readonly" in str(error) or "unable to open" in str(error):
            return f"{path} cannot be read and written by this user ({error}). Run `chmod u+rw '{path}'`"
        return f"{path} is damaged ({error}). Restore it from a copy, or {_ASIDE}"
    return ""


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, without passwords and at most 160 characters long."""
    line = hide_password(str(error).strip().partition("\n")[0])
    return line if len(line) <= 160 else f"{line[:160]} …"


def _describe_server(place: str, text: str) -> str:
    status = _STATUS.search(text)
    code = int(status[1]) if status else 0
    if code in (401, 403):
        return (
            f"MLflow's server {place} refuses access (HTTP {code}). Set MLFLOW_TRACKING_USERNAME and "
            f"MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, {_UNSET}"
        )
    if code >= 500:
        return f"MLflow's server {place} fails (HTTP {code}). Read its log and repair it, {_UNSET}"
    if code or "not valid json" in text.lower() or "<html" in text.lower() or "not in a valid JSON" in text:
        return f"{place} is not an MLflow server (HTTP {code or 200}). Correct MLFLOW_TRACKING_URI, {_UNSET}"
    return f"MLflow's server {place} does not answer. Start it, correct MLFLOW_TRACKING_URI, {_UNSET}"
