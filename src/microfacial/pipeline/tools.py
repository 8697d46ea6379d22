"""Run git, DVC and other modules of this environment. A program that cannot start becomes an error of one line."""

import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microfacial.errors import PipelineError
from microfacial.pipeline.extras import EXTRAS, require_extras

_LOG = logging.getLogger(__name__)

_NO_PYTHON = "Install Python again"

Completed = subprocess.CompletedProcess[str]


def run_git(*arguments: str) -> Completed:
    """Run git and capture its output. The caller decides which exit codes are answers.

    Args:
        arguments: arguments of git.

    Raises:
        PipelineError: git is not installed or may not be executed.
    """
    return _run(["git", *arguments], "git", "Install it with your system's package manager", capture_output=True)


def run_module(module: str, *arguments: str, step: str = "", **options: Any) -> Completed:
    """Run a Python module of this environment, such as `dvc`.

    The stages that DVC starts find the `python` of this environment first on their path.

    Args:
        module: name of the module.
        arguments: arguments of the module.
        step: what the module does, for the line about a long wait. The default is the command.
        options: options of `subprocess.run`.

    Raises:
        PipelineError: Python cannot be started.
        MissingExtraError: the module belongs to an extra that is not installed.
    """
    if module in EXTRAS:
        require_extras(module)
    return _run(
        [sys.executable, "-m", module, *arguments], module, _NO_PYTHON, step, env=_stage_environment(), **options
    )


def start_module(
    module: str, *arguments: str, environment: Mapping[str, str], **options: Any
) -> "subprocess.Popen[str]":
    """Start a Python module of this environment, and do not wait for its end. Nothing is logged.

    Args:
        module: name of the module.
        arguments: arguments of the module.
        environment: further variables of its environment.
        options: options of `subprocess.Popen`.

    Raises:
        PipelineError: Python cannot be started.
    """
    try:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            text=True,
            env={**_stage_environment(), **environment},
            **options,
        )
    except OSError as error:
        raise _cannot_start(module, error, _NO_PYTHON) from None


def _stage_environment() -> dict[str, str]:
    """Return the environment in which `python` is the Python of this process."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path}


def reason(output: str) -> str:
    """Return the last line of a program's error output without the name of an exception class.

    Args:
        output: text on stderr. A Python traceback ends with the error, which is the line that helps.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return re.sub(r"^(fatal|error|ERROR|[\w.]+(Error|Exception)): ", "", lines[-1]) if lines else "no message"


def _run(command: Sequence[str], name: str, remedy: str, step: str = "", **options: Any) -> Completed:
    prints_itself = not options.get("capture_output", False)
    _LOG.debug("%s", step or f"running {shlex.join([name, *command[-2:]])}", extra={"prints_itself": prints_itself})
    try:
        return subprocess.run(command, check=False, text=True, errors="replace", **options)
    except OSError as error:
        raise _cannot_start(name, error, remedy) from None


def _cannot_start(name: str, error: OSError, remedy: str) -> PipelineError:
    return PipelineError(f"{name} cannot be started ({error.strerror or error}). {remedy}")
