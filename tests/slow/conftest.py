"""Fixtures: complete checkouts, as a new user has them."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, sync_playwright

import chromium
from fakes import ROOT, TINY_PARAMS
from processes import MakeCheckout, dvc, git, microfacial
from shared_folders import build_once


def copy_tree(folder: Path, leave_out: tuple[str, ...] = ()) -> None:
    """Make a git checkout of the present files. Like a fresh clone, it has no data, no cache and no state.

    Args:
        folder: folder of the checkout.
        leave_out: beginnings of the paths of files that are not copied.
    """
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for entry in (path for path in listed if path and not path.startswith(leave_out)):
        target = folder / entry
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / entry, target, follow_symlinks=False)
    git(folder, "init", "--quiet")
    commit(folder, "Start")


def commit(folder: Path, message: str) -> None:
    """Commit all files."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


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

    def build(folder: Path) -> None:
        copy_tree(folder, ("benchmarks/", "docs/", "tests/"))  # no command reads them, and every test copies the rest
        (folder / "params.yaml").write_text(TINY_PARAMS)
        shutil.copytree(tiny_demo, folder / "data" / "demo")
        for name in ("data.dvc", "dvc.lock"):
            (folder / name).unlink()
        assert dvc(folder, "add", "data").returncode == 0
        commit(folder, "Take the tiny demo")

    return build_once(tmp_path_factory, "a clone", build)


@pytest.fixture(scope="session")
def flow_template(tmp_path_factory: pytest.TempPathFactory, tiny_template: Path) -> Path:
    """Return a checkout on the tiny demo in which DVC ran the stages up to the flow. Tests do not run in it."""

    def build(folder: Path) -> None:
        shutil.copytree(tiny_template, folder, symlinks=True)
        done = dvc(folder, "repro", "flow")
        assert done.returncode == 0, done.stdout + done.stderr
        commit(folder, "Compute the flow")

    return build_once(tmp_path_factory, "a clone with flow", build)


@pytest.fixture(scope="session")
def finished_template(tmp_path_factory: pytest.TempPathFactory, flow_template: Path) -> Path:
    """Return a checkout on the tiny demo in which DVC ran all stages. Tests copy it and do not run in it."""

    def build(folder: Path) -> None:
        shutil.copytree(flow_template, folder, symlinks=True)
        done = dvc(folder, "repro")
        assert done.returncode == 0, done.stdout + done.stderr
        commit(folder, "Train and report")

    return build_once(tmp_path_factory, "a finished clone", build)


@pytest.fixture(scope="session")
def trained(finished_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with trained models, one of which is the champion. Tests copy it and do not run in it."""

    def build(root: Path) -> None:
        shutil.copytree(finished_template, root, symlinks=True)
        with (root / "params.yaml").open("a") as params:
            params.write("registry: {min_subjects: 2, latency_ratio: 100}\n")
        for command in (["register", "roi_cnn"], ["promote", "--bootstrap"]):
            done = microfacial(root, *command)
            assert done.returncode == 0, done.stdout + done.stderr

    return build_once(tmp_path_factory, "a clone with a champion", build)


@pytest.fixture
def tiny_checkout(tmp_path: Path, tiny_template: Path) -> Path:
    """Return a checkout on the tiny demo. Tests run in it."""
    return Path(shutil.copytree(tiny_template, tmp_path / "a clone", symlinks=True))


@pytest.fixture
def flow_checkout(tmp_path: Path, flow_template: Path) -> Path:
    """Return a checkout on the tiny demo with committed results up to the flow. Tests run in it."""
    return Path(shutil.copytree(flow_template, tmp_path / "a clone", symlinks=True))


@pytest.fixture
def finished_checkout(tmp_path: Path, finished_template: Path) -> Path:
    """Return a checkout on the tiny demo with committed results of all stages. Tests run in it."""
    return Path(shutil.copytree(finished_template, tmp_path / "a clone", symlinks=True))


@pytest.fixture
def no_strays(tmp_path: Path) -> Iterator[None]:
    """Kill the processes that still run in the folder of a test when it ends.

    The process of the test itself may still be in that folder, because it returns to its own folder later.
    """
    yield
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and Path(process.cwd()).is_relative_to(tmp_path):
                process.kill()
        except (psutil.Error, OSError):  # the process has ended, or belongs to another user
            continue


@pytest.fixture
def unused_port() -> int:
    """Return a TCP port of this machine on which no program listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium without a window. A process can start Playwright only once, so all pages share the browser.

    Without Chromium the tests fail, and the message names the remedy.
    """
    path = chromium.find()
    if path is None:
        pytest.fail(f"{chromium.REMEDY} (`make browser` does it as root on Debian)", pytrace=False)
    with sync_playwright() as playwright:
        # Without this option, root cannot start Chromium.
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()
