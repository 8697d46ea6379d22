"""File locks between processes. The operating system releases a lock when its last holder ends."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from microfacial.errors import PipelineError

_LOG = logging.getLogger(__name__)


@contextmanager
def exclusive_lock(path: Path, holder: str | None) -> Iterator[int]:
    """Hold a lock. Wait until it is free if another process holds it.

    Args:
        path: file of the lock. It is created if it is missing, and it is never deleted.
        holder: description of other holders for the message that is printed while waiting. None prints no message.

    Yields:
        The file descriptor of the lock. A child process that inherits it also holds the lock until it ends.

    Raises:
        PipelineError: the file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if holder:
                click.echo(f"{holder} is at work here: waiting until it ends (Ctrl-C to give up)")
            _LOG.debug("waiting for another process to release %s", path)
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:
            raise PipelineError(
                f"{path} cannot be locked ({error.strerror}). Move the project to a file system with locks, such as a "
                "local disk"
            ) from None
        yield stream.fileno()


def is_held(path: Path) -> bool:
    """Return whether any process, including this one, holds a lock.

    Args:
        path: file of the lock. It may be missing.
    """
    if not path.exists():
        return False
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
