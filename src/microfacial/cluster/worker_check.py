"""Check on a worker that its results equal those of the process that sends the tasks."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from distributed import get_worker

from microfacial.errors import PipelineError
from microfacial.source_code import PACKAGE, find_installed, package_digest


@dataclass(frozen=True)
class Expected:
    """What each worker must have in common with the process that sends the tasks.

    Attributes:
        code: digest of this package.
        versions: versions of Python and of the packages that results depend on, by name.
    """

    code: str
    versions: tuple[tuple[str, str], ...]


def describe_here(packages: Mapping[str, str]) -> Expected:
    """Describe this process.

    Args:
        packages: packages that results depend on, as keys. The installed versions are compared.
    """
    return Expected(code=_own_code(), versions=_own_versions(tuple(packages)))


def check_worker(expected: Expected) -> None:
    """Check the worker that runs the current task.

    Args:
        expected: the process that sends the tasks.

    Raises:
        PipelineError: the worker has other code or other versions, or runs several tasks at once.
    """
    worker = get_worker()
    where = f"the worker {worker.name} on {platform.node()}"
    if worker.state.nthreads != 1:
        raise PipelineError(
            f"{where} runs {worker.state.nthreads} tasks at once, and its results would depend on their order. "
            "Start it with `dask worker --nthreads 1 --nworkers N`"
        )
    own = dict(_own_versions(tuple(name for name, _ in expected.versions if name != "python")))
    different = [
        f"{name} {own[name]} instead of {version}" for name, version in expected.versions if own[name] != version
    ]
    if different:
        raise PipelineError(f"{where} has {', '.join(different)}. Install the same versions on all machines")
    if _own_code() != expected.code:
        raise PipelineError(f"{where} has other code of microfacial. Install the same commit on all machines")


@cache
def _own_versions(packages: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    installed = {name: find_installed(name) for name in packages}
    versions = {name: entry[1] if entry else "none" for name, entry in installed.items()}
    return (("python", ".".join(platform.python_version_tuple()[:2])), *versions.items())


@cache
def _own_code() -> str:
    return package_digest(PACKAGE)
