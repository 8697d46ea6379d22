"""Correct the addresses of artifacts in the database of a project that was moved or copied.

MLflow stores the absolute address of every artifact folder. After `mv project moved`, it would search and write in the
old place; in a copy, it would write into the original.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

from microfacial.errors import PipelineError
from microfacial.tracking.database_faults import LOCK_SECONDS, explain_database_error
from microfacial.tracking.location import local_address

_COLUMNS = (  # table, key, column with an address
    ("experiments", "experiment_id", "artifact_location"),
    ("runs", "run_uuid", "artifact_uri"),
    ("logged_models", "model_id", "artifact_location"),
    ("model_versions", "rowid", "source"),
    ("model_versions", "rowid", "storage_location"),
)
_OWN_FOLDER = re.compile(r"(.*)/mlruns(/artifacts(?:/.*)?)", re.DOTALL)  # in a project's own store


def correct_addresses(database: Path, *, change: bool = True) -> Path | None:
    """Let all addresses of a project's own artifacts name the folder where its database lies.

    All changes are made together or not at all. Addresses of servers and of other folders stay as they are.

    Args:
        database: `mlruns/mlflow.db` of the project, with an absolute path. It may be missing.
        change: whether to write. False only finds the former folder.

    Returns:
        The former folder of the project, or None if the addresses were right.

    Raises:
        PipelineError: the database cannot be read or changed.
    """
    if not database.exists():
        return None
    root, former = database.parent.parent, None
    try:
        with closing(sqlite3.connect(database, timeout=LOCK_SECONDS)) as connection, connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table, key, column in _COLUMNS:
                if table not in tables:  # the database is new, or an earlier version of MLflow wrote it
                    continue
                for row, address in connection.execute(f"SELECT {key}, {column} FROM {table}").fetchall():
                    moved = _move(address or "", root)
                    if moved is not None:
                        former = former or moved[0]
                    if moved is not None and change:
                        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (moved[1], row))
    except sqlite3.Error as error:
        fault = explain_database_error(database, str(error)) or f"{database} cannot be used ({error}). Restore it"
        raise PipelineError(f"MLflow's store {fault}") from None
    return former


def _move(address: str, root: Path) -> tuple[Path, str] | None:
    """Return the former root folder and the address below the present root, or None if the address is right."""
    parsed = urlparse(address)
    if parsed.scheme not in ("", "file"):
        return None
    parts = _OWN_FOLDER.fullmatch(unquote(parsed.path if parsed.scheme else address))
    if parts is None or Path(parts[1]) == root:
        return None
    return Path(parts[1]), local_address(Path(f"{root}/mlruns{parts[2]}"))
