"""MLflow's store: open it, and translate its errors."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from mlflow import MlflowClient

from microfacial.disk import is_writable
from microfacial.errors import PipelineError, hide_password
from microfacial.locks import exclusive_lock
from microfacial.tracking.database_faults import database_file, find_fault, find_reading_fault, try_database
from microfacial.tracking.failures import STORE_ERRORS, describe_failure
from microfacial.tracking.location import database_path, store_owner, store_uri
from microfacial.tracking.moved_store import correct_addresses

_LOG = logging.getLogger(__name__)

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is down is reported within seconds
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",  # a server on a busy machine needs tens of seconds for its first answer
}
_TRACEBACKS = "mlflow.store.db.utils"  # logger that prints the traceback of each error of a database


def connect(root: Path, *, reading: bool = False) -> MlflowClient:
    """Open the tracking store, and create it on first use. A lock ensures that only one process creates it.

    If the project was moved or copied, the addresses of artifacts in its own store are corrected first.

    Args:
        root: root folder of the project.
        reading: whether the command changes nothing. A user who may only read the store can then open it.

    Returns:
        A client of the store.

    Raises:
        PipelineError: the store cannot be opened.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger(_TRACEBACKS).setLevel(logging.CRITICAL)
    folder = store_owner(root) / "mlruns"
    uri = store_uri(root)
    _LOG.debug("opening MLflow's store, %s", hide_password(uri))
    try:
        if reading and not _may_write(folder, uri):
            return _open_to_read(root, uri)
        folder.mkdir(exist_ok=True)
        with exclusive_lock(folder / ".lock", "another process that opens MLflow's store"):
            path = database_file(uri)
            fault = find_fault(path) if path else ""  # MLflow would try for a minute
            if fault:
                raise PipelineError(f"MLflow's store {fault}")
            if "MLFLOW_TRACKING_URI" not in os.environ:
                _follow_project(root)
            return _open(uri)
    except STORE_ERRORS as error:
        raise PipelineError(describe_failure(uri, error)) from None


def _open(uri: str) -> MlflowClient:
    try_database(uri)
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def _may_write(folder: Path, uri: str) -> bool:
    """Return whether this user may write the lock in the project's folder of runs, and a database with its journal."""
    path = database_file(uri)
    places = (folder, folder / ".lock", *((path.parent, path) if path else ()))
    return all(is_writable(place) for place in places)


def _open_to_read(root: Path, uri: str) -> MlflowClient:
    """Open the store without a lock. SQLite opens a file that this user may not write for reading."""
    path = database_file(uri)
    fault = find_reading_fault(path) if path else ""
    if fault:
        raise PipelineError(f"MLflow's store {fault}")
    if "MLFLOW_TRACKING_URI" not in os.environ:
        former = correct_addresses(database_path(root), change=False)
        if former is not None:
            raise PipelineError(
                f"this project was moved or copied from {former}, and {database_path(root)} still names the artifacts "
                "there. A user who may write corrects it with `microfacial doctor`"
            )
    return _open(uri)


def _follow_project(root: Path) -> None:
    former = correct_addresses(database_path(root))
    if former is not None:
        click.echo(
            f"microfacial: this project was moved or copied from {former}. MLflow's store now names the artifacts in "
            f"{store_owner(root) / 'mlruns'}",
            err=True,
        )


@contextmanager
def mlflow_errors_as_pipeline_errors(root: Path = Path()) -> Iterator[None]:
    """Translate errors of MLflow's store in the context into an error with one line.

    Args:
        root: root folder of the project.

    Raises:
        PipelineError: MLflow's store failed. The message has the cause, the address and the remedy.
    """
    try:
        yield
    except STORE_ERRORS as error:
        raise PipelineError(describe_failure(store_uri(root), error)) from error
