"""Find and describe faults of an SQLite database: each cause with its own remedy."""

import os
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path
from pwd import getpwuid

import click
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from microfacial.tracking.location import address_remedy

LOCK_SECONDS = 5.0
"""How long a command waits for another program that writes into the database."""
_SILENT_SECONDS = 0.5  # of the waiting time; MLflow's own writes are shorter
_ASIDE = (
    "move it to another place and run `microfacial sync`, which writes the runs of all results again. Registered "
    "versions are lost then"
)
_DATABASE_SERVERS = ("mssql", "mysql", "postgresql")  # that MLflow supports
_DAMAGED = ("malformed", "not a database", "no such table", "no such column")


def database_file(uri: str) -> Path | None:
    """Return the path of an SQLite database from its address, or None for another kind of store.

    Args:
        uri: address of a store. Its path may be a URI itself, such as `file:/x.db` with the option `mode=ro`.
    """
    try:
        url = make_url(uri)
    except (SQLAlchemyError, ValueError):
        return None
    if not url.drivername.startswith("sqlite") or not url.database or ":memory:" in url.database:
        return None
    return Path(url.database.removeprefix("file:"))


def try_database(uri: str) -> None:
    """Connect once to a database of another program, such as PostgreSQL. MLflow would try for two minutes.

    Args:
        uri: address of a store. Addresses of files and of MLflow servers are not tried.

    Raises:
        SQLAlchemyError: the database does not answer.
        ImportError: its driver is not installed.
    """
    if uri.startswith(_DATABASE_SERVERS):
        engine = create_engine(uri)
        with engine.connect():
            pass
        engine.dispose()


def find_fault(path: Path) -> str:
    """Return the fault of a database file with its remedy, or an empty text if it can be read and written.

    If another program writes into it, this function waits for at most `LOCK_SECONDS` and prints what it waits for.

    Args:
        path: the database. It may be missing.
    """
    if path.is_dir():
        return f"{path} is a folder, not a database. Move it to another place{address_remedy(', or ')}"
    if not path.parent.is_dir():
        return f"{path} cannot be made: its folder is missing. Make the folder{address_remedy(', or ')}"
    fault = _find_permission_fault(path)
    if fault or not path.exists():
        return fault
    try:
        try:
            _lock_once(path, _SILENT_SECONDS)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            click.echo(f"microfacial: waiting up to {LOCK_SECONDS:.0f} s for a program that uses {path}", err=True)
            _lock_once(path, LOCK_SECONDS - _SILENT_SECONDS)
    except sqlite3.Error as error:
        return explain_database_error(path, str(error)) or f"{path} cannot be used ({error}). Restore it, or {_ASIDE}"
    return ""


def find_reading_fault(path: Path) -> str:
    """Return why this user cannot read a database, with the remedy, or an empty text. Nothing is written.

    Args:
        path: the database.
    """
    if not path.exists():
        return (
            f"{path} does not exist, and this user may not make it. A user who may write runs `microfacial repro` first"
            f"{address_remedy(', or ')}"
        )
    fault = _find_permission_fault(path, reading=True)
    if fault:
        return fault
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        if path.with_name(f"{path.name}-journal").exists():  # a killed program left it, and SQLite must write to undo
            return f"{path} has unfinished changes. A user who may write repairs it with `microfacial doctor`"
        return explain_database_error(path, str(error)) or f"{path} cannot be used ({error}). Restore it, or {_ASIDE}"
    return ""


def explain_database_error(path: Path, reason: str) -> str:
    """Return the cause and remedy of an error of SQLite, or an empty text if the reason is of another kind.

    Args:
        path: the database. It may be missing.
        reason: message of SQLite, of SQLAlchemy or of MLflow.
    """
    if "database is locked" in reason or "table is locked" in reason:
        return f"{path} is locked by another program. Close programs that use it, and run the command again"
    if "readonly" in reason or "unable to open" in reason:
        if not path.exists():
            return f"{path} was deleted or moved during this command. Put it back, or run `microfacial sync`"
        return _find_permission_fault(path) or (
            f"{path} can only be read ({reason}). Permit writing{address_remedy(', or ')}"
        )
    if "disk is full" in reason:
        return f"{path} cannot grow, because its disk is full. Make room and run the command again"
    if "disk I/O error" in reason:
        return f"{path} cannot be read from its disk, or written to it ({reason}). Check the disk, or copy the project"
    if any(sign in reason for sign in _DAMAGED):
        return f"{path} is damaged ({reason}). Restore it from a copy, or {_ASIDE}"
    return ""


def _lock_once(path: Path, seconds: float) -> None:
    """Take and release the lock for writing. It fails if the database is damaged, locked or cannot be written."""
    with closing(sqlite3.connect(path, timeout=seconds)) as connection:
        connection.execute("PRAGMA schema_version").fetchall()  # reads the header; a check of all pages is slow
        connection.execute("BEGIN IMMEDIATE")
        connection.rollback()


def _find_permission_fault(path: Path, *, reading: bool = False) -> str:
    """Return why this user cannot use a database and its folder, where SQLite writes its journal."""
    write, w, use = (0, "", "read") if reading else (os.W_OK, "w", "read and written")
    for place, mode, letters in ((path.parent, os.R_OK | write | os.X_OK, f"r{w}x"), (path, os.R_OK | write, f"r{w}")):
        if not place.exists() or os.access(place, mode):
            continue
        if not reading and os.statvfs(place).f_flag & os.ST_RDONLY:
            return f"{path} lies on a file system that can only be read. Copy the project to another disk"
        owner = place.stat().st_uid
        if owner == os.geteuid():
            return f"{place} cannot be {use}. Run `chmod u+{letters} {shlex.quote(str(place))}`"
        return (
            f"{place} cannot be {use} by this user. It belongs to {_name_user(owner)}, who can permit it "
            f"with `chmod a+{letters} {shlex.quote(str(place))}`"
        )
    return ""


def _name_user(number: int) -> str:
    try:
        return getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
