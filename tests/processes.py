"""Helpers for tests that run commands in other processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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


def git(folder: Path, *arguments: str) -> str:
    """Run git and return its output.

    Raises:
        CalledProcessError: git failed.
    """
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = execute(folder, "git", *identity, *arguments)
    done.check_returncode()
    return done.stdout
