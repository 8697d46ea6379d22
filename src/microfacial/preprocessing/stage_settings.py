"""The settings with which the stages `clips`, `faces` and `flow` were run, next to their results.

A command that reads these results directly would otherwise use them with other settings than those of params.yaml, and
name the wrong ones in what it writes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from microfacial.datasets import ClipsConfig
from microfacial.errors import StorageError
from microfacial.files import digest, read_json, write_json
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.settings import Section, read_section

_SECTIONS: Mapping[str, type[Section]] = MappingProxyType(
    {"clips": ClipsConfig, "faces": FacesConfig, "flow": FlowConfig}
)
_RESULTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "clips": ("clips.csv",),
        "faces": ("faces/faces.json", "faces/digests.json"),
        "flow": ("flow/index.json", "flow/digests.json"),
    }
)


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """Content of `settings/<stage>.json`.

    Attributes:
        results: digest of the results that were computed with the settings.
        settings: section of params.yaml, with all defaults.
    """

    results: str
    settings: dict[str, Any]


def write_stage_settings(results: Path, stage: str, settings: Section) -> None:
    """Write the settings of a stage to `settings/<stage>.json`.

    Args:
        results: results folder of the data set.
        stage: `clips`, `faces` or `flow`.
        settings: section of params.yaml of the same name.
    """
    content = {"results": _digest_results(results, stage), "settings": settings.model_dump(mode="json")}
    write_json(_path(results, stage), content)


def require_stage_settings(results: Path, params: Path) -> None:
    """Check that the results of the stages belong to the present settings.

    Results of earlier versions have no settings, and DVC can restore results without their settings. They are not
    checked.

    Args:
        results: results folder of the data set.
        params: params.yaml of the project.

    Raises:
        StorageError: a stage was run with another setting. The message names its key.
        ConfigError: a section is wrong.
    """
    for stage, kind in _SECTIONS.items():
        path = _path(results, stage)
        if not path.exists():
            continue
        stored = read_json(path, StageSettings)
        if stored.results != _digest_results(results, stage):
            continue
        current = read_section(params, stage, kind).model_dump(mode="json")
        for key, new, old in differences(current, stored.settings, stage):
            raise StorageError(
                f"{params}: {key} is {new!r}, but the stage {stage} was run with {old!r}. Run `dvc repro`"
            )


def differences(current: Any, used: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the keys whose values differ between two nested mappings, each with both values.

    Args:
        current: a mapping, or a value in it.
        used: the other mapping, or the value of the same key in it.
        key: the key of both, with a point before each level.
    """
    if not (isinstance(current, Mapping) and isinstance(used, Mapping)):
        if current != used:
            yield key, current, used
        return
    for name in [*current, *(name for name in used if name not in current)]:
        yield from differences(current.get(name), used.get(name), f"{key}.{name}".lstrip("."))


def _digest_results(results: Path, stage: str) -> str:
    return digest(path for name in _RESULTS[stage] if (path := results / name).exists())


def _path(results: Path, stage: str) -> Path:
    return results / "settings" / f"{stage}.json"
