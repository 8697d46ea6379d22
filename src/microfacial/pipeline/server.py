"""MLflow's page on the runs of a project."""

import os
import sys
from pathlib import Path

import click

from microfacial.pipeline.extras import require_extras
from microfacial.tracking.location import database_path, hide_password, is_served, store_uri
from microfacial.workers import guard_children

_RUNS = "#/experiments?workflowType=machine_learning"  # without it, the page opens on language models


def show_runs(port: int) -> None:
    """Replace this process by MLflow's page on the project's runs. If a server has the runs, print its address.

    Args:
        port: port of the page on this machine.
    """
    require_extras("mlflow")
    uri = store_uri(Path())
    if is_served(uri):
        click.echo(f"MLflow's page is at {hide_password(uri)}")
        return
    if not database_path(Path()).exists():
        from microfacial.tracking.store import connect  # imports MLflow, which takes seconds

        connect(Path())
    fast_start = {
        "MLFLOW_WORKERS": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port)]
    click.echo(f"http://127.0.0.1:{port}/{_RUNS} (starts in a few seconds, Ctrl-C stops it)")
    sys.stdout.flush()
    guard_children()
    os.execve(sys.executable, command, {**os.environ, **fast_start})
