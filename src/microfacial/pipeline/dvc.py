"""Run the whole pipeline through DVC: one run at a time, on data whose version is known."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml

from microfacial.errors import PipelineError
from microfacial.locks import exclusive_lock
from microfacial.pipeline.project import STATE, Project
from microfacial.tracking.location import database, is_served, store_uri, without_password

DATA = Path("data")
DEMO = DATA / "demo"
_RUNS = "#/experiments?workflowType=machine_learning"  # the page opens on language models otherwise


def make_demo(processes: int) -> None:
    """Write the demo data into data/demo, whole or not at all.

    Raises:
        PipelineError: it is there already.
    """
    from microfacial.datasets.synthetic.layouts import (  # loads the photograph's package only where it is needed
        write_demo,
    )

    with exclusive_lock(STATE / "demo.lock", "another process that writes the demo"):
        if DEMO.exists():
            raise PipelineError(f"{DEMO} exists. Delete it to have it written again")
        scratch = STATE / "demo.part"  # no data set has a dot in its name
        shutil.rmtree(scratch, ignore_errors=True)  # what a killed run left
        write_demo(scratch / "demo", processes=processes)
        DATA.mkdir(exist_ok=True)
        (scratch / "demo").replace(DEMO)
        scratch.rmdir()


def reproduce(project: Project, processes: int) -> None:
    """Make sure of the data, then run `dvc repro`. A second run waits for the first.

    DVC inherits the lock: it is held until DVC ends, even if this process is killed before.

    Raises:
        PipelineError: the data is not the version in data.dvc, or DVC failed.
    """
    with exclusive_lock(STATE / "repro.lock", "another `make repro`") as lock:
        if "demo" in project.clips.corpora and project.frames == DATA and not DEMO.exists():
            click.echo("data/demo is absent: writing the demo data")
            make_demo(processes)
        check_data()
        sweep_after_kill()
        os.environ["MICROFACIAL_PROCESSES"] = str(processes)  # for the stages that DVC starts
        if _dvc("repro", pass_fds=[lock]).returncode != 0:
            raise PipelineError("dvc repro stopped; the line above it says why. Mend that and run it again")


def check_data() -> None:
    """Refuse data that differs from data.dvc: `dvc repro` would adopt it without a word.

    Raises:
        PipelineError: data/ is missing or changed.
    """
    if not DATA.exists():
        raise PipelineError("data/ is missing. Fetch it with `dvc pull`, or put your corpus there (README)")
    answer = _dvc("status", "--json", "data.dvc", capture_output=True, text=True)
    if answer.returncode != 0:
        raise PipelineError(f"dvc status failed: {answer.stderr.strip()}")
    if "modified" in _states(json.loads(answer.stdout)):
        raise PipelineError(
            "data/ is not the version in data.dvc. Run `dvc add data` if the change is meant, "
            "or restore it (`dvc checkout data.dvc`; for the demo: delete data/demo)"
        )


def sweep_after_kill() -> None:
    """Remove a file that DVC was writing when it was killed; DVC refuses a cut one, and makes a missing one anew.

    Call it while no DVC runs.
    """
    for path, parse in ((Path(".dvc/tmp/rwlock"), json.loads), (Path("dvc.lock"), yaml.safe_load)):
        if path.exists() and not _holds_mapping(path, parse):
            click.echo(f"{path} is damaged, as a kill leaves it: it is made anew")
            path.unlink()


def show_runs(port: int) -> None:
    """Become MLflow's page on the project's runs, on a port of this machine; say where it is if a server has it."""
    uri = store_uri(Path())
    if is_served(uri):
        click.echo(f"MLflow's page is at {without_password(uri)}")
        return
    if not database(Path()).exists():
        from microfacial.tracking.store import connect  # imports MLflow, as the page does again

        connect(Path())
    quick = {"MLFLOW_WORKERS": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port)]
    click.echo(f"http://127.0.0.1:{port}/{_RUNS} (a few seconds to start; Ctrl-C ends it)")
    sys.stdout.flush()
    os.execve(sys.executable, command, {**os.environ, **quick})


def _holds_mapping(path: Path, parse: Callable[[str], Any]) -> bool:
    try:
        return isinstance(parse(path.read_text(encoding="utf-8")), dict)
    except (ValueError, yaml.YAMLError):
        return False


def _states(status: dict[str, list[dict[str, dict[str, str]]]]) -> set[str]:
    """The words DVC has for data/: modified, deleted, not in cache."""
    return {
        word for entries in status.values() for entry in entries for outs in entry.values() for word in outs.values()
    }


def _dvc(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run this environment's DVC, with its `python` first on the path that stages see."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, env={**os.environ, "PATH": path}, check=False, **options)
