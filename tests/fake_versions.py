"""The registered model of the tiny demo: where its versions are, and how to change params.yaml for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from microfacial.datasets.clip_table import read_clips
from microfacial.records import Clip
from microfacial.tracking.model_versions import Registry
from microfacial.tracking.store import connect

NAME = "tiny.casme2-4"
Run = Callable[..., int]


def change(section: str, **values: Any) -> None:
    """Change keys of a section of params.yaml in the current folder."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params[section] = {**params.get(section, {}), **values}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def open_registry(root: Path) -> Registry:
    """Return the registered model of a project."""
    return Registry(connect(root), NAME)


def folder_of(root: Path, version: int = 1) -> Path:
    """Return the folder of a registered version."""
    return open_registry(root).fetch(version, root / "cache")


def clips_of(root: Path) -> tuple[Clip, ...]:
    """Return the clips of the tiny demo."""
    return read_clips(root / "results/tiny/clips.csv")


def describe_moments(clip: Clip) -> list[str]:
    """Return the options of `predict` for the moments of a clip."""
    return ["--onset", str(clip.onset), "--apex", str(clip.apex), "--offset", str(clip.offset)]


def frames_of(clip: Clip) -> str:
    """Return the folder with the frames of a clip, below a project."""
    return str((Path("data") / clip.frames).parent)
