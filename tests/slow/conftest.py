"""Fixtures: complete checkouts, as a new user has them."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fakes import ROOT, TINY_PARAMS
from processes import MakeCheckout, dvc, git


def copy_tree(folder: Path) -> None:
    """Make a git checkout of the present files. Like a fresh clone, it has no data, no cache and no state."""
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for entry in filter(None, listed):
        target = folder / entry
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / entry, target, follow_symlinks=False)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Start")


@pytest.fixture
def checkout(tmp_path: Path) -> MakeCheckout:
    """Return a function that makes a fresh checkout with a name."""

    def make(name: str = "a clone") -> Path:
        copy_tree(tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def tiny_template(tmp_path_factory: pytest.TempPathFactory, tiny_demo: Path) -> Path:
    """Return a checkout whose committed data version is the tiny demo. Tests copy it and do not run in it."""
    folder = tmp_path_factory.mktemp("template") / "a clone"
    copy_tree(folder)
    (folder / "params.yaml").write_text(TINY_PARAMS)
    shutil.copytree(tiny_demo, folder / "data" / "demo")
    for name in ("data.dvc", "dvc.lock"):
        (folder / name).unlink()
    assert dvc(folder, "add", "data").returncode == 0
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Take the tiny demo")
    return folder


@pytest.fixture
def tiny_checkout(tmp_path: Path, tiny_template: Path) -> Path:
    """Return a checkout on the tiny demo. Tests run in it."""
    return Path(shutil.copytree(tiny_template, tmp_path / "a clone", symlinks=True))


@pytest.fixture
def no_strays(tmp_path: Path) -> Iterator[None]:
    """Kill the processes that still run in the folder of a test when it ends."""
    yield
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(tmp_path):
                process.kill()
        except (psutil.Error, OSError):  # the process has ended, or belongs to another user
            continue


@pytest.fixture
def unused_port() -> int:
    """Return a TCP port of this machine on which no program listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
