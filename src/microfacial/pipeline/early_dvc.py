"""Start DVC early: it imports its modules in a process of its own while this process checks the project.

The process that imports DVC is this module as a script. It runs the command only if it receives the word to start.
Until then it holds no lock, and it ends with this process.
"""

import logging
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module

from microfacial.pipeline.tools import start_module

_LOG = logging.getLogger(__name__)

RunDvc = Callable[[int], int]
_START = b"start"
_IMPORTED_LATER = (
    *(f"dvc.{name}" for name in ("cli.parser", "commands.repro", "lock", "scm", "stage.loader", "utils.strictyaml")),
    *(f"dvc.repo.{name}" for name in ("datasets", "index", "plots", "reproduce")),
    "networkx",
    "pyparsing",
)
"""Modules that `dvc repro` imports while it runs."""

_STOP_S = 5.0  # time that DVC has to stop after Ctrl-C


@contextmanager
def start_dvc(*arguments: str, environment: Mapping[str, str]) -> Iterator[RunDvc]:
    """Start a process that imports DVC and waits. It is killed at the end of the block if it was not used.

    DVC must be installed.

    Args:
        arguments: arguments of `dvc`.
        environment: further variables of its environment.

    Yields:
        A function that runs the command. It takes the file descriptor of a lock, which DVC holds too until it ends. It
        returns DVC's exit code.

    Raises:
        PipelineError: Python cannot be started.
    """
    here, there = socket.socketpair()
    with here, there:
        # The word `dvc` among the arguments shows other runs that this process holds DVC's locks.
        words = (str(there.fileno()), "dvc", *arguments)
        with start_module(__name__, *words, environment=environment, pass_fds=[there.fileno()]) as process:
            there.close()
            try:
                yield lambda lock: _run(here, process, lock, arguments)
            finally:
                if process.poll() is None:
                    process.kill()


def _run(connection: socket.socket, process: "subprocess.Popen[str]", lock: int, arguments: tuple[str, ...]) -> int:
    _LOG.debug("running %s", shlex.join(["dvc", *arguments]), extra={"prints_itself": True})
    with suppress(OSError):  # the process has ended already, and its exit code is no success
        socket.send_fds(connection, [_START], [lock])
    try:
        return process.wait()
    except KeyboardInterrupt:  # DVC receives Ctrl-C too, and removes its locks
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        raise


def _wait_and_run(connection: int, command: list[str]) -> int:
    """Import DVC, wait for the word to start, and run the command. Return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends an import without a traceback
    import dvc.cli

    for module in _IMPORTED_LATER:
        with suppress(ImportError):  # another release of DVC may not have it, and imports what it needs itself
            import_module(module)
    with socket.socket(fileno=connection) as stream:
        word, *_ = socket.recv_fds(stream, len(_START), 1)  # the lock that comes with it stays open until the end
    if word != _START:  # the other process has ended
        return 1
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = command
    return int(dvc.cli.main(command[1:]))


if __name__ == "__main__":
    sys.exit(_wait_and_run(int(sys.argv[1]), sys.argv[2:]))
