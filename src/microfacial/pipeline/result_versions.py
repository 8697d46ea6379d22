"""Versions of the packages that results depend on."""

from pathlib import Path

from microfacial.errors import StorageError
from microfacial.source_code import OPENCV, find_installed

_PINS = Path("constraints.txt")
_PACKAGES = ("numpy", OPENCV, "pandas", "scikit-learn", "scipy", "torch")


def read_result_versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on, by name.

    They are the versions in constraints.txt if the project has this file, because pinned versions are the same on every
    machine. Otherwise they are the installed versions.

    Raises:
        StorageError: constraints.txt does not pin one of the packages.
    """
    if not _PINS.exists():
        installed = {name: find_installed(name) for name in _PACKAGES}
        return {name: package[1] if package else "unknown" for name, package in installed.items()}
    lines = _PINS.read_text(encoding="utf-8", errors="replace").splitlines()
    pinned = dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))
    for name in _PACKAGES:
        if name not in pinned:
            raise StorageError(f"{_PINS} does not pin {name}. Restore the file: `git checkout {_PINS}`")
    return {name: pinned[name] for name in _PACKAGES}
