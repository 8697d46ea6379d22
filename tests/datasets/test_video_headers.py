"""The size of frames is read from the header, and a large one is refused before FFmpeg opens the file."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from microfacial.datasets.video import scan_video
from microfacial.datasets.video_headers import find_frame_size
from microfacial.errors import DatasetError

VIDEOS = sorted(path for path in (Path(__file__).parent / "videos").iterdir() if path.suffix != ".sh")
WIDTH, HEIGHT = 64, 48


def write_video(path: Path, code: str) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 25.0, (WIDTH, HEIGHT))
    for level in range(3):
        writer.write(np.full((HEIGHT, WIDTH, 3), 40 * level, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize("path", VIDEOS, ids=lambda path: path.name)
def test_the_header_has_the_size_that_the_decoder_gives(path: Path) -> None:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    assert find_frame_size(path) == size


@pytest.mark.parametrize(("name", "code"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mov", "mp4v")])
@pytest.mark.parametrize("size", [(30_000, 30_000), (8_000, 5_000)])
def test_large_frames_are_refused_before_the_file_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str, size: tuple[int, int]
) -> None:
    path = write_video(tmp_path / name, code)
    assert find_frame_size(path) == (WIDTH, HEIGHT)
    content = path.read_bytes()
    form = "<ii" if name == "a.avi" else ">HH"
    path.write_bytes(content.replace(struct.pack(form, WIDTH, HEIGHT), struct.pack(form, *size)))
    monkeypatch.setattr(cv2, "VideoCapture", None)
    with pytest.raises(DatasetError, match=rf"{size[0]}×{size[1]} px.*Make its frames smaller"):
        scan_video(path)


def test_the_size_of_a_gif_is_in_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(b"GIF89a" + struct.pack("<HH", 30_000, 20_000) + b"\0\0\0;")
    assert find_frame_size(path) == (30_000, 20_000)
    with pytest.raises(DatasetError, match="30000×20000"):
        scan_video(path)


@pytest.mark.parametrize("path", VIDEOS, ids=lambda path: path.name)
def test_a_damaged_header_gives_a_size_or_none(path: Path, tmp_path: Path) -> None:
    content, random = path.read_bytes(), np.random.default_rng(0)
    damaged = tmp_path / path.name
    for _ in range(20):
        changed = bytearray(content[: random.integers(0, len(content))])
        for place in random.integers(0, max(1, min(len(changed), 2_000)), 30 if changed else 0):
            changed[place] = random.integers(256)
        damaged.write_bytes(changed)
        size = find_frame_size(damaged)
        assert size is None or (size[0] >= 0 and size[1] >= 0)


RAW_H264 = b"\0\0\0\x01" + b"\xff" * 60  # read as a box, its length does not fit into any file


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"GIF8", b"\x1a\x45\xdf\xa3", b"\0\0\0\0moov" * 20, b"\0" * 100, RAW_H264]
)
def test_a_file_without_a_header_has_no_size(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert find_frame_size(path) in (None, (0, 0))
