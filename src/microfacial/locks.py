"""One at a time, across processes: locks that the operating system drops when their last holder ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


@contextmanager
def exclusive_lock(path: Path, what: str | None) -> Iterator[int]:
    """Hold the lock at `path`, waiting for it if need be, and say whom one waits for; None where it takes no time.

    Yields the file descriptor: a child process that inherits it holds the lock too, until it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if what:
                click.echo(f"{what} is at work here: waiting until it ends (Ctrl-C to give up)")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield stream.fileno()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock at `path`, this one included."""
    if not path.exists():
        return False
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
