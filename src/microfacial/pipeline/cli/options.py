"""Options that several commands share, and the lock that every stage holds."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from microfacial.locks import exclusive_lock
from microfacial.pipeline.project import STATE, Project, open_project

REFUSED = 1
"""Exit code when the promotion rule refuses a challenger."""

USER_ERROR = 2
"""Exit code of an error that the user can repair."""


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


processes_option = click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=available_cores,
    envvar="MICROFACIAL_PROCESSES",
    show_default="all cores",
    help="Number of processes. It changes the time, not the results.",
)

fps_option = click.option(
    "--fps",
    type=click.FloatRange(min=0, min_open=True, max=100_000),
    help="Frames per second. Needed if the files do not contain it, or contain the speed of playback.",
)


@contextmanager
def locked_project() -> Iterator[Project]:
    """Open the project and hold its stage lock, so that two stages never write the same files at once.

    Yields:
        The project in the current folder.
    """
    project = open_project()
    with exclusive_lock(STATE / "stage.lock", "a stage of an earlier run"):
        yield project
