"""MLflow's store: where it is, how it is opened, which experiment a data set has."""

import os
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from microfacial.errors import PipelineError
from microfacial.locks import alone

_QUIET_AND_QUICK = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is down is said to be, within seconds
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def store_uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI, or the project's own database by its absolute path."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root.resolve() / 'mlruns' / 'mlflow.db'}"


def connect(root: Path) -> MlflowClient:
    """Open the tracking store, made on first use; only one process makes it.

    Raises:
        PipelineError: the store cannot be opened.
    """
    for name, value in _QUIET_AND_QUICK.items():
        os.environ.setdefault(name, value)
    (root / "mlruns").mkdir(exist_ok=True)
    uri = store_uri(root)
    try:
        with alone(root / "mlruns" / ".lock", "another process that opens MLflow's store"):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
    except (MlflowException, ImportError) as error:
        raise PipelineError(f"MLflow's store {uri} cannot be opened ({error}). Correct MLFLOW_TRACKING_URI") from None
    return client


def ensure_experiment(client: MlflowClient, name: str, root: Path) -> str:
    """Id of the experiment of a name, made if it is not there; local artifacts lie below the project."""
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    local = client.tracking_uri.startswith("sqlite:")
    location = (root.resolve() / "mlruns" / "artifacts").as_uri() if local else None
    return str(client.create_experiment(name, artifact_location=location))
