"""Answer one film within limits of size, length and memory.

Servers import this module too, so functions import their libraries when they run in a worker process.
"""

import json
import logging
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from microfacial.errors import DatasetError, TooLargeError
from microfacial.inference.request_limits import RequestLimits
from microfacial.workers import end_with_parent

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FilmJob:
    """A film that a request sent.

    Attributes:
        name: name of the film in the answer. It is not the name of a file on this machine.
        path: temporary file of the film, or temporary folder of its frames.
        fps: frames per second; None means those of the file.
        model: name of a model that the server offers; empty if it has only one.
        as_page: whether the answer also contains what the web page shows.
        moments: `onset`, `apex` and `offset`, the numbers of frames, as far as they are given.
    """

    name: str
    path: Path
    fps: float | None
    model: str = ""
    as_page: bool = False
    moments: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FilmOutcome:
    """The result of one film.

    Attributes:
        status: status code of an answer with this film only, as HTTP defines it.
        rows: rows of the answer, each as JSON. If the film failed, one row with `error`, a reason in one line.
    """

    status: int
    rows: tuple[str, ...]


AnswerFilm = Callable[[FilmJob], Sequence[Mapping[str, Any]]]
"""Return the rows of the answer to a film. It runs in a worker process, so it must be importable by its name."""


def prepare_worker(memory_bytes: int, modules: Sequence[str]) -> None:
    """Prepare a worker process: it ends with the server, decodes on one core, and can use only part of the memory.

    Args:
        memory_bytes: limit of the memory that this process can reserve for data. Only Linux enforces it.
        modules: modules to import before the first film arrives.
    """
    import cv2

    for module in modules:
        import_module(module)
    end_with_parent(os.getppid())
    cv2.setNumThreads(1)
    if sys.platform == "linux":
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def run_in_worker(answer: AnswerFilm, job: FilmJob, limits: RequestLimits) -> FilmOutcome:
    """Answer one film in a worker process. Temporary files of a process that is ended are deleted with the request.

    Args:
        answer: see `run_job`.
        job: see `run_job`.
        limits: see `run_job`.
    """
    tempfile.tempdir = str(job.path.parent)
    return run_job(answer, job, limits)


def run_job(answer: AnswerFilm, job: FilmJob, limits: RequestLimits) -> FilmOutcome:
    """Answer one film. Every failure becomes one line.

    Args:
        answer: returns the answer.
        job: the film.
        limits: limits of the film.

    Returns:
        The outcome. Its content names no file of this machine.
    """
    from microfacial.inference.film_checks import check_film

    try:
        check_film(job.path, limits, job.fps)
        rows = (json.dumps(dict(row), allow_nan=False, ensure_ascii=False) for row in answer(job))
        return FilmOutcome(status=200, rows=tuple(rows))
    except DatasetError as error:  # other errors of the package are about files of the server
        shown = str(error).replace(str(job.path), job.name).replace(f"{job.path.parent}{os.sep}", "")
        reason = " ".join(shown.split())
        return fail(job.name, 413 if isinstance(error, TooLargeError) else 422, reason)
    except MemoryError:
        return fail(job.name, 413, f"{job.name} needs too much memory. Send a smaller or shorter film")
    except Exception:  # noqa: BLE001 - the sender must not get a traceback
        _LOG.exception("a film could not be answered")
        return fail(job.name, 500, f"{job.name}: the server failed on this film. Its log has the reason")


def fail(name: str, status: int, reason: str) -> FilmOutcome:
    """Return the outcome of a film that failed.

    Args:
        name: name of the film.
        status: status code.
        reason: the reason in one line.
    """
    return FilmOutcome(status=status, rows=(json.dumps({"clip": name, "error": reason}, ensure_ascii=False),))
