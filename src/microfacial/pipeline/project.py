"""Where a data set's outputs and state lie, below the project's root, from which every command runs."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from microfacial.datasets import ClipsConfig
from microfacial.settings import read_section

PARAMS = Path("params.yaml")
STATE = Path(".microfacial")
VERSION_CACHE = STATE / "registry"  # registered versions that are downloaded from a remote store
Item = TypeVar("Item")


@dataclass(frozen=True)
class Project:
    """One data set of the project: the one that `clips` in params.yaml names."""

    clips: ClipsConfig

    @property
    def results(self) -> Path:
        """Outputs that DVC knows."""
        return Path("results") / self.clips.name

    @property
    def state(self) -> Path:
        """What only this machine knows: finished clips and folds, seconds."""
        return STATE / self.clips.name

    @property
    def sheets(self) -> Path:
        """Pages for people to look at, which may show faces: neither git nor DVC keeps them."""
        return Path("contact-sheets") / self.clips.name

    @property
    def frames(self) -> Path:
        """The root of the corpora, which frame paths are below."""
        return Path(self.clips.root)


def open_project() -> Project:
    """The project in the current folder.

    Raises:
        ConfigError: there is no params.yaml, or its clips section is wrong.
    """
    return Project(read_section(PARAMS, "clips", ClipsConfig))


def progress(items: Iterable[Item], stage: str, total: int | None = None, unit: str = "clip") -> "tqdm[Item]":
    """A bar on a terminal; a line every ten seconds in a log. Use it as a context, so that it ends its line."""
    interval = 0.1 if sys.stderr.isatty() else 10
    return tqdm(items, desc=stage, total=total, unit=unit, mininterval=interval, maxinterval=10)
