"""The clip in a request: base64 of a video, of a map or of frames, within limits."""

import base64
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from fakes import ROOT
from microfacial.errors import DatasetError, TooLargeError
from microfacial.inference.request import open_requested_clip, read_request
from microfacial.inference.request_limits import DEFAULT_LIMITS, RequestLimits


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def write_video(path: Path, frames: int, fps: float = 25.0, side: int = 32) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (side, side))
    for _ in range(frames):
        writer.write(np.zeros((side, side, 3), np.uint8))
    writer.release()
    return path.read_bytes()


def refuse(clip: str, limits: RequestLimits = DEFAULT_LIMITS) -> str:
    with pytest.raises(DatasetError) as raised, open_requested_clip(clip, limits):
        pass
    assert len(str(raised.value)) < 250
    return str(raised.value)


@pytest.mark.parametrize("clip", ["no/such.avi", encode(b"text" * 40), "", "\0", "x" * 5000])
def test_a_value_that_is_not_a_video_is_refused_and_not_repeated(clip: str) -> None:
    message = refuse(clip)
    assert "base64" in message
    assert not clip or clip not in message


def test_broken_lines_and_addresses_of_data_are_accepted(tmp_path: Path) -> None:
    content = write_video(tmp_path / "clip.avi", 3)
    for clip in (base64.encodebytes(content).decode(), f"data:video/x-msvideo;base64,{encode(content)}"):
        with open_requested_clip(clip) as path:
            assert path.read_bytes() == content


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
    monkeypatch.setattr(base64, "b64decode", lambda *_, **__: pytest.fail("decoded"))
    assert "1 MB" in refuse("A" * (2**21), RequestLimits(upload_bytes=2**20))


def test_a_map_with_too_many_pixels_is_refused_by_its_header() -> None:
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 30_000, 30_000)
    assert "30000×30000" in refuse(encode(header))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (RequestLimits(pixels=1000), "32×32"),
        (RequestLimits(frames=29), "more than 29 frames"),
        (RequestLimits(film_seconds=5), "6 s"),
    ],
)
def test_a_video_above_a_limit_is_refused(tmp_path: Path, limits: RequestLimits, reason: str) -> None:
    content = write_video(tmp_path / "clip.avi", 30, fps=5)
    with open_requested_clip(encode(content)):
        pass
    assert reason in refuse(encode(content), limits)


# --- rows of a request ------------------------------------------------------------------------------------------------

FRAME = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
MAP = encode(FRAME)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_frames_become_the_files_of_one_film_in_their_order(tmp_path: Path, kind: Any) -> None:
    job = read_request({"frames": kind([encode(FRAME), encode(FRAME + b" ")]), "fps": 200, "clip": None}, tmp_path)
    assert (job.name, job.fps, job.moments) == ("the clip", 200.0, {})
    files = sorted(job.path.iterdir())
    assert [file.name for file in files] == ["frame000001.png", "frame000002.png"]
    assert [file.read_bytes() for file in files] == [FRAME, FRAME + b" "]


@pytest.mark.parametrize("missing", [None, math.nan, np.float32("nan"), pd.NA])
def test_a_row_has_the_moments_that_it_gives(tmp_path: Path, missing: Any) -> None:
    row = {"clip": MAP, "onset": 3.0, "apex": np.int64(5), "offset": missing, "fps": missing, "frames": missing}
    job = read_request(row, tmp_path)
    assert (job.moments, job.fps) == ({"onset": 3, "apex": 5}, None)
    assert {type(number) for number in job.moments.values()} == {int}


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({}, "neither clip nor frames"),
        ({"clip": MAP, "frames": [MAP]}, "both clip and frames"),
        ({"clip": 5}, "value of clip"),
        ({"clip": [MAP]}, "value of clip"),
        ({"frames": []}, "frames must be a list"),
        ({"frames": MAP}, "frames must be a list"),
        ({"frames": {"1": MAP}}, "frames must be a list"),
        ({"frames": [MAP, "/etc/passwd"]}, "frame 2 of frames"),
        ({"frames": [MAP, None]}, "frame 2 of frames"),
        ({"frames": [encode(b"RIFF....AVI ")]}, "frame 1 of frames"),
        ({"clip": MAP, "onset": 1.5}, "onset must be the number of a frame, not '1.5'"),
        ({"clip": MAP, "apex": math.inf}, "apex must be the number of a frame, not 'inf'"),
        ({"clip": MAP, "apex": 10**400}, "apex must be a number"),
        ({"clip": MAP, "offset": True}, "offset must be a number, not 'True'"),
        ({"clip": MAP, "offset": [1]}, "offset must be a number"),
        ({"clip": MAP, "fps": "200"}, "fps must be a number, not '200'"),
    ],
)
def test_a_row_with_a_wrong_value_is_refused_by_the_name_of_its_column(
    tmp_path: Path, row: dict[str, Any], part: str
) -> None:
    with pytest.raises(DatasetError) as raised:
        read_request(row, tmp_path)
    assert part in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert len(str(raised.value)) < 250
    assert "passwd" not in str(raised.value)


@pytest.mark.parametrize(("limit", "value"), [("frames", 2), ("upload_bytes", 3 * len(FRAME) - 1)])
def test_too_many_frames_or_bytes_of_frames_are_refused(tmp_path: Path, limit: str, value: int) -> None:
    row = {"frames": [encode(FRAME)] * 3}
    (tmp_path / "first").mkdir()
    read_request(row, tmp_path / "first", replace(DEFAULT_LIMITS, **{limit: 3 * len(FRAME)}))
    with pytest.raises(TooLargeError, match="the clip"):
        read_request(row, tmp_path, replace(DEFAULT_LIMITS, **{limit: value}))
