"""Folders that the tests of one run share, whichever process builds them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from microfacial.locks import exclusive_lock


def build_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder that the first process of a test run builds. Other processes wait until it is complete.

    Args:
        factory: pytest's factory of temporary folders.
        name: name of the folder, unique among shared folders.
        build: creates the folder at the given path.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the folder of the run, which contains one folder per process
    folder, complete = base / name, base / f"{name}.complete"
    with exclusive_lock(base / f"{name}.lock", None):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)  # a build that failed in another process
            build(folder)
            complete.touch()
    return folder
