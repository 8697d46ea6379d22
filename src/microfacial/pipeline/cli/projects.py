"""Commands that run, check and show a whole project."""

import sys
from pathlib import Path

import click

from microfacial.errors import PipelineError
from microfacial.pipeline.cli.options import (
    USER_ERROR,
    FiniteRange,
    json_option,
    locked_project,
    open_checked_project,
    processes_option,
    refuse_processes,
)
from microfacial.pipeline.messages import print_json
from microfacial.pipeline.project import PARAMS, open_project

_SAMPLE_SECONDS = 120.0


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--corpus", "corpora", metavar="NAME", multiple=True, help="A corpus, such as casme2. Can be repeated.")
def init_command(folder: Path, corpora: tuple[str, ...]) -> None:
    """Make a project in FOLDER: settings, pipeline, and repositories of git and DVC. Default: on the demo."""
    from microfacial.pipeline.commands.init import run_init

    run_init(folder, corpora)


@click.command("repro")
@processes_option
def repro_command(processes: int) -> None:
    """Check the data, run `dvc repro` and print the leaderboard."""
    from microfacial.pipeline.early_dvc import start_dvc
    from microfacial.pipeline.extras import require_extras

    require_extras("dvc", "mlflow")
    # The stages read the number of processes. This process imports its own modules while DVC is imported.
    with start_dvc("repro", environment={"MICROFACIAL_PROCESSES": str(processes)}) as run_dvc:
        from rich.console import Console

        from microfacial.pipeline import dvc
        from microfacial.pipeline.config import load
        from microfacial.pipeline.leaderboard import read_leaderboard

        load(PARAMS)
        project = open_project()
        dvc.reproduce(project, processes, run_dvc)
    Console().print(read_leaderboard(project))
    click.echo(
        f"Next: open {project.results}/reports/index.html for the report, or run `microfacial ui` for every fold.\n"
        "Edit params.yaml and run `microfacial repro` again: only the stages that depend on the edit run again."
    )


@click.command("demo")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--contact-sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    is_flag=False,
    flag_value=Path("demo.png"),
    help="Do not write data. Draw the existing demo into a PNG (default: demo.png).",
)
@click.option(
    "--video",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.mp4",
    help="Write no data set. Write a sample video of two people, and a table of their expressions next to it.",
)
@click.option("--seconds", type=FiniteRange(1, 7200), help=f"Duration of the video. Default: {_SAMPLE_SECONDS:g}.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of the video. Default: 0.")
@processes_option
def demo_command(
    folder: Path | None,
    contact_sheet: Path | None,
    video: Path | None,
    seconds: float | None,
    seed: int | None,
    processes: int,
) -> None:
    """Write synthetic data: the demo in the layout of CASME II, or a sample film.

    The demo goes into FOLDER. Default: data/demo of the project.
    """
    if video is not None or contact_sheet is not None:
        refuse_processes("--contact-sheet" if video is None else "--video")
    if video is not None:
        _write_sample(video, seconds or _SAMPLE_SECONDS, seed or 0)
        return
    if seconds is not None or seed is not None:
        raise click.UsageError("--seconds and --seed belong to --video. Remove them")
    from microfacial.files import write_image
    from microfacial.pipeline import dvc
    from microfacial.report.demo_sheet import draw_demo_sheet

    if folder is None:
        open_checked_project()
    target = folder or dvc.DEMO
    if contact_sheet is None:
        dvc.make_demo(processes, target)
        click.echo(f"demo: {target}")
        return
    if not target.exists():
        raise PipelineError(f"{target} does not exist. Run `microfacial demo` first")
    write_image(contact_sheet, draw_demo_sheet(target))
    click.echo(f"demo: {contact_sheet}")


def _write_sample(video: Path, seconds: float, seed: int) -> None:
    from microfacial.datasets.synthetic.film import write_film

    if click.get_current_context().params["folder"] or click.get_current_context().params["contact_sheet"]:
        raise click.UsageError("--video writes a single file. Give it without FOLDER and --contact-sheet")
    table = write_film(video, seconds, seed)
    click.echo(f"demo: {video}, and its expressions in {table}")


@click.command("doctor")
@click.argument("path", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--all", "show_all", is_flag=True, help="With PATH: show every remark, and not three of each kind.")
@json_option
def doctor_command(path: Path | None, show_all: bool, as_json: bool) -> None:
    """Check set-up, data and disk. With PATH, check the releases in that folder row by row."""
    from microfacial.pipeline.doctor import examine
    from microfacial.pipeline.release_check import examine_releases

    results = []
    for result in examine() if path is None else examine_releases(path, show_all=show_all):
        results.append(result)
        if not as_json:
            click.echo(str(result))
    sound = all(result.sound for result in results)
    if as_json:
        print_json({"sound": sound, "checks": [result.as_dict() for result in results]})
    if not sound:
        sys.exit(USER_ERROR)


@click.command("ui")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port of the page.")
def ui_command(port: int) -> None:
    """Open MLflow's page on the runs of the project."""
    from microfacial.pipeline.server import show_runs

    show_runs(open_checked_project().clips, port)


@click.command("sync")
def sync_command() -> None:
    """Write results that MLflow lacks from results/ into MLflow."""
    from microfacial.pipeline.commands.sync import run_sync

    with locked_project():
        run_sync()
