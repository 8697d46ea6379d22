"""Commands that register, promote and use trained models."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from microfacial.pipeline.cli.completion import ModelName
from microfacial.pipeline.cli.options import (
    REFUSED,
    USER_ERROR,
    FiniteRange,
    GivenPath,
    fps_option,
    frame_number,
    json_option,
    locked_project,
    open_checked_project,
)
from microfacial.pipeline.project import PARAMS


@click.command("spot")
@click.argument("path", type=click.Path(path_type=Path))
@fps_option
@json_option
def spot_command(path: Path, fps: float | None, as_json: bool) -> None:
    """Find onset, apex and offset of the strongest movement in PATH, a video or a folder of frames."""
    from microfacial.pipeline.commands.spot import run_spot

    run_spot(path, fps, as_json=as_json)


@click.command("spot-eval")
@click.argument("spotted", metavar="SPOTTED…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--truth",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Table of annotated movements, as `demo --video` writes it. With --corpus: folder of the release. Repeatable.",
)
@click.option("--corpus", metavar="NAME", help="Corpus of long videos, such as casme_sq, samm_lv or casme3.")
@click.option("--scheme", metavar="NAME", help="With --corpus: label scheme of the classes, such as megc2019-3.")
@json_option
def spot_eval_command(
    spotted: tuple[Path, ...], truth: tuple[Path, ...], corpus: str | None, scheme: str | None, as_json: bool
) -> None:
    """Score spotted movements, given as tables of `predict --csv` or `--json`, with the MEGC protocol."""
    from microfacial.pipeline.commands.spot_eval import run_spot_eval

    if scheme is not None and corpus is None:
        raise click.UsageError("--scheme belongs to --corpus: tables of annotated movements have classes already")
    run_spot_eval(spotted, truth, corpus=corpus, scheme=scheme, as_json=as_json)


@click.command("pretrain")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("motion_prior.safetensors"),
    show_default=True,
    help="File of the weights. The model card is written next to it.",
)
@click.option("--device", default="cpu", show_default=True, help="Device that trains: auto, cpu, cuda or mps.")
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
        decision = run_promote(open_checked_project(), bootstrap=bootstrap, force=force, dry_run=dry_run)
    if not decision.promotes:
        sys.exit(REFUSED)


@click.command("rollback")
@click.option("--reason", default="", help="Reason, for the record.")
def rollback_command(reason: str) -> None:
    """Restore the previous champion."""
    from microfacial.pipeline.commands.rollback import run_rollback
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        run_rollback(open_checked_project(), reason)


@click.command("lineage")
@json_option
def lineage_command(as_json: bool) -> None:
    """Print the origin of each registered version and the decisions about it."""
    from microfacial.pipeline.commands.lineage import run_lineage
    from microfacial.tracking.store import mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        run_lineage(open_checked_project(), as_json=as_json)


@click.command("predict")
@click.argument("films", metavar="[VIDEO…]", nargs=-1)
@click.option(
    "--camera",
    metavar="[NUMBER]",
    is_flag=False,
    flag_value=0,
    type=click.IntRange(0, 1000),
    help="Watch a camera instead of a VIDEO, and show the movements in a window. The first camera is 0, the default. "
    "Nothing is stored unless --csv, --html or --render is given.",
)
@click.option(
    "--seconds", type=FiniteRange(0.1, 1e6), help="With --camera: duration of the recording. Default: until you end it."
)
@click.option(
    "--no-window", is_flag=True, help="With --camera: open no window. Print each movement as soon as it is final."
)
@click.option("--onset", type=frame_number, help="Number of the frame before the movement. Default: spotted.")
@click.option("--apex", type=frame_number, help="Number of the frame at the peak of the movement.")
@click.option("--offset", type=frame_number, help="Number of the frame at the end of the movement.")
@fps_option
@click.option("--alias", type=click.Choice(["champion", "challenger"]), help="Version of the project's model.")
@click.option("--version", type=click.IntRange(1, 1_000_000), help="Number of a version. Replaces --alias.")
@click.option(
    "--model",
    metavar="MODEL",
    help="motion_prior, the folder of a bundle, the checkpoint of a fold, or models:/NAME@champion. Needs no project.",
)
@click.option(
    "--scheme",
    metavar="NAME",
    help="Label scheme of motion_prior, such as casme2-4. In a project, it chooses motion_prior.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per event.")
@click.option("--csv", type=GivenPath(dir_okay=False, path_type=Path), help="Write a table with one row per event.")
@click.option(
    "--html", type=GivenPath(file_okay=False, path_type=Path), help="Folder for one page per film. It shows faces."
)
@click.option(
    "--render",
    type=GivenPath(path_type=Path),
    help="Video with faces and events drawn in, or folder for several. With --camera: the content of the window.",
)
@click.option(
    "--device", help="Device of networks: auto, cpu, cuda or mps. Default: train.device, or cpu with --model."
)
def predict_command(
    films: tuple[str, ...],
    camera: int | None,
    seconds: float | None,
    no_window: bool,
    onset: int | None,
    apex: int | None,
    offset: int | None,
    fps: float | None,
    alias: Literal["champion", "challenger"] | None,
    version: int | None,
    model: str | None,
    scheme: str | None,
    device: str | None,
    as_json: bool,
    csv: Path | None,
    html: Path | None,
    render: Path | None,
) -> None:
    """Find and recognise the movements in each VIDEO, or in front of a camera.

    A VIDEO is a file, a folder of frames, a folder of videos, or a pattern in quotes. The model is the champion of the
    project. Without a project it is motion_prior, which is in the package. If you give the moments of a movement, only
    that movement is recognised.
    """
    from microfacial.pipeline.commands.predict import choose_device, choose_model, run_predict
    from microfacial.pipeline.prediction_outputs import Outputs

    empty = [option for option, value in (("--model", model), ("--scheme", scheme)) if value == ""]
    if empty:
        raise click.UsageError(f"{empty[0]} is empty. Give a name, or leave out the option")
    if model is not None and (version is not None or alias is not None):
        raise click.UsageError("--model names the model, so --alias and --version do not apply. Remove them")
    if scheme is not None and (version is not None or alias is not None):
        raise click.UsageError("--scheme is for motion_prior. A registered version has the classes of its training")
    moments = {"onset": onset, "apex": apex, "offset": offset}
    _check_camera_options(
        films, camera, {"--seconds": seconds, "--no-window": no_window or None}, {**moments, "fps": fps}
    )
    outputs = Outputs(as_json=as_json, csv=csv, html=html, render=render)
    from_project = alias is not None or version is not None or (model in (None, "motion_prior") and PARAMS.exists())
    project = open_checked_project() if from_project else None
    in_project = project is not None and model is None
    requested = None if device is None else choose_device(device, in_project=in_project)
    chosen = choose_model(model, scheme, alias, version, project)
    if chosen.on_device is not None:  # only networks need torch, which takes seconds to import
        chosen = chosen.to(requested or choose_device(None, in_project=in_project))
    if camera is None:
        succeeded = run_predict(chosen, films, moments, fps, outputs)
    else:
        from microfacial.pipeline.commands.predict_camera import run_predict_camera

        succeeded = run_predict_camera(chosen, camera, seconds, outputs, window=not no_window)
    if not succeeded:
        sys.exit(USER_ERROR)


def _check_camera_options(
    films: tuple[str, ...],
    camera: int | None,
    only_camera: Mapping[str, float | None],
    only_films: Mapping[str, float | None],
) -> None:
    """Refuse options of `predict` that do not fit together. An option that was not given has the value None."""
    if camera is None:
        if not films:
            raise click.UsageError("give a VIDEO, or --camera to watch a camera")
        wrong = [name for name, value in only_camera.items() if value is not None]
        if wrong:
            raise click.UsageError(f"{wrong[0]} belongs to --camera. Remove it")
        return
    if films:
        raise click.UsageError(f"--camera watches a camera instead of {films[0]}. Give either a VIDEO or --camera")
    wrong = [f"--{name}" for name, value in only_films.items() if value is not None]
    if wrong:
        raise click.UsageError(f"{wrong[0]} is for a VIDEO. A camera gives its own times. Remove it")
