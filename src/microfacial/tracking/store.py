"""MLflow's store: open it, find experiments, translate its errors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from microfacial.errors import PipelineError
from microfacial.locks import exclusive_lock
from microfacial.tracking.location import database_path, hide_password, is_served, local_address, store_owner, store_uri
from microfacial.tracking.moved_store import correct_addresses

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is down is reported within seconds
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # opens MLflow's page on the table of runs


def connect(root: Path) -> MlflowClient:
    """Open the tracking store, and create it on first use. A lock ensures that only one process creates it.

    If the project was moved or copied, the addresses of artifacts in its own store are corrected first.

    Args:
        root: root folder of the project.

    Returns:
        A client of the store.

    Raises:
        PipelineError: the store cannot be opened.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    folder = store_owner(root) / "mlruns"
    folder.mkdir(exist_ok=True)
    uri = store_uri(root)
    try:
        with exclusive_lock(folder / ".lock", "another process that opens MLflow's store"):
            if "MLFLOW_TRACKING_URI" not in os.environ:
                _follow_project(root)
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, ImportError) as error:  # MLflow does not translate errors of the database
        raise PipelineError(_reason(uri, error)) from None
    return client


def _follow_project(root: Path) -> None:
    former = correct_addresses(database_path(root))
    if former is not None:
        click.echo(
            f"microfacial: this project was moved or copied from {former}. MLflow's store now names the artifacts in "
            f"{store_owner(root) / 'mlruns'}",
            err=True,
        )


@contextmanager
def mlflow_errors_as_pipeline_errors() -> Iterator[None]:
    """Translate errors of MLflow in the context into an error with one line.

    Raises:
        PipelineError: MLflow failed.
    """
    try:
        yield
    except MlflowException as error:
        raise PipelineError(f"MLflow failed ({first_line(error)}). Repair it and run the command again") from error


def _reason(uri: str, error: Exception) -> str:
    kind, state = ("server", "does not answer") if is_served(uri) else ("store", "cannot be opened")
    place = hide_password(uri)
    return f"MLflow's {kind} {place} {state} ({first_line(error)}). Correct MLFLOW_TRACKING_URI, or start the server"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, without passwords and at most 160 characters long."""
    line = hide_password(str(error).strip().partition("\n")[0])
    return line if len(line) <= 160 else f"{line[:160]} …"


def ensure_experiment(client: MlflowClient, name: str, root: Path) -> str:
    """Return the id of an experiment, and create the experiment if it does not exist.

    Args:
        client: client of the store.
        name: name of the experiment.
        root: root folder of the project. Artifacts of a local store are written below it.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    local = client.tracking_uri.startswith("sqlite:")
    location = local_address(store_owner(root) / "mlruns" / "artifacts") if local else None
    try:
        return str(client.create_experiment(name, location, _EXPERIMENT_TAGS))
    except MlflowException:  # another process, such as a queued experiment, may have created it
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return str(experiment.experiment_id)
