"""Real commands in processes of their own."""

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
    """Run a command in a folder and capture what it prints."""
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout, check=False
    )


def microfacial(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run one of the package's commands."""
    return execute(folder, sys.executable, "-m", "microfacial", *arguments)


def dvc(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run DVC, with this environment's Python first on the path, as in an activated environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT['PATH']}"
    return execute(folder, "env", f"PATH={path}", "dvc", *arguments)


def git(folder: Path, *arguments: str) -> str:
    """Run git and return what it prints.

    Raises:
        CalledProcessError: git failed.
    """
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = execute(folder, "git", *identity, *arguments)
    done.check_returncode()
    return done.stdout
