"""The clip in a request: base64 of a video or map, within limits."""

import base64
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes import ROOT
from microfacial.errors import DatasetError
from microfacial.inference import request
from microfacial.inference.request import open_requested_clip


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def write_video(path: Path, frames: int, fps: float = 25.0, side: int = 32) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (side, side))
    for _ in range(frames):
        writer.write(np.zeros((side, side, 3), np.uint8))
    writer.release()
    return path.read_bytes()


def refuse(clip: str) -> str:
    with pytest.raises(DatasetError) as raised, open_requested_clip(clip):
        pass
    assert len(str(raised.value)) < 250
    return str(raised.value)


@pytest.mark.parametrize("clip", ["no/such.avi", encode(b"text" * 40), "", "\0", "x" * 5000])
def test_a_value_that_is_not_a_video_is_refused_and_not_repeated(clip: str) -> None:
    message = refuse(clip)
    assert "base64" in message
    assert not clip or clip not in message


def test_an_existing_path_is_refused_like_a_missing_path(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.avi", 3)
    assert refuse(str(tmp_path / "clip.avi")) == refuse(str(tmp_path / "missing.avi"))


def test_the_file_of_a_video_exists_only_while_it_is_open(tmp_path: Path) -> None:
    content = write_video(tmp_path / "clip.avi", 3)
    with open_requested_clip(encode(content)) as path:
        assert path.suffix == ".avi"
        assert path.read_bytes() == content
    assert not path.exists()


@pytest.mark.parametrize("name", ["faststart.mp4", "piped.mkv", "piped.avi"])
def test_the_type_of_a_video_is_found_from_its_content(name: str) -> None:
    content = (ROOT / "tests" / "datasets" / "videos" / name).read_bytes()
    with open_requested_clip(encode(content)) as path:
        assert path.suffix == Path(name).suffix


@pytest.mark.parametrize("content", [b"\0\0\0\x18ftypisom", b"GIF89a", b"RIFF\4\0\0\0WEBP"])
def test_a_damaged_video_is_refused_without_a_path_of_the_server(content: bytes) -> None:
    reason = refuse(encode(content))
    assert reason.startswith("the clip")
    assert "/" not in reason


def test_a_clip_with_too_many_bytes_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "MAX_BYTES", 2**20)
    monkeypatch.setattr(request, "_decode", lambda _: pytest.fail("decoded"))
    assert "1 MB" in refuse("A" * (2**21))


def test_a_map_with_too_many_pixels_is_refused_by_its_header() -> None:
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 30_000, 30_000)
    assert "30000×30000" in refuse(encode(header))


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [("MAX_PIXELS", 1000, "32×32"), ("MAX_FRAMES", 29, "more than 29 frames"), ("MAX_SECONDS", 5, "6 s")],
)
def test_a_video_above_a_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, reason: str
) -> None:
    content = write_video(tmp_path / "clip.avi", 30, fps=5)
    with open_requested_clip(encode(content)):
        monkeypatch.setattr(request, limit, value)
    assert reason in refuse(encode(content))
