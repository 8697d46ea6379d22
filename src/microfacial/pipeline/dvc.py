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

from microfacial.errors import PipelineError
from microfacial.locks import exclusive_lock
from microfacial.pipeline.project import STATE, Project
from microfacial.tracking.location import database_path, hide_password, is_served, store_uri
from microfacial.yaml_parser import parse_yaml

DATA = Path("data")
DEMO = DATA / "demo"
_RUNS = "#/experiments?workflowType=machine_learning"  # without it, the page opens on language models


def make_demo(processes: int) -> None:
    """Write the demo data into data/demo. The folder appears only when it is complete.

    Args:
        processes: number of processes that render frames.

    Raises:
        PipelineError: data/demo exists already.
    """
    from microfacial.datasets.synthetic.write import write_demo  # imports scikit-image, which few commands need

    with exclusive_lock(STATE / "demo.lock", "another process that writes the demo"):
        if DEMO.exists():
            raise PipelineError(f"{DEMO} exists already. Delete it first to write the demo again")
        scratch = STATE / "demo.part"  # names of data sets contain no dot
        shutil.rmtree(scratch, ignore_errors=True)  # remains of a killed run
        write_demo(scratch / "demo", processes=processes)
        DATA.mkdir(exist_ok=True)
        (scratch / "demo").replace(DEMO)
        scratch.rmdir()


def reproduce(project: Project, processes: int) -> None:
    """Check the data, then run `dvc repro`. A second run waits for the first.

    DVC inherits the lock. The lock is therefore held until DVC ends, even if this process is killed earlier.

    Args:
        project: the current project.
        processes: number of processes of each stage.

    Raises:
        PipelineError: data/ is not the version in data.dvc, or DVC failed.
    """
    with exclusive_lock(STATE / "repro.lock", "another `make repro`") as lock:
        if "demo" in project.clips.corpora and project.frames == DATA and not DEMO.exists():
            click.echo(f"{DEMO} does not exist: writing the demo data")
            make_demo(processes)
        check_data()
        remove_damaged_files()
        os.environ["MICROFACIAL_PROCESSES"] = str(processes)  # the stages that DVC starts read it
        if _run_dvc("repro", pass_fds=[lock]).returncode != 0:
            raise PipelineError("dvc repro stopped. The lines above give the reason. Repair it and run it again")


def check_data() -> None:
    """Refuse data that differs from data.dvc, because `dvc repro` would adopt it silently.

    Raises:
        PipelineError: data/ is missing or has changed, or DVC cannot compare it.
    """
    if not DATA.exists():
        raise PipelineError("data/ is missing. Fetch it with `dvc pull`, or put your corpus there (see README.md)")
    answer = _run_dvc("status", "--json", "data.dvc", capture_output=True, text=True)
    if answer.returncode != 0:
        raise PipelineError(f"dvc status failed: {answer.stderr.strip()}")
    if "modified" in _states(json.loads(answer.stdout)):
        raise PipelineError(
            "data/ is not the version in data.dvc. Run `dvc add data` if the change is intended, "
            "or restore the data with `dvc checkout data.dvc` (for the demo: delete data/demo)"
        )


def remove_damaged_files() -> None:
    """Remove files that DVC was writing when it was killed. DVC refuses a damaged file and replaces a missing file.

    Call it only while no DVC process runs in the project.
    """
    for path, parse in ((Path(".dvc/tmp/rwlock"), json.loads), (Path("dvc.lock"), _parse_lock)):
        if path.exists() and not _is_mapping(path, parse):
            click.echo(f"{path} is damaged, probably by a killed process. It is written again")
            path.unlink()


def show_runs(port: int) -> None:
    """Replace this process by MLflow's page on the project's runs. If a server has the runs, print its address.

    Args:
        port: port of the page on this machine.
    """
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
    os.execve(sys.executable, command, {**os.environ, **fast_start})


def _is_mapping(path: Path, parse: Callable[[str], Any]) -> bool:
    """Return whether a file contains a mapping."""
    try:
        return isinstance(parse(path.read_text(encoding="utf-8")), dict)
    except ValueError:
        return False


def _parse_lock(text: str) -> Any:
    """Parse dvc.lock, which DVC writes in any length."""
    return parse_yaml(text.encode(), max_bytes=None)


def _states(status: dict[str, list[dict[str, dict[str, str]]]]) -> set[str]:
    """Return DVC's words for the state of data/, such as `modified`, `deleted` or `not in cache`."""
    return {
        word for entries in status.values() for entry in entries for outs in entry.values() for word in outs.values()
    }


def _run_dvc(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run the DVC of this environment. Its stages find the `python` of this environment first on their path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, env={**os.environ, "PATH": path}, check=False, **options)
