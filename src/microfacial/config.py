"""All of params.yaml at once, assembled from the sections that each owner declares."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microfacial.datasets import ClipsConfig
from microfacial.errors import ConfigError
from microfacial.faces import FacesConfig, region_names
from microfacial.flow import FlowConfig
from microfacial.models import MODELS
from microfacial.protocols import TrainConfig
from microfacial.report import ReportConfig
from microfacial.settings import Section, check, read_sections


@dataclass(frozen=True)
class Config:
    """Every section, checked. `models` has the settings of each model, presets resolved, in the file's order."""

    clips: ClipsConfig
    faces: FacesConfig
    flow: FlowConfig
    train: TrainConfig
    models: Mapping[str, Section]
    report: ReportConfig


_SECTIONS: Mapping[str, type[Section]] = {
    "clips": ClipsConfig,
    "faces": FacesConfig,
    "flow": FlowConfig,
    "train": TrainConfig,
    "report": ReportConfig,
}


def load(path: Path) -> Config:
    """Read and check params.yaml.

    Raises:
        ConfigError: the file is missing or no YAML, or a section, key, type or bound is wrong; the message names it.
    """
    content = read_sections(path)
    expected = {*_SECTIONS, "models"}
    for name in sorted(expected ^ content.keys(), key=str):
        raise ConfigError(f"{path}: section {name} is missing" if name in expected else f"{path}: no section {name}")
    sections: dict[str, Any] = {name: check(content[name], kind, f"{path}: {name}") for name, kind in _SECTIONS.items()}
    config = Config(**sections, models=_resolve_models(content["models"], path))
    region_names(config.faces)
    maps = {
        config.clips.corpora == ("flow_maps",),
        config.faces.method == "whole",
        config.flow.method == "published",
    }
    if len(maps) > 1:
        raise ConfigError(
            f"{path}: clips.corpora [flow_maps], faces.method whole and flow.method published go together, "
            "and only together"
        )
    return config


def _resolve_models(models: Any, path: Path) -> dict[str, Section]:
    if not isinstance(models, Mapping) or not models:
        raise ConfigError(f"{path}: models must map names of models to their settings; known are {', '.join(MODELS)}")
    return {name: resolve_model(name, settings, path) for name, settings in models.items()}


def resolve_model(name: str, settings: Any, path: Path) -> Section:
    """Settings of one model: its preset, and over it what params.yaml sets.

    Raises:
        ConfigError: there is no such model, preset or key, or a type or bound is wrong.
    """
    where = f"{path}: models.{name}"
    if name not in MODELS:
        raise ConfigError(f"{where} is not a model; known are {', '.join(MODELS)}")
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{where} must be a mapping, such as {{}} for all defaults")
    variant = MODELS[name]
    preset = settings.get("preset", "default")
    if not isinstance(preset, str) or preset not in variant.presets:
        raise ConfigError(f"{where}.preset: no {preset!r}; choose from {', '.join(variant.presets)}")
    own = {key: value for key, value in settings.items() if key != "preset"}
    return check({**variant.presets[preset], **own}, variant.settings, where)
