"""MLflow's store: how it is opened, which experiment a data set has."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from microfacial.errors import PipelineError
from microfacial.locks import exclusive_lock
from microfacial.tracking.location import is_served, project_of, store_uri, without_password

_QUIET_AND_QUICK = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is down is said to be, within seconds
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_ON_TRAININGS = {"mlflow.experimentKind": "custom_model_development"}  # what MLflow's page asks before it shows columns


def connect(root: Path) -> MlflowClient:
    """Open the tracking store, made on first use; only one process makes it.

    Raises:
        PipelineError: the store cannot be opened.
    """
    for name, value in _QUIET_AND_QUICK.items():
        os.environ.setdefault(name, value)
    folder = project_of(root) / "mlruns"
    folder.mkdir(exist_ok=True)
    uri = store_uri(root)
    try:
        with exclusive_lock(folder / ".lock", "another process that opens MLflow's store"):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, ImportError) as error:  # MLflow passes on what opening a database raises
        raise PipelineError(_reason(uri, error)) from None
    return client


@contextmanager
def mlflow_errors_as_pipeline_errors() -> Iterator[None]:
    """Turn what MLflow raises into an error that the user can mend.

    Raises:
        PipelineError: MLflow failed.
    """
    try:
        yield
    except MlflowException as error:
        raise PipelineError(f"MLflow failed ({first_line(error)}). Mend it and run this again") from error


def _reason(uri: str, error: Exception) -> str:
    what, state = ("server", "does not answer") if is_served(uri) else ("store", "cannot be opened")
    place = without_password(uri)
    return f"MLflow's {what} {place} {state} ({first_line(error)}). Correct MLFLOW_TRACKING_URI, or start the server"


def first_line(error: Exception) -> str:
    """What MLflow says, without the pages that may follow."""
    line = without_password(str(error).strip().partition("\n")[0])
    return line if len(line) <= 160 else f"{line[:160]} …"


def ensure_experiment(client: MlflowClient, name: str, root: Path) -> str:
    """Id of the experiment of a name, made if it is not there; local artifacts lie below the project."""
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    local = client.tracking_uri.startswith("sqlite:")
    location = (project_of(root) / "mlruns" / "artifacts").as_uri() if local else None
    try:
        return str(client.create_experiment(name, location, _ON_TRAININGS))
    except MlflowException:  # another process, such as one of DVC's queue, may have made it meanwhile
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return str(experiment.experiment_id)
