"""Worker processes that end when the process that started them dies, even if it was killed.

The operating system does not end the children of a killed process. Each worker therefore compares its parent process
with the process that started it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Literal

import psutil
from joblib import Parallel, cpu_count

from microfacial.errors import ConfigError

_SECONDS = 0.5  # between two looks at the parent


def check_processes(processes: int | None) -> int:
    """Return the number of processes to use.

    Args:
        processes: number of processes. None means all cores.

    Raises:
        ConfigError: it is not a whole number from 1 to 1024.
    """
    if processes is None:
        return cpu_count()
    if type(processes) is not int or not 1 <= processes <= 1024:
        raise ConfigError(f"processes: must be a whole number from 1 to 1024, found {processes!r}")
    return processes


def make_parallel(
    processes: int, return_as: Literal["list", "generator_unordered"] = "generator_unordered"
) -> Parallel:
    """Return joblib's runner of tasks. Its worker processes end when this process dies.

    Args:
        processes: number of worker processes. One runs the tasks in this process.
        return_as: `generator_unordered` yields each result when it is ready; `list` returns all in the order of tasks.
    """
    return Parallel(n_jobs=processes, return_as=return_as, initializer=end_with_parent, initargs=(os.getpid(),))


def end_with_parent(parent: int) -> None:
    """End this process at once when its parent is no longer the process that started it.

    Args:
        parent: id of the process that started this process.
    """
    threading.Thread(target=_wait_for_end_of, args=(parent,), daemon=True, name="parent-watch").start()


def _wait_for_end_of(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)


def guard_children() -> None:
    """Start a process that ends all children of this process after this process has died.

    Grandchildren and later children count too. It is for programs whose children cannot watch their parent by
    themselves. The guard stays valid if this process replaces itself by another program.
    """
    command = [sys.executable, "-m", "microfacial.workers", str(os.getpid())]
    nothing = subprocess.DEVNULL
    subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)


def _end_orphans_of(parent: int) -> None:
    """Remember the descendants of the parent of this process. When the parent has died, end them."""
    for number in (signal.SIGINT, signal.SIGHUP):  # sent to all processes of a terminal
        signal.signal(number, signal.SIG_IGN)
    descendants: list[psutil.Process] = []
    while os.getppid() == parent:
        try:
            children = psutil.Process(parent).children(recursive=True)
        except psutil.NoSuchProcess:
            break
        descendants = [child for child in children if child.pid != os.getpid()]
        time.sleep(_SECONDS)
    for process in descendants:
        try:
            process.terminate()  # psutil recognises a later process with the same id
        except psutil.NoSuchProcess:
            continue


if __name__ == "__main__":
    _end_orphans_of(int(sys.argv[1]))
