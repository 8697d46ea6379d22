"""Helpers for tests that run commands in other processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

MakeCheckout = Callable[..., Path]
ENVIRONMENT = {
    key: value for key, value in os.environ.items() if key not in ("MLFLOW_TRACKING_URI", "MICROFACIAL_PROCESSES")
}


def execute(folder: Path, *command: str, timeout: float = 900) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder and capture its output."""
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout, check=False
    )


def microfacial(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of this package."""
    return execute(folder, sys.executable, "-m", "microfacial", *arguments)


def dvc(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run DVC in an activated environment. Its stages run the code of the checkout, and not the installed package."""
    path = f"PATH={Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT['PATH']}"
    return execute(folder, "env", path, f"PYTHONPATH={folder / 'src'}", "dvc", *arguments)


def find_descendants(pid: int, word: str = "", busy_seconds: float = 0.0) -> list[psutil.Process]:
    """Return the descendants of a process that still run.

    Args:
        pid: id of the process.
        word: part of their command line.
        busy_seconds: least time of the processor that they have used.
    """
    descendants = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended; git, for example, runs for an instant
            if word in " ".join(child.cmdline()) and child.cpu_times().user >= busy_seconds:
                descendants.append(child)
    return descendants


def git(folder: Path, *arguments: str) -> str:
    """Run git and return its output.

    Raises:
        CalledProcessError: git failed.
    """
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = execute(folder, "git", *identity, *arguments)
    done.check_returncode()
    return done.stdout
