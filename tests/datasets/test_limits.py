"""Frames and films beyond the limits are refused before they are decoded, so memory and time stay bounded."""

import io
import os
import re
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import make_clip, texture
from microfacial.datasets import image_files, limits
from microfacial.datasets.frames import open_clip, read_frames, stream_recording
from microfacial.datasets.image_files import read_image
from microfacial.datasets.video import count_frames, scan_video
from microfacial.errors import DatasetError

VIDEOS = Path(__file__).with_name("videos")
SIDE = 30_000  # 900 megapixels, 2.7 GB in memory


def encode(form: str, mode: str = "RGB", **options: object) -> bytearray:
    stream = io.BytesIO()
    Image.new(mode, (8, 8)).save(stream, form, **options)
    return bytearray(stream.getvalue())


def draw_png() -> bytes:
    content = encode("PNG")
    struct.pack_into(">II", content, 16, SIDE, SIDE)
    return bytes(content)


def draw_jpeg() -> bytes:
    content = encode("JPEG")
    struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, SIDE, SIDE)
    return bytes(content)


def draw_bmp() -> bytes:
    content = encode("BMP")
    struct.pack_into("<ii", content, 18, SIDE, -SIDE)  # rows from top to bottom
    return bytes(content)


def draw_gif() -> bytes:
    content = encode("GIF")
    struct.pack_into("<HH", content, 6, SIDE, SIDE)
    return bytes(content)


def draw_tiff() -> bytes:
    content = encode("TIFF")
    for tag in (256, 257):  # width and height
        start = content.index(struct.pack("<HHI", tag, 4, 1))
        struct.pack_into("<HHII", content, start, tag, 4, 1, SIDE)
    return bytes(content)


def draw_webp() -> bytes:
    content = encode("WEBP", lossless=True)
    struct.pack_into("<I", content, content.index(b"VP8L") + 9, 16_383 | 16_383 << 14)  # the format allows no more
    return bytes(content)


def draw_jpeg_2000() -> bytes:
    content = encode("JPEG2000")
    struct.pack_into(">II", content, content.index(b"ihdr") + 4, SIDE, SIDE)
    struct.pack_into(">II", content, content.index(b"\xff\x51") + 6, SIDE, SIDE)
    return bytes(content)


def draw_ppm() -> bytes:
    return b"P6 30000 30000 255\n" + bytes(300)


BOMBS: dict[str, Callable[[], bytes]] = {
    "1.png": draw_png,
    "1.jpg": draw_jpeg,
    "1.bmp": draw_bmp,
    "1.gif": draw_gif,
    "1.tif": draw_tiff,
    "1.webp": draw_webp,
    "1.jp2": draw_jpeg_2000,
    "1.ppm": draw_ppm,
}


def peak_growth_mb(call: Callable[[], object]) -> float:
    """Return by how much the peak of this process's memory exceeds the memory before the call. Only Linux tells."""
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not os.access(reset, os.W_OK):
        call()
        return 0.0

    def read(name: str) -> int:
        match = re.search(rf"{name}:\s+(\d+) kB", status.read_text())
        assert match is not None
        return int(match[1])

    reset.write_text("5")
    before = read("VmRSS")
    call()
    return (read("VmHWM") - before) / 1024


def refuse(call: Callable[[], object], path: Path) -> str:
    with pytest.raises(DatasetError) as raised:
        call()
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_of_900_megapixels_takes_no_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name]())
    assert path.stat().st_size < 2000
    messages: list[str] = []
    assert peak_growth_mb(lambda: messages.append(refuse(lambda: read_image(path), path))) < 30
    assert "more than 33.2 megapixels" in messages[0]


def test_the_limits() -> None:
    path = Path("a.png")
    limits.check_frame_size(path, 7680, 4320)
    assert "7681×4320" in refuse(lambda: limits.check_frame_size(path, 7681, 4320), path)
    assert "20×50" in refuse(lambda: limits.check_frame_size(path, 20, 50, most_px=999), path)
    limits.check_frame_count(path, 18_000)
    assert "18000 frames" in refuse(lambda: limits.check_frame_count(path, 18_001), path)
    assert "9 frames" in refuse(lambda: limits.check_frame_count(path, 10, most=9), path)
    assert (limits.LEAST_FPS, limits.GREATEST_FPS) == (1.0, 100_000.0)
    assert image_files.LARGEST_IMAGE_BYTES == 265_420_800


def test_a_picture_at_the_limit_is_read_and_one_above_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LARGEST_FRAME_PX", 64 * 48)
    for height in (48, 49):
        Image.fromarray(texture(height, 64)).save(tmp_path / f"{height}.png")
    assert read_image(tmp_path / "48.png").shape == (48, 64, 3)
    assert "64×49" in refuse(lambda: read_image(tmp_path / "49.png"), tmp_path / "49.png")


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    """Files of holes take no space on the disk."""
    for name, read in (("1.png", read_image), ("a.avi", scan_video), ("a.mkv", scan_video), ("a.mp4", scan_video)):
        path = tmp_path / name
        with path.open("wb") as stream:
            stream.truncate(2**40)
        assert peak_growth_mb(partial(refuse, partial(read, path), path)) < 30


def test_a_folder_with_too_many_frames_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_FRAMES", 5)
    for number in range(5):
        (tmp_path / f"img{number}.jpg").touch()
    assert len(open_clip(tmp_path).numbers) == 5
    (tmp_path / "img5.jpg").touch()
    assert "more than 5 frames" in refuse(lambda: open_clip(tmp_path), tmp_path)


def test_a_video_with_too_many_frames_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    path = VIDEOS / "faststart.mp4"
    assert scan_video(path, most_frames=6, most_px=64 * 48).count == 6
    assert "more than 5 frames" in refuse(lambda: scan_video(path, most_frames=5), path)
    assert "64×48" in refuse(lambda: scan_video(path, most_px=64 * 48 - 1), path)
    monkeypatch.setattr(limits, "MOST_FRAMES", 5)
    assert "more than 5 frames" in refuse(lambda: count_frames(path), path)
    monkeypatch.setattr(limits, "LARGEST_FRAME_PX", 3000)
    assert "64×48" in refuse(lambda: read_frames(make_clip(frames=path.name), VIDEOS, (1,)), path)


@pytest.mark.parametrize("header_px", [12_000, 64])
def test_a_video_of_large_frames_takes_little_memory(tmp_path: Path, header_px: int) -> None:
    """The header of an AVI gives the size of its frames. It can be wrong."""
    stream = io.BytesIO()
    Image.new("L", (6000, 6000)).save(stream, "JPEG", quality=1)
    path = tmp_path / "a.avi"
    path.write_bytes(make_avi(stream.getvalue(), header_px))
    messages: list[str] = []
    assert peak_growth_mb(lambda: messages.append(refuse(lambda: scan_video(path), path))) < 250
    assert "more than 33.2 megapixels" in messages[0]


def make_avi(frame: bytes, side: int, count: int = 3) -> bytes:
    """Return a Motion JPEG video in which each frame is the same, with a side in px in its headers."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    main = chunk(b"avih", struct.pack("<14I", 40_000, 0, 0, 16, count, 0, 1, len(frame), side, side, 0, 0, 0, 0))
    timing = struct.pack("<4s4sIHHIIIIIIII4H", b"vids", b"MJPG", 0, 0, 0, 0, 1, 25, 0, count, 0, 0, 0, 0, 0, 0, 0)
    bitmap = struct.pack("<IiiHH4sIiiII", 40, side, side, 1, 24, b"MJPG", 3 * side * side, 0, 0, 0, 0)
    track = chunk(b"LIST", b"strl" + chunk(b"strh", timing) + chunk(b"strf", bitmap))
    headers = chunk(b"LIST", b"hdrl" + main + track)
    return chunk(b"RIFF", b"AVI " + headers + chunk(b"LIST", b"movi" + chunk(b"00dc", frame) * count))


def test_the_drawn_avi_is_a_video(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(texture(64, 64)).save(stream, "JPEG", quality=95)
    (tmp_path / "a.avi").write_bytes(make_avi(stream.getvalue(), 64))
    assert scan_video(tmp_path / "a.avi").count == 3
    frames = read_frames(make_clip(frames="a.avi"), tmp_path, (1, 2, 3))
    assert np.abs(frames[3].astype(int) - texture(64, 64)).mean() < 3


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(texture(800, 800)).save(stream, "JPEG", quality=30)
    path = tmp_path / "a.avi"
    path.write_bytes(make_avi(stream.getvalue(), 800, 40))
    recording = open_clip(path)
    assert peak_growth_mb(lambda: sum(frame.number for frame in stream_recording(recording))) < 25  # all have 77 MB
