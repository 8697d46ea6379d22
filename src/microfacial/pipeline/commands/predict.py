"""Command `predict`: label clips with a registered version."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import click

from microfacial.errors import MicrofacialError, StorageError
from microfacial.evaluation.protocols import TrainConfig
from microfacial.inference.bundle import find_bundle, read_bundle
from microfacial.inference.predict import TrainedModel
from microfacial.pipeline.project import PARAMS, VERSION_CACHE, Project
from microfacial.preprocessing.devices import find_device
from microfacial.settings import check, read_sections


def open_bundle(folder: Path) -> tuple[TrainedModel, str]:
    """Read a model without a project and without MLflow.

    Args:
        folder: folder of a bundle, or of a registered version that contains a bundle.

    Returns:
        The model and its title.

    Raises:
        StorageError: the folder contains no bundle, or the bundle is damaged.
        ConfigError: another version of microfacial wrote its settings.
    """
    inner = find_bundle(folder)
    if not inner.is_dir() and not (folder / "bundle.json").exists():
        raise StorageError(f"{folder} contains no bundle. Give --model the folder that contains bundle.json")
    model = read_bundle(inner if inner.is_dir() else folder)
    return model, f"{model.model} in {folder}"


def choose_device(option: str | None, *, in_project: bool) -> str:
    """Return the device of networks.

    Args:
        option: the option `--device`, or None.
        in_project: whether `train.device` in params.yaml is the default, instead of `cpu`.

    Returns:
        `cpu`, `cuda` or `mps`.

    Raises:
        ConfigError: this machine does not have the device, or params.yaml is wrong.
    """
    if option is not None or not in_project:
        return find_device(option or "cpu", "--device")
    train = check(read_sections(PARAMS).get("train", {}), TrainConfig, f"{PARAMS}: train")
    return find_device(train.device, f"{PARAMS}: train.device")


def open_version(
    project: Project, alias: Literal["champion", "challenger"], version: int | None
) -> tuple[TrainedModel, str]:
    """Read a registered version.

    Args:
        project: the project.
        alias: `champion` or `challenger`. Used if `version` is None.
        version: number of the version.

    Returns:
        The model and its title.

    Raises:
        PipelineError: there is no such version, or MLflow failed.
        MissingExtraError: MLflow is not installed.
    """
    from microfacial.registry.versions import choose_version, has_current_code
    from microfacial.tracking.model_versions import Registry, registered_name
    from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors

    with mlflow_errors_as_pipeline_errors():
        registry = Registry(connect(Path()), registered_name(project.clips.name, project.clips.scheme))
        record = choose_version(registry, alias, version)
        folder = registry.fetch(record.version, VERSION_CACHE)
    model = read_bundle(find_bundle(folder))
    if not has_current_code(folder):
        click.echo(
            f"predict: {record.title} was registered with other code than this package has, which may process clips "
            f"differently. To run the version's own code, use `mlflow models predict -m {folder}`",
            err=True,
        )
    return model, f"{registry.name}, {record.title}"


def run_predict(
    model: TrainedModel,
    paths: Sequence[Path],
    moments: Mapping[str, int | None],
    fps: float | None,
    *,
    as_json: bool,
) -> bool:
    """Print the label and the probabilities of each clip.

    A clip that cannot be read gives one line on standard error, and with `as_json` also a line with the key `error`
    instead of `label` and `probabilities`. The remaining clips are still predicted.

    Args:
        model: the model.
        paths: videos, folders of frames or pictures of maps.
        moments: `onset`, `apex` and `offset`, the frame numbers in every clip. None where a moment is to be spotted.
        fps: frames per second. Defaults to the frame rate in each video file.
        as_json: whether to print one line of JSON for each clip.

    Returns:
        Whether all clips could be read.
    """
    successes = [_predict(model, path, moments, fps, as_json) for path in paths]  # a list, so that none is skipped
    return all(successes)


def _predict(
    model: TrainedModel, path: Path, moments: Mapping[str, int | None], fps: float | None, as_json: bool
) -> bool:
    """Print one prediction or error. Return whether the clip could be read."""
    try:
        probabilities = model.predict_clip(path, **moments, fps=fps)
    except MicrofacialError as error:
        reason = str(error) if str(path) in str(error) else f"{path}: {error}"
        click.echo(f"microfacial: {reason}", err=True)
        if as_json:
            click.echo(json.dumps({"clip": str(path), "error": reason}, ensure_ascii=False))
        return False
    label = max(probabilities, key=lambda name: probabilities[name])
    if as_json:
        click.echo(json.dumps({"clip": str(path), "label": label, "probabilities": probabilities}, ensure_ascii=False))
    else:
        shown = "  ".join(f"{name} {probability:.3f}" for name, probability in probabilities.items())
        click.echo(f"{path}  {label}  ({shown})")
    return True
