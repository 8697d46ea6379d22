"""A registered version that MLflow serves: the documented commands, and clips that are made to exhaust the server."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import requests

from fakes import ROOT
from film_server import write_smiles
from microfacial.inference.answer import answer_clip, answer_film
from microfacial.inference.example_input import make_example_clip
from microfacial.inference.request import open_requested_clip
from microfacial.inference.served_answers import find_strongest_event, open_served_version
from microfacial.tracking.model_versions import Registry
from microfacial.tracking.store import connect
from mlflow_server import stop, wait_for_answer
from processes import ENVIRONMENT

pytestmark = pytest.mark.slow
NAME, ADDRESS = "tiny.casme2-4", "http://127.0.0.1:5001"
SCHEMA = "SCHEMA_VERSION = 1\n"
PATIENCE = 300
MEGA = 2**20


@dataclass(frozen=True)
class Served:
    """A server of a registered version.

    Attributes:
        folder: its current folder, a project. The video clip.mp4 lies in it.
        version: folder of the version.
        address: its address, without a slash at the end.
        process: the process that started it.
    """

    folder: Path
    version: Path
    address: str
    process: psutil.Process

    def post(self, *rows: dict[str, Any]) -> requests.Response:
        """Send clips."""
        return requests.post(f"{self.address}/invocations", json={"dataframe_records": rows}, timeout=PATIENCE)


def documented_command(name: str) -> str:
    text = (ROOT / "docs/registry.md").read_text()
    block = re.search(rf"<!-- {name} -->\n```\n(.*?)```\n<!-- end {name} -->", text, flags=re.S)
    assert block is not None
    return block[1]


@pytest.fixture(scope="module")
def served(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the champion with the documented command."""
    folder = tmp_path_factory.mktemp("served") / "a clone"
    shutil.copytree(trained, folder, symlinks=True)
    write_smiles(folder / "clip.avi", "MJPG")
    shutil.copy(folder / "clip.avi", folder / "clip.mp4")  # the type follows from the content
    version = Registry(connect(folder), NAME).fetch(1, folder / "cache")
    records = version / "code/microfacial/inference/film_answer.py"
    assert SCHEMA in records.read_text()
    records.write_text(records.read_text().replace(SCHEMA, "SCHEMA_VERSION = 7\n"))  # to recognise the version's code
    command = documented_command("mlflow serve").replace("demo.casme2-4", NAME)
    port = find_port()
    assert "5001" in command
    path = f"{Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT['PATH']}"
    (folder / "temporary").mkdir()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", command.replace("5001", str(port))],
            cwd=folder,
            env={**ENVIRONMENT, "PATH": path, "TMPDIR": str(folder / "temporary")},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for_answer(f"{address}/ping")
        yield Served(folder, version, address, psutil.Process(process.pid))
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGTERM)
        psutil.wait_procs(children, timeout=60)
        assert not any(child.is_running() for child in children)
    finally:
        stop(process)


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_documented_curl_command_answers_like_the_package(served: Served) -> None:
    command = documented_command("mlflow curl")
    assert ADDRESS in command
    done = subprocess.run(
        ["bash", "-c", command.replace(ADDRESS, served.address)],
        cwd=served.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    (row,) = json.loads(done.stdout)["predictions"]
    expected = answer_film(served.folder / "clip.avi", open_served_version(served.version))
    strongest = find_strongest_event(expected)
    assert strongest is not None
    assert row["label"] == strongest.label is not None
    assert {name: row[f"p_{name}"] for name in strongest.probabilities} == pytest.approx(
        strongest.probabilities, abs=1e-6
    )
    fields = json.loads(json.dumps(expected.to_dict()))
    fields |= {"schema": 7, "source": "the clip", "model": {**fields["model"], "version": f"{NAME}, version 1"}}
    assert row["answer"] == fields


def test_moments_are_recognised_as_in_training_and_a_failed_clip_does_not_stop_the_others(served: Served) -> None:
    example = make_example_clip()
    existing, missing = (str(served.folder / name) for name in ("params.yaml", "no such file"))
    rows = served.post(example, {"clip": existing}, {"clip": missing}).json()["predictions"]
    with open_requested_clip(example.pop("clip")) as path:
        model = open_served_version(served.version)
        expected = answer_clip(path, model, **example).events[0].probabilities
    assert {name: rows[0][f"p_{name}"] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert rows[0]["error"] is None
    assert rows[1] == rows[2]
    assert "base64" in rows[1]["error"]


def write_video(path: Path, frames: int, width: int, height: int) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 60.0, (width, height))
    blank = np.zeros((height, width, 3), np.uint8)
    for _ in range(frames):
        writer.write(blank)
    writer.release()
    return path.read_bytes()


def measure_memory(process: psutil.Process) -> dict[int, int]:
    """Return the memory of a process and of its descendants in MB, by the ids of processes."""
    sizes = {}
    for part in (process, *process.children(recursive=True)):
        try:
            sizes[part.pid] = part.memory_info().rss // MEGA
        except psutil.NoSuchProcess:  # the process of a clip has just ended
            continue
    return sizes


def test_clips_that_exhaust_a_server_are_refused_and_their_memory_returns(served: Served, tmp_path: Path) -> None:
    good = {"clip": base64.b64encode((served.folder / "clip.mp4").read_bytes()).decode()}
    assert served.post(good).status_code == 200
    before = measure_memory(served.process)

    liar = bytearray(write_video(tmp_path / "liar.avi", 3, 64, 64))
    for match in list(re.finditer(b"\xff\xc0", liar)):  # the frames themselves are larger than the header says
        struct.pack_into(">HH", liar, match.start() + 5, 60_000, 60_000)
    picture = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    struct.pack_into(">II", picture, 16, 60_000, 60_000)
    bombs: dict[str, tuple[bytes, str]] = {
        "wide": (write_video(tmp_path / "wide.avi", 2, 4096, 4096), "megapixels"),
        "long": (write_video(tmp_path / "long.avi", 3010, 16, 16), "frames"),
        "liar": (bytes(liar), "the clip"),
        "archive": (b"PK\3\4" + b"\0" * MEGA, "base64"),
        "big": (b"RIFF" + b"\0" * 65 * MEGA, "64 MB"),
        "map": (bytes(picture), "megapixels"),
    }
    rows: list[dict[str, Any]] = [{"clip": base64.b64encode(content).decode()} for content, _ in bombs.values()]
    reasons = [part for _, part in bombs.values()]
    rows.append({"frames": [rows[-1]["clip"]] * 5, "fps": 25})
    for row, reason in 3 * list(zip(rows, [*reasons, "megapixels"], strict=True)):  # a leak would grow three times
        response = served.post(row)
        assert response.status_code == 400, response.text
        message = response.json()["message"]
        assert len(message.splitlines()) == 1
        assert reason in message
        assert str(served.folder) not in response.text
    end = time.monotonic() + 60
    while True:
        after = measure_memory(served.process)
        lasting = before.keys() & after.keys()  # the processes of clips end
        # The body of the largest request, 87 MB of base64, stays until Python's garbage collector runs.
        if sum(after[pid] - before[pid] for pid in lasting) <= 128 and len(after) <= len(before) + 1:
            break
        assert time.monotonic() < end, f"{after} MB, {before} MB before"
        time.sleep(0.5)
    assert len(lasting) >= 3  # MLflow's command, its server, and the process that is copied
    assert served.post(good).json()["predictions"][0]["label"] is not None
    assert list((served.folder / "temporary").glob("microfacial-*")) == []
