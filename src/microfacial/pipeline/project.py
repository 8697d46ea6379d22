"""Folders of a project. Every command runs in the root folder of a project, and all paths are relative to it.

The command line imports this module before it knows the command, so libraries are imported when a project is opened.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # the help of the command line must not wait for the imports of the corpora
    from microfacial.datasets import ClipsConfig

PARAMS = Path("params.yaml")
STATE = Path(".microfacial")
RESULTS = Path("results")
VERSION_CACHE = STATE / "registry"  # copies of registered versions from a remote store

_OLD_RESULTS = Path("build")  # name of the folder until version 0.1


@dataclass(frozen=True)
class Project:
    """The current project and the data set that `clips` in params.yaml names.

    Attributes:
        clips: the section `clips` of params.yaml.
    """

    clips: "ClipsConfig"

    @property
    def results(self) -> Path:
        """Folder of the pipeline's outputs. DVC tracks it."""
        return RESULTS / self.clips.name

    @property
    def state(self) -> Path:
        """Folder of finished clips and folds, and of durations. It stays on this machine."""
        return STATE / self.clips.name

    @property
    def sheets(self) -> Path:
        """Folder of contact sheets. They can show faces, so neither git nor DVC tracks them."""
        return Path("contact-sheets") / self.clips.name

    @property
    def frames(self) -> Path:
        """Root folder of the corpora. The frame paths of clips are relative to it."""
        return Path(self.clips.root)


def open_project() -> Project:
    """Return the project in the current folder.

    Prints one line if the folder still has results under the name that earlier versions used.

    Raises:
        ConfigError: params.yaml does not exist, or its section `clips` is wrong.
    """
    from microfacial.datasets import ClipsConfig
    from microfacial.settings import read_section

    project = Project(read_section(PARAMS, "clips", ClipsConfig))
    old = _OLD_RESULTS / project.clips.name
    if (old / "clips.csv").exists() and not project.results.exists():
        click.echo(
            f"{old}/ is from an earlier version. Results are now in {RESULTS}/. Delete {_OLD_RESULTS}/, "
            f"or keep it with `mv {_OLD_RESULTS} {RESULTS}`",
            err=True,
        )
    return project
