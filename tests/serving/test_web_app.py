"""The server with stub answers: what it accepts, what it refuses, and what stays afterwards."""

import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import requests
import uvicorn

from microfacial.inference.film_workers import FilmWorkers
from microfacial.inference.request_limits import RequestLimits
from microfacial.serving import web_app
from microfacial.serving.offered_models import OfferedModel
from microfacial.serving.web_app import ServerPlan, make_web_app
from stub_answers import answer_stub

get_temp_dir()  # so that the folder of `multiprocessing` does not lie in that of a test
PATIENCE = 300  # seconds; a busy machine needs long for the first answer
LIMITS = RequestLimits(upload_bytes=2**20, frames=40, pixels=64 * 64, film_seconds=3, films=3, seconds=60, waiting=3)
MODELS = ("echo", "sleep", "crash", "fault", "refuse", "memory", "grow", "nan")


class RunningServer:
    """A server in a thread of this process."""

    def __init__(self, folder: Path, limits: RequestLimits, with_page: bool = True) -> None:
        models = [OfferedModel(name=name, title=f"model {name}", card=f"# {name}") for name in MODELS]
        self.plan = ServerPlan(
            answer=answer_stub, models=models, limits=limits, host="127.0.0.1", processes=2, with_page=with_page
        )
        config = uvicorn.Config(make_web_app(self.plan), port=0, log_level="warning", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        (self.folder,) = folder.glob("microfacial-server-*")

    def post(self, model: str = "echo", **options: Any) -> requests.Response:
        options.setdefault("timeout", PATIENCE)
        return requests.post(f"{self.address}/predict", params={"model": model}, **options)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    yield from run_server(tmp_path_factory.mktemp("temporary"), LIMITS)


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    yield from run_server(tmp_path_factory.mktemp("temporary"), replace(LIMITS, seconds=1))


def run_server(folder: Path, limits: RequestLimits) -> Iterator[RunningServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setattr(web_app, "_WORKER_MODULES", ("microfacial.inference.film_checks",))  # stubs need no network
        running = RunningServer(folder, limits)
        yield running
        running.stop()
        assert list(folder.glob("microfacial-*")) == []


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_film(tmp_path_factory.mktemp("film") / "film.avi", 20)


def write_film(path: Path, frames: int, side: int = 32, fps: float = 25.0) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (side, side))
    for _ in range(frames):
        writer.write(np.zeros((side, side, 3), np.uint8))
    writer.release()
    return path.read_bytes()


def picture(side: int = 32, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, np.zeros((side, side, 3), np.uint8))[1].tobytes()


def read_error(response: requests.Response, status: int) -> str:
    """Return the only line of a refusal."""
    assert response.status_code == status, response.text
    content = response.json()
    error = content["error"] if "error" in content else content["rows"][0]["error"]
    assert "\n" not in error
    assert str(tempfile.gettempdir()) not in response.text
    return str(error)


# --- accepted requests ------------------------------------------------------------------------------------------------


def test_a_video_is_accepted_as_a_file_of_a_form_and_as_the_body(server: RunningServer, film: bytes) -> None:
    form = server.post(files={"video": ("my clip.avi", film)}, data={"fps": "200"})
    assert form.status_code == 200
    assert form.json()["rows"][0] == {
        "clip": "my clip.avi",
        "file": "0.avi",
        "bytes": len(film),
        "fps": 200.0,
        "model": "echo",
        "process": form.json()["rows"][0]["process"],
        "as_page": False,
    }
    for headers in ({}, {"Content-Type": "video/x-msvideo"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        body = server.post(data=film, headers=headers)
        assert [(row["clip"], row["bytes"]) for row in body.json()["rows"]] == [("film", len(film))]


def test_frames_become_one_film_in_the_order_of_the_form(server: RunningServer) -> None:
    frames = [("frames", (f"{name}.png", picture())) for name in ("9", "10", "../../up")]
    response = server.post(files=frames, data={"fps": "25"})
    (row,) = response.json()["rows"]
    assert (row["clip"], row["file"], row["bytes"], row["fps"]) == ("film", "frames", 3 * len(picture()), 25.0)


def test_several_videos_are_answered_by_several_processes_in_their_order(server: RunningServer, film: bytes) -> None:
    videos = [("video", (f"{number}.avi", film)) for number in range(3)]
    rows = server.post(files=videos).json()["rows"]
    assert [row["clip"] for row in rows] == ["0.avi", "1.avi", "2.avi"]
    assert len({row["process"] for row in rows}) == 3
    assert os.getpid() not in {row["process"] for row in rows}


def test_one_damaged_video_does_not_stop_the_others(server: RunningServer, film: bytes) -> None:
    response = server.post(files=[("video", ("good.avi", film)), ("video", ("bad.avi", film[:200]))])
    assert response.status_code == 200
    good, bad = response.json()["rows"]
    assert good["bytes"] == len(film)
    assert bad["error"].startswith("bad.avi ")


def test_health_models_and_limits_are_reported(server: RunningServer) -> None:
    assert requests.get(f"{server.address}/health", timeout=9).json()["status"] == "ok"
    content = requests.get(f"{server.address}/model", timeout=9).json()
    assert content["default"] == "echo"
    assert content["models"][1] == {"name": "sleep", "title": "model sleep", "card": "# sleep"}
    assert content["limits"] == {
        "megabytes": 1.0,
        "megapixels": 0.004096,
        "frames": 40,
        "film_seconds": 3,
        "films": 3,
        "seconds": 60,
    }


# --- refused requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 415),
        (b"/etc/passwd", 415),
        (b"https://example.org/film.mp4", 415),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", 415),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", 415),
        (b"PK\3\4" + b"0" * 100, 415),
        (b"\x80\4\x95 a pickle", 415),
        (json.dumps({"video": "/etc/passwd"}).encode(), 415),
        (b"RIFF\4\0\0\0AVI ", 422),
        (b"\0\0\0\x18ftypisom" + b"0" * 12, 422),
        (b"GIF89a", 422),
        (b"0" * (2**20 + 1), 413),
    ],
)
def test_a_body_that_is_no_film_is_refused(server: RunningServer, content: bytes, status: int) -> None:
    error = read_error(server.post(data=content), status)
    assert "passwd" not in error
    assert "example.org" not in error


def test_a_body_that_announces_no_length_is_refused_when_it_is_too_large(server: RunningServer) -> None:
    piece = b"RIFF" + b"0" * 2**16
    with socket.create_connection(("127.0.0.1", server.port), timeout=9) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(17):
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")  # the body has not ended
    assert list(server.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "status", "word"),
    [
        ({"files": {"video": (None, "/etc/passwd")}}, 400, "video is a text"),
        ({"files": {"frames": (None, "file:///etc/passwd")}}, 400, "frames is a text"),
        ({"files": {"film": ("a.avi", b"RIFF")}}, 400, "'film'"),
        ({"files": {"video": ("a.avi", b"RIFF"), "url": (None, "http://x")}}, 400, "'url'"),
        ({"files": {"video": ("a.avi", b"RIFF"), "model": (None, "echo")}}, 400, "model is given twice"),
        ({"files": {"fps": (None, "25")}}, 400, "video"),
        ({"files": {"video": ("a.zip", b"PK\3\4")}}, 415, "a.zip"),
        ({"files": {"frames": ("a.txt", b"text")}}, 415, "a.txt"),
        ({"files": {"frames": ("a.avi", b"RIFF")}}, 415, "a.avi"),
        ({"files": [("video", ("a.avi", b"RIFF"))] * 4}, 413, "4 videos"),
        ({"files": [("frames", ("a.png", b"\x89PNG"))] * 41}, 413, "40 frames"),
        ({"files": [("frames", ("a.png", b"\x89PNG"))] * 99}, 413, "40"),
        ({"data": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
        ({"data": b"\0\1", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400, "form"),
    ],
)
def test_a_form_with_wrong_fields_is_refused(
    server: RunningServer, options: dict[str, Any], status: int, word: str
) -> None:
    error = read_error(server.post(**options), status)
    assert word in error
    assert "passwd" not in error


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("model=other", "'other'"),
        ("model=../../bundle", "echo"),
        ("model=models:/demo@champion", "echo"),
        ("fps=fast", "'fast'"),
        ("fps=nan", "'nan'"),
        ("fps=inf", "'inf'"),
        ("path=/etc/passwd", "'path'"),
        ("fps=1&fps=2", "twice"),
    ],
)
def test_a_wrong_option_is_refused(server: RunningServer, film: bytes, query: str, word: str) -> None:
    response = requests.post(f"{server.address}/predict?{query}", data=film, timeout=60)
    assert word in read_error(response, 400)


@pytest.mark.parametrize("lost_bytes", [7, 60])
def test_a_form_without_its_end_is_refused(server: RunningServer, film: bytes, lost_bytes: int) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.avi"\r\n\r\n'
    body = head + film + b"\r\n" + head + film + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert server.post(data=body, headers=headers).status_code == 200
    assert server.post(data=body[:-2], headers=headers).status_code == 200  # the last line end is optional
    assert "boundary" in read_error(server.post(data=body[:-lost_bytes], headers=headers), 400)
    assert list(server.folder.iterdir()) == []


def test_a_film_above_a_limit_is_refused(server: RunningServer, tmp_path: Path) -> None:
    for name, content, word in (
        ("wide.avi", write_film(tmp_path / "wide.avi", 2, side=128), "128×128"),
        ("many.avi", write_film(tmp_path / "many.avi", 41), "40 frames"),
        ("slow.avi", write_film(tmp_path / "slow.avi", 20, fps=2.0), "10 s"),
    ):
        error = read_error(server.post(files={"video": (name, content)}), 413)
        assert word in error
        assert error.startswith(name)
    frames = [("frames", ("a.png", picture()))] * 20
    assert "4 s" in read_error(server.post(files=frames, data={"fps": "5"}), 413)
    assert server.post(files=frames, data={"fps": "10"}).status_code == 200
    assert "4 s" in read_error(
        server.post(files={"video": ("a.avi", write_film(tmp_path / "a.avi", 20))}, data={"fps": "5"}), 413
    )
    bomb = bytearray(picture())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    assert "60000×60000" in read_error(server.post(files={"frames": ("a.png", bytes(bomb))}), 413)


@pytest.mark.parametrize(
    ("model", "status", "word"),
    [
        ("refuse", 422, "clip.avi: no face is visible in this film"),
        ("fault", 500, "log"),
        ("nan", 500, "log"),
        ("crash", 413, "crashes"),
    ],
)
def test_a_failure_in_a_worker_is_one_line_and_the_next_request_is_answered(
    server: RunningServer, film: bytes, model: str, status: int, word: str
) -> None:
    error = read_error(server.post(model, files={"video": ("clip.avi", film)}), status)
    assert word in error
    assert "secret" not in error
    assert server.post(data=film).status_code == 200
    assert list(server.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:80"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:80", "Origin": "http://[::1]:80"}, 200),
    ],
)
def test_a_request_that_another_site_sends_is_refused(
    server: RunningServer, film: bytes, headers: dict[str, str], status: int
) -> None:
    assert server.post(data=film, headers=headers).status_code == status


@pytest.mark.slow
def test_a_film_that_takes_too_long_is_given_up(hasty_server: RunningServer, film: bytes) -> None:
    error = read_error(hasty_server.post("sleep", files={"video": ("clip.avi", film)}), 413)
    assert error.startswith("clip.avi takes more than 1 s")
    assert list(hasty_server.folder.iterdir()) == []


@pytest.mark.slow
def test_more_films_than_the_queue_holds_are_refused(hasty_server: RunningServer, film: bytes) -> None:
    videos = [("video", (f"{number}.avi", film)) for number in range(2)]
    results: list[requests.Response] = []

    def send() -> None:
        results.append(hasty_server.post("sleep", files=videos))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(response.status_code for response in results) == [413, 503]
    (busy,) = (response for response in results if response.status_code == 503)
    assert "busy with 2 films" in read_error(busy, 503)
    assert int(busy.headers["Retry-After"]) > 0


# --- what stays -------------------------------------------------------------------------------------------------------


def test_the_work_ends_when_the_sender_leaves(server: RunningServer, film: bytes) -> None:
    with pytest.raises(requests.Timeout):
        server.post("sleep", data=film, timeout=0.5)
    end = time.monotonic() + LIMITS.seconds / 2
    while list(server.folder.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["video/mp4", "multipart/form-data; boundary=x"])
def test_an_upload_that_breaks_off_leaves_no_file(server: RunningServer, kind: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=9) as connection:
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: 1000000\r\n\r\n"
        part = '--x\r\nContent-Disposition: form-data; name="video"; filename="a.avi"\r\n\r\nRIFF'
        connection.sendall(f"{head}{part}".encode() + b"0" * 100_000)
        end = time.monotonic() + PATIENCE
        while not list(server.folder.iterdir()):
            assert time.monotonic() < end
            time.sleep(0.01)
    while list(server.folder.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert requests.get(f"{server.address}/health", timeout=PATIENCE).status_code == 200


def test_headers_forbid_other_sites_and_copies(server: RunningServer) -> None:
    for path, status in (("/health", 200), ("/nothing", 404), ("/../../etc/passwd", 404), ("/docs", 404)):
        response = requests.get(server.address + path, timeout=9)
        assert response.status_code == status
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.slow
def test_no_process_is_left_after_the_end(tmp_path: Path, film: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(web_app, "_WORKER_MODULES", ("microfacial.inference.film_checks",))
    running = RunningServer(tmp_path, replace(LIMITS, memory_bytes=2**30), with_page=False)
    process = running.post(data=film).json()["rows"][0]["process"]
    grown = running.post("grow", data=film)
    assert grown.json()["rows"][0].get("bytes") == 2**28, grown.text
    if sys.platform == "linux":  # other systems do not limit the memory of a process
        assert "memory" in read_error(running.post("memory", data=film), 413)
    assert requests.get(running.address, timeout=9).status_code == 404  # there is no page
    running.stop()
    assert not psutil.pid_exists(process)
    assert list(tmp_path.glob("microfacial-*")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="macOS never copies processes")
@pytest.mark.parametrize(("characters", "copies"), [(20, True), (90, False)])
def test_a_long_path_of_temporary_files_leaves_no_room_for_a_socket(
    monkeypatch: pytest.MonkeyPatch, characters: int, copies: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/" + "t" * (characters - 1))
    workers = FilmWorkers(answer_stub, LIMITS, 1, ())
    assert workers.start_method == ("forkserver" if copies else "spawn")
