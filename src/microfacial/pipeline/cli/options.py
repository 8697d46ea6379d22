"""Options that several commands share, and the lock that every stage holds."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from click.core import ParameterSource

from microfacial.locks import exclusive_lock
from microfacial.pipeline.project import PARAMS, STATE, Project, open_project

REFUSED = 1
"""Exit code when the promotion rule refuses a challenger."""

USER_ERROR = 2
"""Exit code of an error that the user can repair."""


class GivenPath(click.Path):
    """A path that is not empty. An empty variable of the shell would stand for the current folder."""

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Return the path.

        Args:
            value: text from the command line.
            param: the option.
            ctx: the command.

        Raises:
            BadParameter: the text is empty, or click refuses the path.
        """
        if not str(value):
            self.fail("the name is empty. Give one, or leave out the option", param, ctx)
        return super().convert(value, param, ctx)


class FiniteRange(click.FloatRange):
    """A range of numbers without nan, which every comparison of click lets pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number.

        Args:
            value: text from the command line or from the environment, or a default.
            param: the option.
            ctx: the command.

        Raises:
            BadParameter: the text is not a number in the range.
        """
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


processes_option = click.option(
    "--processes",
    type=click.IntRange(1, 1024),
    default=available_cores,
    envvar="MICROFACIAL_PROCESSES",
    show_default="all cores",
    help="Number of processes. It changes the time, not the results.",
)


def refuse_processes(option: str) -> None:
    """Refuse the option `--processes` where it has no effect. Its environment variable is for all commands.

    Args:
        option: the other option, which works in one process.

    Raises:
        UsageError: the user gave both.
    """
    if click.get_current_context().get_parameter_source("processes") == ParameterSource.COMMANDLINE:
        raise click.UsageError(f"--processes has no effect with {option}. Remove it")


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document. docs/command-line.md lists its fields."
)

frame_number = click.IntRange(0, 1_000_000_000)
"""Type of an option with the number of a frame."""

fps_option = click.option(
    "--fps",
    type=FiniteRange(1, 100_000),
    help="Frames per second. Needed if the files do not contain it, or contain the speed of playback.",
)


def open_checked_project() -> Project:
    """Open the project, after a check of all sections of params.yaml. So every command reports a misspelt key.

    dvc.yaml lists the sections on which a stage depends. A stage that DVC runs checks only these, and it starts faster.

    Returns:
        The project in the current folder.

    Raises:
        ConfigError: a section, key, type or bound is wrong.
    """
    project = open_project()
    if "DVC_STAGE" not in os.environ:
        from microfacial.pipeline.config import load  # imports torch

        load(PARAMS)
    return project


@contextmanager
def locked_project() -> Iterator[Project]:
    """Open the project and hold its stage lock, so that two stages never write the same files at once.

    Yields:
        The project in the current folder.
    """
    project = open_checked_project()
    with exclusive_lock(STATE / "stage.lock", "a stage of an earlier run"):
        yield project
