"""Answers to films that stand for the real ones in tests of the server. Worker processes import them by name."""

import os
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from microfacial.errors import DatasetError
from microfacial.inference.film_jobs import FilmJob


def answer_stub(job: FilmJob) -> list[Mapping[str, Any]]:
    """Return one row with facts about a job. The name of the model chooses a failure."""
    match job.model:
        case "sleep":
            Path(tempfile.mkdtemp(), "left.bin").write_bytes(b"0" * 1000)
            time.sleep(600)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "fault":
            raise KeyError("secret of the server")
        case "refuse":
            raise DatasetError(f"{job.path}: no face is visible\nin this film. Record it again")
        case "memory":
            np.ones(2**31, np.uint8)
        case "grow":
            return [{"clip": job.name, "bytes": np.ones(2**28, np.uint8).nbytes}]
        case "nan":
            return [{"clip": job.name, "score": float("nan")}]
    size = sum(path.stat().st_size for path in (job.path.iterdir() if job.path.is_dir() else [job.path]))
    row = {
        "clip": job.name,
        "file": job.path.name,
        "bytes": size,
        "fps": job.fps,
        "model": job.model,
        "process": os.getpid(),
        "as_page": job.as_page,
    }
    return [row]
