"""MLflow's store: open it, find experiments, translate its errors."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from alembic.util.exc import CommandError
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from microfacial.errors import PipelineError
from microfacial.locks import exclusive_lock
from microfacial.tracking.failures import database_file, describe_failure, find_fault, first_line
from microfacial.tracking.location import database_path, hide_password, local_address, store_owner, store_uri
from microfacial.tracking.moved_store import correct_addresses

_LOG = logging.getLogger(__name__)

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
    _LOG.debug("opening MLflow's store, %s", hide_password(uri))
    try:
        with exclusive_lock(folder / ".lock", "another process that opens MLflow's store"):
            path = database_file(uri)
            fault = find_fault(path) if path else ""  # MLflow would try for a minute
            if fault:
                raise PipelineError(f"MLflow's store {fault}")
            if "MLFLOW_TRACKING_URI" not in os.environ:
                _follow_project(root)
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, CommandError, ImportError) as error:  # MLflow translates few errors
        raise PipelineError(describe_failure(uri, error)) from None
    return client


def _follow_project(root: Path) -> None:
    former = correct_addresses(database_path(root))
    if former is not None:
        click.echo(
            f"microfacial: this project was moved or copied from {former}. MLflow's store now names the artifacts in "
            f"{store_owner(root) / 'mlruns'}",
            err=True,
        )


def describe_store(client: MlflowClient, root: Path) -> str:
    """Return the number of experiments, and where runs and artifacts are stored.

    Args:
        client: client of the store.
        root: root folder of the project.
    """
    local = client.tracking_uri.startswith("sqlite:")
    artifacts = f", artifacts of new experiments in {store_owner(root) / 'mlruns' / 'artifacts'}" if local else ""
    count = len(client.search_experiments())
    return f"{count} experiments, runs in {hide_password(client.tracking_uri)}{artifacts}"


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


def ensure_experiment(client: MlflowClient, name: str, root: Path) -> str:
    """Return the id of an experiment, and create the experiment if it does not exist.

    Args:
        client: client of the store.
        name: name of the experiment.
        root: root folder of the project. Artifacts of a local store are written below it.

    Raises:
        PipelineError: the experiment was deleted.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        if experiment.lifecycle_stage != "active":
            raise PipelineError(
                f"the experiment {name!r} was deleted in MLflow. Restore it: MLFLOW_TRACKING_URI="
                f"'{hide_password(client.tracking_uri)}' mlflow experiments restore -x {experiment.experiment_id}"
            )
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
