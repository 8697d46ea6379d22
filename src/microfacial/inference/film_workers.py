"""Worker processes that answer films. A process that takes too long is ended, and a new one replaces it."""

import asyncio
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from multiprocessing import forkserver

from pebble import ProcessExpired, ProcessPool

from microfacial.errors import RequestError
from microfacial.inference.film_jobs import AnswerFilm, FilmJob, FilmOutcome, fail, prepare_worker, run_in_worker
from microfacial.inference.request_limits import RequestLimits

_LONGEST_SOCKET_FOLDER = 70  # characters; multiprocessing adds 32


class FilmWorkers:
    """Processes that answer films, one process for each film at a time.

    Each process answers one film and ends, so the memory of a film is always returned. New processes wait for the next
    films. On Linux they are copies of a process that has imported the libraries, and start in a fraction of a second.

    Args:
        answer: returns the answer to a film. It runs in the processes.
        limits: limits of a film.
        processes: number of films that are answered at the same time.
        modules: modules that a process imports before its film arrives.

    Attributes:
        start_method: how `multiprocessing` starts the processes.
    """

    def __init__(self, answer: AnswerFilm, limits: RequestLimits, processes: int, modules: Sequence[str]) -> None:
        self.start_method = "forkserver" if _can_copy_processes() else "spawn"
        context = multiprocessing.get_context(self.start_method)
        context.set_forkserver_preload(list(modules))
        self._answer, self._limits, self._pending = answer, limits, 0
        self._lock = threading.Lock()  # several threads can use the same processes
        self._pool = ProcessPool(
            max_workers=processes,
            max_tasks=1,
            initializer=prepare_worker,
            initargs=(limits.memory_bytes, modules),
            context=context,
        )

    def start(self) -> None:
        """Start the processes, so that the first film does not wait for the imports."""
        if self.start_method == "forkserver":
            _start_fork_server()
        self._pool.schedule(os.getpid)

    async def answer_all(self, jobs: Sequence[FilmJob], seconds: float | None = None) -> list[FilmOutcome]:
        """Answer several films at the same time.

        If the caller is cancelled, the processes of these films end.

        Args:
            jobs: the films.
            seconds: time for all films together; None for no limit. Films that are not answered in time fail.

        Returns:
            One outcome for each film, in the same order.

        Raises:
            RequestError: too many films are waiting.
        """
        with self._lock:
            if self._pending + len(jobs) > self._limits.waiting:
                raise RequestError(f"the server is busy with {self._pending} films. Try again later", 503)
            self._pending += len(jobs)
        try:
            return list(await asyncio.gather(*(self._answer_one(job, seconds) for job in jobs)))
        finally:
            with self._lock:
                self._pending -= len(jobs)

    async def _answer_one(self, job: FilmJob, seconds: float | None) -> FilmOutcome:
        arguments = (self._answer, job, self._limits)
        future = self._pool.schedule(run_in_worker, args=arguments, timeout=self._limits.seconds)
        allowed = min(self._limits.seconds, seconds or self._limits.seconds)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        except FutureTimeoutError:
            reason = f"{job.name} takes more than {allowed:g} s to answer. Send a shorter film, or fewer at once"
            return fail(job.name, 413, reason)
        except ProcessExpired:  # the operating system ended it, or the decoder crashed
            reason = f"{job.name} needs too much memory, or crashes the decoder. Send a smaller film, or convert it"
            return fail(job.name, 413, reason)

    def close(self) -> None:
        """End all processes at once."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def _can_copy_processes() -> bool:
    """Return whether new processes can be copies of one that has imported the libraries.

    A copied process can crash in the libraries of macOS. On Linux, the socket to that process lies in the folder of
    temporary files, and its address has at most 107 characters.
    """
    return sys.platform == "linux" and len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_SOCKET_FOLDER


def _start_fork_server() -> None:
    """Start the process that is copied. It imports the same packages as this process, from the same folders.

    MLflow adds the folder of a version's code to `sys.path`. The new process would otherwise import the package that is
    installed in the environment.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
