"""Describe failures of MLflow's store in one line: the cause, the address, and the remedy for this cause."""

import os
import re
import shlex
from pathlib import Path

import mlflow.store.db_migrations
from alembic.util.exc import CommandError
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from microfacial.errors import PipelineError, hide_password
from microfacial.tracking.database_faults import database_file, explain_database_error, find_fault
from microfacial.tracking.location import address_remedy, is_served
from microfacial.tuning.settings import DATABASE_DRIVERS

STORE_ERRORS = (MlflowException, SQLAlchemyError, CommandError, RequestException, ImportError)
"""Errors that MLflow raises when its store fails. It translates only some errors of its libraries."""
WRITE_ERRORS = (*STORE_ERRORS, PipelineError, OSError)
"""Errors that stop the copy of results into MLflow, and not the training: also a full disk or a missing permission."""
_STATUS = re.compile(r"error code (\d{3})")  # in MLflow's messages on answers of a server
_FOUND_REVISION = re.compile(r"found version (\w+)|Can't locate revision identified by '(\w+)'")
_LIBRARY = re.compile(r"^\((?:\w+\.)+\w+\) ")  # SQLAlchemy puts the class of the error in front
_DELETED = (  # pattern of MLflow's message; our message, with the groups of the pattern
    (
        r"[Rr]un (\w+) must be in the 'active' state",
        "the run {0} was deleted in MLflow during this command. Run {restore}, and then the command again",
    ),
    (
        r"Run with id=(\w+) not found",
        "the run {0} was deleted permanently from MLflow during this command. Run the command again, which makes it",
    ),
    (
        r"No Experiment with id=(\d+)",
        "the experiment {0} was deleted permanently during this command. Run the command again, which makes it",
    ),
    (
        r"Model Version \(name=(.+?), version=(\d+)\) not found",
        "version {1} of {0} was deleted in MLflow. `microfacial lineage` lists the versions, and `microfacial register "
        "MODEL` makes a new one",
    ),
    (
        r"Registered Model with name=(\S+) not found",
        "the registered model {0} was deleted in MLflow. Run `microfacial register MODEL` with a trained model, which "
        "makes it again",
    ),
)
_TLS = ("certificate verify failed", "SSLError", "CERTIFICATE_VERIFY_FAILED")


def describe_failure(uri: str, error: Exception) -> str:
    """Return one line about a store that failed, when it was opened or later. It is never cut.

    Args:
        uri: address of the store. A password in it is not shown.
        error: one of `STORE_ERRORS`. An error of another class describes itself.
    """
    if not isinstance(error, STORE_ERRORS):
        return str(error)
    place, text = hide_password(uri), hide_password(str(error))
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = DATABASE_DRIVERS.get(error.name, error.name)
        return f"MLflow's store {place} needs a package. Run `pip install '{package}'`{address_remedy(', or ')}"
    deleted = _describe_deleted(uri, text)
    if deleted:
        return deleted
    if is_served(uri):
        return _describe_server(place, error, text)
    revision = _FOUND_REVISION.search(text)
    if revision:
        return _describe_revision(place, revision[1] or revision[2])
    return _describe_database(uri, _first_line(text))


def is_missing(error: Exception) -> bool:
    """Return whether an error means that an object or a file does not exist in a store that works.

    Args:
        error: the error.
    """
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return True
    code = getattr(error, "error_code", "")
    return code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND") or _status_of(error) == 404 or "No such" in str(error)


def restore_command(uri: str, arguments: str) -> str:
    """Return a command line that runs MLflow on a store, for a user's shell.

    Args:
        uri: address of the store. It is left out where MLFLOW_TRACKING_URI has it already.
        arguments: arguments of `mlflow`.
    """
    is_set = os.environ.get("MLFLOW_TRACKING_URI") == uri
    return f"`mlflow {arguments}`" if is_set else f"`MLFLOW_TRACKING_URI={shlex.quote(uri)} mlflow {arguments}`"


def describe_deleted_experiment(uri: str, number: str, name: str = "") -> str:
    """Return one line about an experiment that a user deleted, with the command that restores it.

    Args:
        uri: address of the store.
        number: id of the experiment.
        name: name of the experiment, or an empty text if it is unknown.
    """
    shown = repr(name) if name else number
    restore = restore_command(uri, f"experiments restore --experiment-id {number}")
    return f"the experiment {shown} was deleted in MLflow. Run {restore}, and then this command again"


def _describe_deleted(uri: str, text: str) -> str:
    """Return the message for an object that a user deleted during the command, or an empty text."""
    for pattern, message in _DELETED:
        match = re.search(pattern, text)
        if match:
            restore = restore_command(uri, f"runs restore --run-id {match[1]}")
            return message.format(*match.groups(), restore=restore)
    experiment = re.search(r"experiment (\d+) must be in the 'active' state", text)
    return describe_deleted_experiment(uri, experiment[1]) if experiment else ""


def _describe_revision(place: str, revision: str) -> str:
    known = (Path(next(iter(mlflow.store.db_migrations.__path__))) / "versions").glob(f"{revision}_*.py")
    if any(known):
        return (
            f"MLflow's store {place} was written by an older version of MLflow. Copy the database, then run "
            f"`mlflow db upgrade {shlex.quote(place)}`"
        )
    return (
        f"MLflow's store {place} was written by another version of MLflow, which this version does not know (revision "
        f"{revision}). Install the newer MLflow{address_remedy(', or ')}"
    )


def _describe_database(uri: str, reason: str) -> str:
    place, path = hide_password(uri), database_file(uri)
    if path is not None:
        fault = find_fault(path) or explain_database_error(path, reason)
        if fault:
            return f"MLflow's store {fault}"
        remedy = address_remedy() or f"Run the command again. If it fails again, move {path} to another place"
        return f"MLflow's store {place} cannot be used ({reason}). {remedy}"
    if "://" not in place:
        return (
            f"MLFLOW_TRACKING_URI is {place!r}, which is no address of a server or database. It begins with http://, "
            f"https://, sqlite:/// or postgresql://. {address_remedy()}"
        )
    return f"MLflow's store {place} cannot be used ({reason}). {address_remedy()}"


def _first_line(text: str) -> str:
    return _LIBRARY.sub("", text.strip().partition("\n")[0]).rstrip(".")


def _describe_server(place: str, error: Exception, text: str) -> str:
    status = _STATUS.search(text)
    code = int(status[1]) if status else _status_of(error)
    if "Invalid Host header" in text:
        return (
            f"MLflow's server {place} refuses this name of its machine. Start it with --allowed-hosts and this name"
            f"{address_remedy(', or ')}"
        )
    if code in (401, 403, 407):
        return (
            f"MLflow's server {place} refuses access (HTTP {code}). Set MLFLOW_TRACKING_USERNAME and "
            f"MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN{address_remedy(', or ')}"
        )
    answer = getattr(error, "json", None)  # of a RestException
    if isinstance(answer, dict) and "error_code" in answer:
        detail = _first_line(str(answer.get("message") or answer["error_code"]))
        return f"MLflow's server {place} refuses the request ({detail}). Read its log and repair it"
    if code == 429 or code >= 500:
        return f"MLflow's server {place} fails (HTTP {code}). Read its log and repair it{address_remedy(', or ')}"
    if code or isinstance(answer, dict) or "not in a valid JSON" in text:
        return f"{place} is not an MLflow server (HTTP {code or 200}). {address_remedy()}"
    if any(sign in text for sign in _TLS):
        return (
            f"the certificate of MLflow's server {place} is not trusted. Set MLFLOW_TRACKING_SERVER_CERT_PATH to the "
            f"file of its authority{address_remedy(', or ')}"
        )
    if "Invalid url" in text or "Failed to parse" in text or "No host" in text:
        return f"{place!r} is not the address of a server. {address_remedy()}"
    return f"MLflow's server {place} does not answer. Start it{address_remedy(', or ')}"


def _status_of(error: Exception) -> int:
    """Return the HTTP status of an error of `requests`, or 0."""
    return int(getattr(getattr(error, "response", None), "status_code", 0) or 0)
