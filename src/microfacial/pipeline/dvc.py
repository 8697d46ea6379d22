"""Run the whole pipeline through DVC: one run at a time, on data whose version is known."""

from pathlib import Path

import click

from microfacial.errors import PipelineError
from microfacial.files import atomic_write
from microfacial.locks import exclusive_lock
from microfacial.pipeline.data_version import DATA, check_data, data_version, find_version_file, refuse_links
from microfacial.pipeline.dvc_locks import clear_locks
from microfacial.pipeline.early_dvc import RunDvc
from microfacial.pipeline.project import STATE, Project
from microfacial.pipeline.tools import reason, run_module

DEMO = DATA / "demo"


def make_demo(processes: int, folder: Path = DEMO) -> None:
    """Write the demo data into a folder. The folder appears only when it is complete.

    Args:
        processes: number of processes that render frames.
        folder: a new folder. In the project's data, no folder above it may be a link.

    Raises:
        PipelineError: the folder exists already, or data/ is a link.
    """
    from microfacial.datasets.synthetic.write import write_demo  # imports scikit-image, which few commands need

    if folder != DEMO:
        write_demo(folder, processes=processes)
        return
    with exclusive_lock(STATE / "demo.lock", "another process that writes the demo"):
        if DEMO.exists():
            raise PipelineError(f"{DEMO} exists already. Delete it first to write the demo again")
        refuse_links(DATA)
        with atomic_write(DEMO) as scratch:
            write_demo(scratch, processes=processes)


def _record_data() -> None:
    done = run_module("dvc", "add", "--quiet", str(DATA), capture_output=True)
    if done.returncode != 0:
        raise PipelineError(f"DVC cannot record {DATA}/: {reason(done.stderr)}. Repair it and run `dvc add {DATA}`")


def reproduce(project: Project, processes: int, run_dvc: RunDvc) -> None:
    """Check the data, then run `dvc repro`. A second run waits for the first.

    DVC inherits the lock. The lock is therefore held until DVC ends, even if this process is killed earlier.

    Args:
        project: the current project.
        processes: number of processes that render the demo if it is missing.
        run_dvc: runs `dvc repro`; see `early_dvc.start_dvc`.

    Raises:
        PipelineError: the data are not proven to be the version in data.dvc, they changed during the run, or DVC
            failed.
    """
    with exclusive_lock(STATE / "repro.lock", "another `microfacial repro`") as lock:
        if "demo" in project.clips.corpora and project.frames == DATA and not DEMO.exists():
            click.echo(f"{DEMO} does not exist: writing the demo data")
            make_demo(processes)
            if find_version_file(DATA) is None:  # the demo of a new project
                _record_data()
        click.echo(check_data(project.frames))
        version = data_version(project.frames)
        clear_locks()
        if run_dvc(lock) != 0:
            raise PipelineError("dvc repro stopped. The lines above give the reason. Repair it and run it again")
        if data_version(project.frames) != version:
            file = find_version_file(project.frames) or f"{project.frames}.dvc"
            raise PipelineError(
                f"{project.frames}/ was changed during the run, so some results belong to the old data and some to the "
                f"new data. Accept the new data with `dvc add {project.frames}`, or restore the old data with `git "
                f"checkout {file}` and `dvc checkout {file}`. Then run `microfacial repro` again"
            )
