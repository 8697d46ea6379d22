"""The command line: one command a stage, and a few around them. Run from the project's root.

Commands import what they run when they run: torch and MLflow take seconds, and most commands need neither.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import click

from microfacial import __version__
from microfacial.errors import MicrofacialError, PipelineError
from microfacial.locks import exclusive_lock
from microfacial.pipeline.project import PARAMS, STATE, Project, open_project

_REFUSED = 1  # exit code where the rule refuses a challenger
_REPAIRABLE = 2  # exit code for what the user can repair


def _all_cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_processes = click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=_all_cores,
    envvar="MICROFACIAL_PROCESSES",
    show_default="all cores",
    help="Processes to use; they change the time, not the results.",
)


_fps = click.option(
    "--fps",
    type=click.FloatRange(min=0, min_open=True, max=100_000),
    help="Frames a second, where the files do not tell or tell how fast to play them.",
)


@click.group()
@click.version_option(__version__, prog_name="microfacial")
def main() -> None:
    """Micro-expression recognition, from raw face clips to a promoted model.

    The stages clips, faces, flow, train and report are run by DVC (`dvc repro`); each is a command of its own too.
    Run from the project's root, where params.yaml is.
    """


@main.command()
def clips() -> None:
    """Stage 1: annotations and frames to clips.csv."""
    from microfacial.pipeline.stages import clips

    with _stage() as project:
        clips.run_clips(project)


@main.command()
def faces() -> None:
    """Stage 2: place the face of every clip."""
    from microfacial.pipeline.stages import faces

    with _stage() as project:
        faces.run_faces(project)


@main.command()
@click.option(
    "--contact-sheet",
    metavar="[FOLDER]",
    is_flag=False,
    flag_value="",
    help="Draw what the pipeline has built instead: PNG pages of crops, regions, flow and strain, into FOLDER "
    "(contact-sheets/<data set>/ if none is named). Pages show faces, so except for the demo's they are only "
    "written where git ignores them.",
)
@click.option("--clip", "clip_ids", metavar="ID", multiple=True, help="Draw this clip only; may be given repeatedly.")
@_processes
def flow(contact_sheet: str | None, clip_ids: tuple[str, ...], processes: int) -> None:
    """Stage 3: optical flow of every clip."""
    from microfacial.pipeline.commands import flow_sheet
    from microfacial.pipeline.stages import flow

    if contact_sheet is not None:
        project = open_project()
        flow_sheet.run_flow_sheet(project, Path(contact_sheet) if contact_sheet else project.sheets, clip_ids)
        return
    if clip_ids:
        raise click.UsageError("--clip goes with --contact-sheet")
    with _stage() as project:
        flow.run_flow(project, processes)


@main.command()
@click.argument("model")
@_processes
def train(model: str, processes: int) -> None:
    """Stage 4: every fold of the protocol for MODEL, a name under models in params.yaml."""
    from microfacial.pipeline.stages import train

    with _stage() as project:
        train.run_train(project, model, processes)


@main.command()
def report() -> None:
    """Stage 5: metrics.json and index.html of all models."""
    from microfacial.pipeline.stages import report

    with _stage() as project:
        report.run_report(project)


@main.command()
@click.argument("model")
@click.argument("baseline")
def compare(model: str, baseline: str) -> None:
    """Say whether MODEL is better than BASELINE, both trained, on the same clips."""
    from microfacial.pipeline.commands import compare

    compare.run_compare(open_project(), model, baseline)


@main.command()
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    show_default="train.repeats",
    help="Repetitions of the protocol, with seeds train.seed, train.seed + 1, …",
)
@_processes
def ablate(repeats: int | None, processes: int) -> None:
    """Say what each part of the hybrid is worth, and what a misplaced apex costs."""
    from microfacial.pipeline.commands import ablate

    with _stage() as project:
        ablate.run_ablate(project, repeats, processes)


class _NamedOrRun(click.Group):
    """A group whose command is `run_command_line` where the first word is none of its commands: `study hybrid`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["run", *args])


@main.group(cls=_NamedOrRun)
def study() -> None:
    """Search settings: `study MODEL`, then `study apply MODEL`; `study show` lists what was found.

    The section `study` of params.yaml says how.
    """


@study.command("run")
@click.argument("model")
@click.option(
    "--workers", type=click.IntRange(min=1), show_default="study.workers", help="Processes that share the trials."
)
@click.option("--no-conclusion", is_flag=True, hidden=True, help="Run trials, but do not score the best settings.")
@_processes
def study_run(model: str, workers: int | None, no_conclusion: bool, processes: int) -> None:
    """Search the settings of MODEL on some subjects, then score the best settings on the other subjects.

    The word `run` is optional. If the command is killed, start it again: it continues with the finished trials. If it
    is started in several terminals, they share the trials.
    """
    from microfacial.pipeline.commands import study

    study.run_study(open_project(), model, workers, processes, conclude=not no_conclusion)


@study.command("apply")
@click.argument("model", required=False)
@click.option("--force", is_flag=True, help="Also where the data has changed, or no trial beat trial 0.")
def study_apply(model: str | None, force: bool) -> None:
    """Write the best settings of the latest study, of MODEL or of any, into params.yaml."""
    from microfacial.pipeline.commands.study_apply import run_study_apply

    run_study_apply(open_project(), model, force=force)


@study.command("show")
@click.argument("model", required=False)
def study_show(model: str | None) -> None:
    """Say what the studies, of MODEL or of all, have found."""
    from microfacial.pipeline.commands.study_apply import show_studies

    show_studies(model)


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@_fps
def spot(path: Path, fps: float | None) -> None:
    """Find onset, apex and offset of the strongest movement in PATH, a video or a folder of frames."""
    from microfacial.pipeline.commands import spot

    spot.run_spot(path, fps)


@main.command()
@click.argument("model")
def register(model: str) -> None:
    """Pack MODEL, as it is trained in results/, with its evidence: it becomes the challenger."""
    from microfacial.pipeline.commands import register
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with _stage() as project, mlflow_errors_as_pipeline_errors():
        register.run_register(project, model)


@main.command()
@click.option("--bootstrap", is_flag=True, help="Take the first champion as it is, without a score to beat.")
@click.option("--force", metavar="REASON", default="", help="Promote whatever the rule says; REASON is recorded.")
@click.option("--dry-run", is_flag=True, help="Say what would be decided, and change nothing.")
def promote(bootstrap: bool, force: str, dry_run: bool) -> None:
    """Make the challenger the champion if it is better; exit code 1 says that it was refused."""
    from microfacial.pipeline.commands import promote
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        decision = promote.run_promote(open_project(), bootstrap=bootstrap, force=force, dry_run=dry_run)
    if not decision.promotes:
        sys.exit(_REFUSED)


@main.command()
@click.option("--reason", default="", help="Why, for the record.")
def rollback(reason: str) -> None:
    """Restore the champion that the present one replaced."""
    from microfacial.pipeline.commands import rollback
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        rollback.run_rollback(open_project(), reason)


@main.command()
def lineage() -> None:
    """Print where each registered version comes from, and what was decided on it."""
    from microfacial.pipeline.commands import lineage
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        lineage.run_lineage(open_project())


@main.command()
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--onset", type=int, help="Number of the frame before the movement; spotted if not given.")
@click.option("--apex", type=int, help="Number of the frame where the movement peaks.")
@click.option("--offset", type=int, help="Number of the frame where the movement has ended.")
@_fps
@click.option("--alias", type=click.Choice(["champion", "challenger"]), default="champion", show_default=True)
@click.option("--version", type=click.IntRange(min=1), help="A version by its number, instead of an alias.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each clip.")
def predict(
    paths: tuple[Path, ...],
    onset: int | None,
    apex: int | None,
    offset: int | None,
    fps: float | None,
    alias: Literal["champion", "challenger"],
    version: int | None,
    as_json: bool,
) -> None:
    """Label the movement in each PATH, a video or a folder of frames, by the champion."""
    from microfacial.pipeline.commands import predict
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    moments = {"onset": onset, "apex": apex, "offset": offset}
    with mlflow_errors_as_pipeline_errors():
        read = predict.run_predict(open_project(), paths, moments, fps, alias=alias, version=version, as_json=as_json)
    if not read:
        sys.exit(_REPAIRABLE)


@main.command()
@_processes
def repro(processes: int) -> None:
    """Check the data, run `dvc repro`, show the leaderboard."""
    from rich.console import Console

    from microfacial.pipeline import dvc as pipeline
    from microfacial.pipeline.config import load
    from microfacial.pipeline.stages.report import leaderboard

    load(PARAMS)
    project = open_project()
    pipeline.reproduce(project, processes)
    Console().print(leaderboard(project))
    click.echo(
        f"Next: open {project.results}/reports/index.html for the report; `make ui` for every fold in MLflow;\n"
        "edit params.yaml and run `make repro` again: only what the edit touches runs anew."
    )


@main.command()
@click.option(
    "--contact-sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    is_flag=False,
    flag_value=Path("demo.png"),
    help="Draw the demo into a PNG instead (demo.png if none is named).",
)
@_processes
def demo(contact_sheet: Path | None, processes: int) -> None:
    """Write the synthetic demo data in the layout of CASME II."""
    from microfacial.files import write_image
    from microfacial.pipeline import dvc as pipeline
    from microfacial.report.demo_sheet import demo_sheet

    if contact_sheet is None:
        pipeline.make_demo(processes)
        click.echo(f"demo: {pipeline.DEMO}")
        return
    if not pipeline.DEMO.exists():
        raise PipelineError(f"no {pipeline.DEMO} to draw. Run `microfacial demo` first")
    write_image(contact_sheet, demo_sheet(pipeline.DEMO))
    click.echo(f"demo: {contact_sheet}")


@main.command()
@click.argument("path", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
def doctor(path: Path | None) -> None:
    """Say whether set-up, data and disk are sound; of a release at PATH, row by row, what is not."""
    from microfacial.pipeline import doctor

    findings = []
    for finding in doctor.examine() if path is None else doctor.examine_releases(path):
        findings.append(finding)
        click.echo(str(finding))
    if not all(finding.sound for finding in findings):
        sys.exit(_REPAIRABLE)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port of the page.")
def ui(port: int) -> None:
    """Open MLflow's page on the project's runs."""
    from microfacial.pipeline import dvc as pipeline

    pipeline.show_runs(port)


@main.command()
def sync() -> None:
    """Write into MLflow what results/ has and MLflow lacks."""
    from microfacial.pipeline.commands import sync

    with _stage():
        sync.run_sync()


def run_command_line() -> None:
    """Run a command; an error that the user can repair is one line and exit code 2."""
    try:
        main()
    except MicrofacialError as error:
        click.echo(f"microfacial: {error}", err=True)
        sys.exit(_REPAIRABLE)
    except OSError as error:  # a full or read-only disk, a folder without permission
        click.echo(f"microfacial: {error.strerror or error}: {error.filename or 'no file named'}. Mend it", err=True)
        sys.exit(_REPAIRABLE)
    finally:
        gc.freeze()  # nothing is to be collected from a process that ends: it takes a second with torch and MLflow


@contextmanager
def _stage() -> Iterator[Project]:
    """The project, with the lock that keeps a stage from meeting one that a killed run left behind."""
    project = open_project()
    with exclusive_lock(STATE / "stage.lock", "a stage of an earlier run"):
        yield project
