"""The settings and inputs with which the stages `clips`, `faces` and `flow` were run, next to their results.

A command that reads these results directly would otherwise use them with other settings than those of params.yaml, or
with results of an earlier stage that were computed later, and name the wrong ones in what it writes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from microfacial.datasets import ClipsConfig
from microfacial.datasets.clip_table import read_clips
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
_INPUTS: Mapping[str, str] = MappingProxyType(
    {"faces": "moments of the clips", "flow": "faces or moments of the clips"}
)


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """Content of `settings/<stage>.json`.

    Attributes:
        results: digest of the results that were computed with the settings.
        settings: section of params.yaml, with all defaults.
        inputs: digest of the moments of the clips and, for the flow, of the faces. It is empty for the clips, and in
            files of earlier versions.
    """

    results: str
    settings: dict[str, Any]
    inputs: str = ""


def write_stage_settings(results: Path, stage: str, settings: Section) -> None:
    """Write the settings and inputs of a stage to `settings/<stage>.json`.

    Args:
        results: results folder of the data set.
        stage: `clips`, `faces` or `flow`.
        settings: section of params.yaml of the same name.
    """
    content = StageSettings(
        results=_digest_results(results, stage),
        settings=settings.model_dump(mode="json"),
        inputs=_digest_inputs(results, stage),
    )
    write_json(_path(results, stage), asdict(content))


def require_stage_settings(results: Path, params: Path) -> None:
    """Check that the results of the stages belong to the present settings and to each other.

    Results of earlier versions have no settings. They are not checked.

    Args:
        results: results folder of the data set.
        params: params.yaml of the project.

    Raises:
        StorageError: a stage was run with another setting, whose key the message names; or its results have changed
            since; or an earlier stage has other results by now.
        ConfigError: a section is wrong.
    """
    for stage, kind in _SECTIONS.items():
        path = _path(results, stage)
        if not path.exists():
            continue
        stored = read_json(path, StageSettings)
        if stored.results != _digest_results(results, stage):
            raise StorageError(
                f"{results / _RESULTS[stage][0]} is not what the stage {stage} wrote with the settings in {path}. "
                "Run `dvc repro`"
            )
        current = read_section(params, stage, kind).model_dump(mode="json")
        for key, new, old in differences(current, stored.settings, stage):
            raise StorageError(
                f"{params}: {key} is {new!r}, but the stage {stage} was run with {old!r}. Run `dvc repro`"
            )
        if stored.inputs and stored.inputs != _digest_inputs(results, stage):
            raise StorageError(f"{results}: the stage {stage} was run on other {_INPUTS[stage]}. Run `dvc repro`")


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


def _digest_inputs(results: Path, stage: str) -> str:
    """Return a digest of the earlier results that a stage reads. Labels of clips are not part of it."""
    if stage == "clips":
        return ""
    clips = read_clips(results / "clips.csv")
    moments = [(clip.id, clip.onset, clip.apex, clip.offset, clip.digest) for clip in clips]
    return digest([], moments, _digest_results(results, "faces") if stage == "flow" else "")


def _path(results: Path, stage: str) -> Path:
    return results / "settings" / f"{stage}.json"
