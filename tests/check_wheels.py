"""Check that the pins in constraints.txt are wheels for each supported Python. It needs the network and 1 GB of disk.

    python tests/check_wheels.py [3.11 3.12 3.13]

pip downloads every pin except PyTorch, whose wheel for Linux has the size of all others together. pip's index says
whether it exists. Packages that are published as source only are listed below.
"""

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
NOT_DOWNLOADED = "torch"
SOURCE_ONLY = {"antlr4-python3-runtime": "pure Python; DVC needs it through omegaconf"}


def main(versions: Sequence[str]) -> int:
    """Check all pins for some versions of Python, such as 3.12. Return the exit code: 1 if a pin has no wheel."""
    pins = [Requirement(line) for line in read_lines(ROOT / "constraints.txt")]
    unknown = {canonicalize_name(line.name) for line in read_requirements()} - {
        canonicalize_name(pin.name) for pin in pins
    }
    for name in sorted(unknown):
        print(f"pyproject.toml requires {name}, and constraints.txt does not pin it")
    failures = [version for version in versions or supported_versions() if not check_version(version, pins)]
    return 1 if failures or unknown else 0


def check_version(version: str, pins: Sequence[Requirement]) -> bool:
    """Return whether all pins have wheels for a version of Python, and print the result."""
    target = ["--python-version", version, "--only-binary", ":all:"]
    downloaded = [str(pin) for pin in pins if pin.name not in {NOT_DOWNLOADED, *SOURCE_ONLY}]
    with tempfile.TemporaryDirectory() as folder:
        done = run_pip("download", "--quiet", "--no-deps", *target, "--dest", folder, *downloaded)
        count = len(list(Path(folder).glob("*.whl")))
    if done.returncode != 0 or count != len(downloaded):
        print(f"Python {version}: {done.stderr.strip()}")
        return False
    (torch,) = (pin for pin in pins if pin.name == NOT_DOWNLOADED)
    wanted = str(torch.specifier).removeprefix("==")
    done = run_pip("index", "versions", NOT_DOWNLOADED, *target)
    listed = done.stdout.partition("Available versions: ")[2].partition("\n")[0].split(", ")
    if wanted not in {entry.partition("+")[0] for entry in listed}:
        print(f"Python {version}: {NOT_DOWNLOADED} {wanted} has no wheel. There are: {', '.join(listed)}")
        return False
    print(f"Python {version}: {count} wheels downloaded, {torch} in the index, from source: {', '.join(SOURCE_ONLY)}")
    return True


def read_requirements() -> list[Requirement]:
    """Return the requirements of the package and of its extras that belong to other projects."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    return [requirement for requirement in map(Requirement, lines) if requirement.name != "microfacial"]


def supported_versions() -> list[str]:
    """Return the versions of Python in the classifiers of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [line.rpartition(" ")[2] for line in project["classifiers"] if line.startswith("Programming Language")]


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file without comments."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def run_pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the pip of this environment."""
    command = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
