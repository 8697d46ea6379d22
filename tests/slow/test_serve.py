"""The command `serve`: the documented request, films that are made to exhaust it, and a server that is killed."""

import json
import re
import shlex
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
import requests

from fakes import ROOT
from film_server import film_server, write_smiles
from microfacial.inference.answer import answer_film
from microfacial.inference.answer_table import event_rows
from microfacial.inference.answering_model import open_prior
from processes import find_descendants

pytestmark = pytest.mark.slow
PATIENCE = 300
MEGA = 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_smiles(folder / "clip.avi", "MJPG")
    (folder / "clip.avi").rename(folder / "clip.mp4")  # the type follows from the content
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    with film_server(folder, "serve", "--max-frames", "500", "--timeout", "100") as running:
        yield running


def documented_command(address: str) -> list[str]:
    text = (ROOT / "docs/guides/serve.md").read_text()
    block = re.search(r"<!-- curl -->\n```\n(.*?)```\n<!-- end curl -->", text, flags=re.S)
    assert block is not None
    assert "http://127.0.0.1:8000" in block[1]
    return shlex.split(block[1].replace("http://127.0.0.1:8000", address))


def test_the_documented_curl_command_answers_like_the_package(
    server: tuple[str, "subprocess.Popen[str]"], folder: Path
) -> None:
    done = subprocess.run(
        [*documented_command(server[0]), "--silent"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    content = json.loads(done.stdout)
    (folder / "clip.mp4").replace(folder / "clip.avi")
    expected = event_rows(replace(answer_film(folder / "clip.avi", open_prior()), source="clip.mp4"))
    (folder / "clip.avi").replace(folder / "clip.mp4")
    assert expected[0]["label"] is not None
    assert content["rows"] == json.loads(json.dumps(expected))
    assert "lie" in content["misuse"]
    assert list((folder / "temporary").glob("microfacial-*/*")) == []


def write_video(path: Path, frames: int, width: int, height: int) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (width, height))
    blank = np.zeros((height, width, 3), np.uint8)
    for _ in range(frames):
        writer.write(blank)
    writer.release()
    return path.read_bytes()


def tree_memory(process: psutil.Process) -> int:
    """Return the memory of a process and its children in MB. Shared memory counts once for each."""
    return sum(part.memory_info().rss for part in (process, *find_descendants(process.pid))) // MEGA


def test_films_that_exhaust_a_server_are_refused_and_their_memory_returns(
    server: tuple[str, "subprocess.Popen[str]"], folder: Path, tmp_path: Path
) -> None:
    address, process = server
    good = (folder / "clip.mp4").read_bytes()
    assert requests.post(f"{address}/predict", data=good, timeout=PATIENCE).status_code == 200
    parent = psutil.Process(process.pid)
    before = tree_memory(parent)

    liar = bytearray(write_video(tmp_path / "liar.avi", 3, 64, 64))
    for match in list(re.finditer(b"\xff\xc0", liar)):  # the frames themselves are larger than the header says
        struct.pack_into(">HH", liar, match.start() + 5, 60_000, 60_000)
    picture = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    struct.pack_into(">II", picture, 16, 60_000, 60_000)
    bombs: list[tuple[dict[str, tuple[str, bytes]], tuple[int, ...]]] = [
        ({"video": ("wide.avi", write_video(tmp_path / "wide.avi", 2, 4096, 4096))}, (413,)),
        ({"video": ("long.avi", write_video(tmp_path / "long.avi", 2000, 16, 16))}, (413,)),
        ({"video": ("liar.avi", bytes(liar))}, (413, 422)),
        ({"video": ("films.zip", b"PK\3\4" + b"\0" * MEGA)}, (415,)),
        ({"video": ("big.avi", b"RIFF" + b"\0" * 65 * MEGA)}, (413,)),
        ({"frames": ("a.png", bytes(picture))}, (413,)),
    ]
    for files, statuses in bombs:
        response = requests.post(f"{address}/predict", files=files, timeout=PATIENCE)
        assert response.status_code in statuses, response.text
        content = response.json()
        error = content["error"] if "error" in content else content["rows"][0]["error"]
        assert len(error.splitlines()) == 1
        assert str(folder) not in response.text
    end = time.monotonic() + 60
    while tree_memory(parent) > before + 64:
        assert time.monotonic() < end, f"{tree_memory(parent)} MB, {before} MB before"
        time.sleep(0.5)
    assert requests.post(f"{address}/predict", data=good, timeout=PATIENCE).status_code == 200
    assert list((folder / "temporary").glob("microfacial-*/*")) == []


def test_a_killed_server_leaves_no_process_and_the_next_one_deletes_its_files(tmp_path: Path) -> None:
    with film_server(tmp_path, "serve") as (address, process):
        assert requests.get(f"{address}/health", timeout=PATIENCE).status_code == 200
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.SIGKILL)
        process.wait()
    (left,) = (tmp_path / "temporary").glob("microfacial-server-*")
    psutil.wait_procs(children, timeout=60)
    assert not any(child.is_running() for child in children)
    with film_server(tmp_path, "serve") as (address, _):
        assert requests.get(f"{address}/health", timeout=PATIENCE).status_code == 200
        assert not left.exists()
    assert list((tmp_path / "temporary").glob("microfacial-server-*")) == []
