"""MLflow's page on the runs of a project."""

import os
import sys
from pathlib import Path

import click

from microfacial.datasets import ClipsConfig
from microfacial.errors import hide_password
from microfacial.pipeline.extras import require_extras
from microfacial.tracking.location import is_served, store_uri
from microfacial.workers import guard_children


def show_runs(clips: ClipsConfig, port: int) -> None:
    """Print the addresses of tables of runs, and replace this process by MLflow's page. A server has a page already.

    Args:
        clips: the section `clips` of params.yaml.
        port: port of the page on this machine.

    Raises:
        PipelineError: the store cannot be used, or the experiment of the data set was deleted.
    """
    require_extras("mlflow")
    uri = store_uri(Path())
    page = hide_password(uri) if is_served(uri) else f"http://127.0.0.1:{port}"
    for view, address in list_views(clips, page).items():
        click.echo(f"{view:<10} {address}")
    if is_served(uri):
        return
    click.echo("MLflow's page starts in a few seconds, and Ctrl-C stops it. Each line is the address of a table")
    fast_start = {
        "MLFLOW_WORKERS": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port)]
    sys.stdout.flush()
    guard_children()
    os.execve(sys.executable, command, {**os.environ, **fast_start})


def list_views(clips: ClipsConfig, page: str) -> dict[str, str]:
    """Return the addresses of the tables of a data set by name, models first. Make its experiment if it is missing.

    Args:
        clips: the section `clips` of params.yaml.
        page: address of MLflow's page.
    """
    # These modules import MLflow, which takes seconds.
    from microfacial.tracking.experiments import ensure_experiment, find_experiment
    from microfacial.tracking.run_records import experiment_name
    from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors
    from microfacial.tracking.views import STUDY_VIEWS, TRAINING_VIEWS, UNIT_VIEWS, view_address

    first = experiment_name(clips.name, clips.scheme)
    experiments = {
        first: TRAINING_VIEWS,
        experiment_name(clips.name, clips.scheme, task="units"): UNIT_VIEWS,  # the first one, for the scheme `units`
        experiment_name(clips.name, clips.scheme, studies=True): STUDY_VIEWS,
    }
    addresses: dict[str, str] = {}
    with mlflow_errors_as_pipeline_errors(root := Path()):
        client = connect(root, reading=True)
        for name, views in experiments.items():
            if name == first or find_experiment(client, name) is not None:
                number = ensure_experiment(client, name, root)
                addresses.update({view: view_address(page, number, view) for view in views})
    return addresses
