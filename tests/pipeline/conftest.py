import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def project_with_flow(project: Path, computed: Path) -> Path:
    """Return a project on the tiny demo that is computed up to the flow. Tests train models in it."""
    shutil.copytree(computed / "results", project / "results")
    return project


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """React to signals as a program in a terminal does. A program in the background ignores some of them."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
