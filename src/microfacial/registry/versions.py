"""Choose a registered version, and compare the code in it with the installed package."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from microfacial.errors import PipelineError
from microfacial.tracking.model_versions import Alias, ModelVersionRecord, Registry

UNUSED_PACKAGES = ("pipeline", "registry", "report", "tracking", "tuning")
"""Packages whose code a prediction does not run."""

_PACKAGE = Path(__file__).parent.parent


def choose_version(registry: Registry, alias: Alias, version: int | None) -> ModelVersionRecord:
    """Return a version by its number, or by an alias.

    Args:
        registry: the registered model.
        alias: `champion` or `challenger`. Used if `version` is None.
        version: number of the version.

    Returns:
        The version.

    Raises:
        PipelineError: there is no such version, or the alias points to none.
    """
    if version is not None:
        return registry.get(version)
    target = registry.find(alias)
    if target is None:
        command = "microfacial promote" if alias == "champion" else "microfacial register MODEL"
        raise PipelineError(f"{registry.name} has no {alias}. Make one with `{command}`")
    return target


def has_current_code(folder: Path) -> bool:
    """Return whether the code in a version predicts as this package does, as far as the source files tell.

    Args:
        folder: folder of the version.
    """
    return _digest_code(folder / "code" / "microfacial", UNUSED_PACKAGES) == _digest_code(_PACKAGE, UNUSED_PACKAGES)


def _digest_code(package: Path, exclude: Collection[str]) -> str:
    """Return a digest of the Python files of a package, without the subpackages in `exclude`."""
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        if relative.parts[0] not in exclude:
            total.update(relative.as_posix().encode() + path.read_bytes())
    return total.hexdigest()
