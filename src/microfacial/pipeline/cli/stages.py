"""Commands of the pipeline's stages."""

from pathlib import Path

import click

from microfacial.pipeline.cli.completion import ModelName
from microfacial.pipeline.cli.options import locked_project, open_checked_project, processes_option, refuse_processes


@click.command("code")
def code_command() -> None:
    """Write the digests of the code that each stage depends on."""
    from microfacial.pipeline.stages.code import run_code

    run_code(open_checked_project())


@click.command("clips")
def clips_command() -> None:
    """Stage 1: read annotations and frames, write clips.csv."""
    from microfacial.pipeline.stages.clips import run_clips

    with locked_project() as project:
        run_clips(project)


@click.command("faces")
def faces_command() -> None:
    """Stage 2: find the face in every clip."""
    from microfacial.pipeline.stages.faces import run_faces

    with locked_project() as project:
        run_faces(project)


@click.command("flow")
@click.option(
    "--contact-sheet",
    metavar="[FOLDER]",
    is_flag=False,
    flag_value="",
    help="Do not compute. Draw PNG pages of the existing crops, regions, flow and strain into FOLDER "
    "(default: contact-sheets/<data set>/). The pages show faces. Except for the demo, FOLDER must be ignored by git.",
)
@click.option("--clip", "clip_ids", metavar="ID", multiple=True, help="Draw only this clip. Can be repeated.")
@processes_option
def flow_command(contact_sheet: str | None, clip_ids: tuple[str, ...], processes: int) -> None:
    """Stage 3: compute the optical flow of every clip."""
    if contact_sheet is not None:
        refuse_processes("--contact-sheet")
        from microfacial.pipeline.commands.flow_sheet import run_flow_sheet

        project = open_checked_project()
        run_flow_sheet(project, Path(contact_sheet) if contact_sheet else project.sheets, clip_ids)
        return
    if clip_ids:
        raise click.UsageError("--clip needs --contact-sheet")
    from microfacial.pipeline.stages.flow import run_flow
    from microfacial.pipeline.task_backend import chosen_backend, read_run_config

    with locked_project() as project, chosen_backend(read_run_config(), processes):
        run_flow(project, processes)


@click.command("train")
@click.argument("model", type=ModelName())
@processes_option
def train_command(model: str, processes: int) -> None:
    """Stage 4: train and test MODEL on every fold. MODEL is a name under `models` in params.yaml."""
    from microfacial.pipeline.extras import require_extras
    from microfacial.pipeline.stages.train import run_train
    from microfacial.pipeline.task_backend import chosen_backend, read_run_config

    require_extras("mlflow")
    with locked_project() as project, chosen_backend(read_run_config(), processes):
        run_train(project, model, processes)


@click.command("report")
def report_command() -> None:
    """Stage 5: write the report page, metrics.json and scores.json."""
    from microfacial.pipeline.stages.report import run_report

    with locked_project() as project:
        run_report(project)
