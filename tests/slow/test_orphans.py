"""Children of a command end when only the process of the command is killed."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from processes import ENVIRONMENT, find_descendants

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_strays")]


@pytest.fixture
def long_training(flow_checkout: Path) -> Path:
    """Return a checkout with the flow of the tiny demo, and a network that trains for minutes."""
    params = flow_checkout / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 3, patience: 3", "epochs: 5000, patience: 5000"))
    return flow_checkout


def wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def kill_only(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process, and assert that all its descendants end."""
    descendants = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(descendants, timeout=15)
    assert alive == []


@pytest.mark.parametrize("command", [("train", "roi_cnn"), ("study", "roi_cnn", "--workers", "2")])
def test_workers_of_a_killed_command_end(long_training: Path, command: tuple[str, ...]) -> None:
    if command[0] == "study":
        subjects = ", ".join(f"demo/sub0{number}" for number in (1, 2, 3))
        with (long_training / "params.yaml").open("a") as params:
            params.write(f"study: {{storage: sqlite, trials: 4, inner_folds: 3, tuning_subjects: [{subjects}]}}\n")
    process = start(long_training, *command, "--processes", "2")

    def count_busy() -> int:
        return len(find_descendants(process.pid, busy_seconds=4))

    wait_for(lambda: count_busy() >= (2 if command[0] == "train" else 1))
    kill_only(process)


def test_the_server_of_a_killed_page_ends_and_frees_its_port(tiny_checkout: Path, unused_port: int) -> None:
    process = start(tiny_checkout, "ui", "--port", str(unused_port))

    def is_served() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{unused_port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_for(is_served)
    time.sleep(1)  # the guard looks for children every half second
    kill_only(process)
    assert not is_served()


def start(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "microfacial", *arguments]
    with (folder / "run.log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log)
