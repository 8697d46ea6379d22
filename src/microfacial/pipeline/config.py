"""The whole of params.yaml, assembled from the sections that the packages declare."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from microfacial.cluster.settings import RunConfig
from microfacial.datasets import ClipsConfig
from microfacial.datasets.label_schemes import UNITS_SCHEME
from microfacial.errors import ConfigError, suggest
from microfacial.evaluation.protocols import TrainConfig
from microfacial.models.lookup import list_models, needs_frames
from microfacial.models.presets import resolve
from microfacial.preprocessing.faces import FacesConfig, region_names
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.published_maps import check_published_maps
from microfacial.registry.settings import RegistryConfig
from microfacial.report.results import ReportConfig
from microfacial.settings import Section, check, read_sections
from microfacial.tracking.settings import TrackingConfig
from microfacial.tuning.settings import StudyConfig


class Tuned(Section):
    """An entry of `tuned`: a study chose the settings of a model on the clips of these subjects."""

    study: str = Field(min_length=1)  # name of the study whose settings these are
    trial: int | None = Field(None, ge=0, le=1_000_000)  # number of the trial with these settings
    subjects: tuple[str, ...] = Field(strict=False, min_length=1)  # such as casme2/sub03


@dataclass(frozen=True)
class Config:
    """All sections of params.yaml, checked.

    Attributes:
        clips: corpora, label scheme and apexes.
        faces: alignment of faces.
        flow: optical flow.
        train: protocol.
        models: settings of each model by name, with presets resolved, in the order of the file.
        report: the report page.
        tuned: subjects on which the settings of a model were tuned, by model. No stage depends on it.
        study: search of settings. No stage depends on it.
        registry: rule of promotion. No stage depends on it.
        run: where tasks run. No stage depends on it.
        tracking: what MLflow gets besides the results. No stage depends on it.
    """

    clips: ClipsConfig
    faces: FacesConfig
    flow: FlowConfig
    train: TrainConfig
    models: Mapping[str, Section]
    report: ReportConfig
    tuned: Mapping[str, Tuned]
    study: StudyConfig
    registry: RegistryConfig
    run: RunConfig
    tracking: TrackingConfig


_SECTIONS: Mapping[str, type[Section]] = {
    "clips": ClipsConfig,
    "faces": FacesConfig,
    "flow": FlowConfig,
    "train": TrainConfig,
    "report": ReportConfig,
}
_OPTIONAL: Mapping[str, type[Section]] = {
    "study": StudyConfig,
    "registry": RegistryConfig,
    "run": RunConfig,
    "tracking": TrackingConfig,
}
OPTIONAL = ("tuned", *_OPTIONAL)  # sections that can be absent. No stage depends on them


def load(path: Path) -> Config:
    """Read and check params.yaml.

    Args:
        path: params.yaml.

    Returns:
        All sections.

    Raises:
        ConfigError: the file is missing or is not YAML, or a section, key, type or bound is wrong. The message names
            it.
    """
    content = read_sections(path)
    expected = {*_SECTIONS, "models"}
    for name in sorted(expected ^ (content.keys() - {*OPTIONAL}), key=str):
        if name in expected:
            raise ConfigError(f"{path}: section {name} is missing")
        raise ConfigError(f"{path}: no section {name}{suggest(name, {*expected, *OPTIONAL})}")
    sections: dict[str, Any] = {name: check(content[name], kind, f"{path}: {name}") for name, kind in _SECTIONS.items()}
    models, tuned = _resolve_models(content["models"], path), _check_tuned(content.get("tuned", {}), path)
    optional: dict[str, Any] = {
        name: check(content.get(name, {}), kind, f"{path}: {name}") for name, kind in _OPTIONAL.items()
    }
    config = Config(**sections, **optional, models=models, tuned=tuned)
    if config.clips.scheme == UNITS_SCHEME.name and config.train.task != "units":
        raise ConfigError(
            f"{path}: clips.scheme {UNITS_SCHEME.name} has no classes. Set train.task: units, or choose another scheme"
        )
    if config.run.backend == "dask" and config.train.oracle:
        raise ConfigError(
            f"{path}: train.oracle: workers of dask write no files, so they cannot record the oracle. "
            "Set run.backend: local, or train.oracle: false"
        )
    region_names(config.faces)
    check_published_maps(config.clips.corpora, config.faces, config.flow, f"{path}")
    if config.flow.method == "published":
        _refuse_appearance_models(config.models, path)
    return config


def load_for_classes(path: Path) -> Config:
    """Read and check params.yaml for a command that works on classes only.

    Args:
        path: params.yaml.

    Returns:
        All sections.

    Raises:
        ConfigError: see `load`, or the task is not `classes`.
    """
    config = load(path)
    require_classes(config, path)
    return config


def require_classes(config: Config, path: Path) -> None:
    """Refuse the task `units` for a command that works on classes only.

    Args:
        config: all sections of params.yaml.
        path: params.yaml.

    Raises:
        ConfigError: the task is not `classes`.
    """
    if config.train.task != "classes":
        raise ConfigError(
            f"{path}: train.task is {config.train.task}, but this command works on classes only. "
            "Set train.task: classes"
        )


def describe_unused_holdout(config: TrainConfig) -> str:
    """Return a warning if `train.holdout` lists subjects that the protocol does not hold out, or an empty text.

    Args:
        config: the section `train` of params.yaml.
    """
    if not config.ignores_holdout:
        return ""
    return (
        f"train.holdout is not used, because train.protocol is {config.protocol}. Set train.protocol: holdout to hold "
        "these subjects out, or empty the list"
    )


def _refuse_appearance_models(models: Mapping[str, Section], path: Path) -> None:
    """Refuse models whose input is frames, because published flow maps have none."""
    for name in models:
        if needs_frames(name):
            raise ConfigError(
                f"{path}: models.{name} needs frames, and published flow maps have none. Remove models.{name}"
            )


def _resolve_models(models: Any, path: Path) -> dict[str, Section]:
    if not isinstance(models, Mapping) or not models:
        raise ConfigError(
            f"{path}: models must map names of models to their settings. Known models: {', '.join(list_models())}"
        )
    return {name: resolve(name, settings, f"{path}: models.{name}") for name, settings in models.items()}


def _check_tuned(tuned: Any, path: Path) -> dict[str, Tuned]:
    if not isinstance(tuned, Mapping):
        raise ConfigError(f"{path}: tuned must map names of models to their studies")
    for name in map(str, tuned):
        if name not in list_models():
            raise ConfigError(f"{path}: tuned.{name}: {name} is not the name of a model{suggest(name, list_models())}")
    return {str(name): check(entry, Tuned, f"{path}: tuned.{name}") for name, entry in tuned.items()}
