"""Commands that register, promote and use trained models."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from microfacial.pipeline.cli.completion import ModelName
from microfacial.pipeline.cli.options import (
    REFUSED,
    USER_ERROR,
    fps_option,
    frame_number,
    json_option,
    locked_project,
)
from microfacial.pipeline.project import open_project


@click.command("spot")
@click.argument("path", type=click.Path(path_type=Path))
@fps_option
@json_option
def spot_command(path: Path, fps: float | None, as_json: bool) -> None:
    """Find onset, apex and offset of the strongest movement in PATH, a video or a folder of frames."""
    from microfacial.pipeline.commands.spot import run_spot

    run_spot(path, fps, as_json=as_json)


@click.command("pretrain")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("motion_prior.safetensors"),
    show_default=True,
    help="File of the weights. The model card is written next to it.",
)
@click.option("--device", default="cpu", show_default=True, help="Device of torch: cpu, cuda or mps.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of all randomness.")
@click.option(
    "--steps", type=click.IntRange(1, 1_000_000), help="Number of batches. Default: as for the shipped weights."
)
def pretrain_command(output: Path, device: str, seed: int, steps: int | None) -> None:
    """Train the motion prior on drawn motion. No data are needed.

    In a project whose params.yaml has `run.backend: dask`, it is trained by a worker of dask.
    """
    from microfacial.pipeline.commands.pretrain import run_pretrain
    from microfacial.pipeline.task_backend import chosen_backend, read_run_config
    from microfacial.training.pretraining import Pretraining

    plan, config = Pretraining(seed=seed), read_run_config()
    with chosen_backend(config, processes=1):
        plan = plan if steps is None else replace(plan, steps=steps)
        run_pretrain(output, device, plan, elsewhere=config.backend != "local")


@click.command("register")
@click.argument("model", type=ModelName())
def register_command(model: str) -> None:
    """Register the trained MODEL with its evidence. The new version becomes the challenger."""
    from microfacial.pipeline.commands.register import run_register
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with locked_project() as project, mlflow_errors_as_pipeline_errors():
        run_register(project, model)


@click.command("promote")
@click.option("--bootstrap", is_flag=True, help="Accept the first champion without a comparison.")
@click.option("--force", metavar="REASON", default="", help="Promote whatever the rule decides. REASON is recorded.")
@click.option("--dry-run", is_flag=True, help="Print the decision and change nothing.")
def promote_command(bootstrap: bool, force: str, dry_run: bool) -> None:
    """Make the challenger the champion if it is better. Exit code 1 means that the rule refused it."""
    from microfacial.pipeline.commands.promote import run_promote
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        decision = run_promote(open_project(), bootstrap=bootstrap, force=force, dry_run=dry_run)
    if not decision.promotes:
        sys.exit(REFUSED)


@click.command("rollback")
@click.option("--reason", default="", help="Reason, for the record.")
def rollback_command(reason: str) -> None:
    """Restore the previous champion."""
    from microfacial.pipeline.commands.rollback import run_rollback
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        run_rollback(open_project(), reason)


@click.command("lineage")
@json_option
def lineage_command(as_json: bool) -> None:
    """Print the origin of each registered version and the decisions about it."""
    from microfacial.pipeline.commands.lineage import run_lineage
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        run_lineage(open_project(), as_json=as_json)


@click.command("predict")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--onset", type=frame_number, help="Number of the frame before the movement. Default: spotted.")
@click.option("--apex", type=frame_number, help="Number of the frame at the peak of the movement.")
@click.option("--offset", type=frame_number, help="Number of the frame at the end of the movement.")
@fps_option
@click.option("--alias", type=click.Choice(["champion", "challenger"]), default="champion", show_default=True)
@click.option("--version", type=click.IntRange(1, 1_000_000), help="Number of a version. Replaces --alias.")
@click.option(
    "--model", "bundle", type=click.Path(path_type=Path), help="Folder of a bundle or of a version. Needs no project."
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per clip.")
def predict_command(
    paths: tuple[Path, ...],
    onset: int | None,
    apex: int | None,
    offset: int | None,
    fps: float | None,
    alias: Literal["champion", "challenger"],
    version: int | None,
    bundle: Path | None,
    as_json: bool,
) -> None:
    """Classify the movement in each PATH, a video or a folder of frames, with the champion."""
    from microfacial.pipeline.commands.predict import open_bundle, open_version, run_predict

    source = click.get_current_context().get_parameter_source("alias")
    if bundle and (version is not None or source is click.core.ParameterSource.COMMANDLINE):
        raise click.UsageError("--model is a folder, so --alias and --version do not apply. Remove them")
    moments = {"onset": onset, "apex": apex, "offset": offset}
    model, title = open_bundle(bundle) if bundle else open_version(open_project(), alias, version)
    if not as_json:
        click.echo(title)
    if not run_predict(model, paths, moments, fps, as_json=as_json):
        sys.exit(USER_ERROR)
