"""Frames are upright, not mirrored, and have square pixels, as the file demands."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import make_clip
from microfacial.datasets.frames import read_frames
from microfacial.datasets.video import scan_video
from microfacial.datasets.video_headers import find_frame_size, find_mirror
from microfacial.errors import DatasetError, TooLargeError

UNIT = 0x10000
SQUARE = bytes.fromhex("54b28104 55b08455b98102")  # of a Matroska file of OpenCV: the shape of the pixels is unknown


def draw_corner() -> NDArray[np.uint8]:
    """Return a frame, 64×48 px, with one bright corner at the top left."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32] = 240
    return image


def write_video(path: Path, code: str) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 25.0, (64, 48))
    writer.write(draw_corner())
    writer.release()
    return path


def write_turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a video that is shown with a matrix: a pixel at x and y is shown at ax + cy and bx + dy."""
    content = write_video(path, "mp4v").read_bytes()
    header = content.index(b"tkhd")
    a, b, c, d = (UNIT * value for value in matrix)
    upright = struct.pack(">5i", UNIT, 0, 0, 0, UNIT)
    path.write_bytes(content[:header] + content[header:].replace(upright, struct.pack(">5i", a, b, 0, c, d), 1))
    return path


def write_wide(path: Path, width: int) -> Path:
    """Write a video whose frames of 64×48 px are shown with another width."""
    content = write_video(path, "MJPG").read_bytes()
    assert SQUARE in content
    shape = bytes.fromhex("54b081") + bytes([width]) + bytes.fromhex("54ba8130 ec8100")
    path.write_bytes(content.replace(SQUARE, shape))
    return path


def read_first(path: Path) -> NDArray[np.uint8]:
    return read_frames(make_clip(frames=path.name), path.parent, (1,))[1]


TURNS = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]
MIRRORS = [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]


@pytest.mark.parametrize("matrix", TURNS + MIRRORS)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_frames_are_turned_and_mirrored_by_the_matrix_of_the_file(
    tmp_path: Path, matrix: tuple[int, int, int, int], suffix: str
) -> None:
    shown = read_first(write_turned(tmp_path / f"a{suffix}", matrix))
    a, b, c, d = matrix
    right, down = -a - c, -b - d  # the bright corner, seen from the middle of the frame
    assert shown.shape == ((48, 64, 3) if a else (64, 48, 3))
    quarters = {
        (x, y): shown[:: 1 if y < 0 else -1, :: 1 if x < 0 else -1][:16, :16].mean() > 200
        for x in (-1, 1)
        for y in (-1, 1)
    }
    assert [place for place, bright in quarters.items() if bright] == [(right, down)]


def test_a_header_that_ends_within_its_matrix_is_no_fault_of_its_own(tmp_path: Path) -> None:
    content = write_video(tmp_path / "a.mp4", "mp4v").read_bytes()
    for end in range(content.index(b"tkhd"), content.index(b"tkhd") + 80, 7):
        (tmp_path / "b.mp4").write_bytes(content[:end])
        with pytest.raises(DatasetError, match=r"b\.mp4"):
            scan_video(tmp_path / "b.mp4")


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


@pytest.mark.parametrize("length", [0, 12, 44, 59])
@pytest.mark.parametrize("trailing", [0, 100])
def test_a_header_without_a_whole_matrix_mirrors_nothing(tmp_path: Path, length: int, trailing: int) -> None:
    described = box(b"mdia", box(b"minf", box(b"stbl", box(b"stsd", bytes(44)))))
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"moov", box(b"trak", described + box(b"tkhd", bytes(length)))) + b"\xff" * trailing)
    assert find_mirror(path) is None


@pytest.mark.parametrize(("width", "size"), [(128, (48, 128)), (64, (48, 64)), (32, (96, 64))])
def test_pixels_become_square(tmp_path: Path, width: int, size: tuple[int, int]) -> None:
    shown = read_first(write_wide(tmp_path / "a.mkv", width))
    assert shown.shape == (*size, 3)
    bright = shown.mean(axis=2) > 120
    assert abs(bright.any(axis=0).sum() - size[1] / 2) <= 1
    assert abs(bright.any(axis=1).sum() - size[0] / 2) <= 1


def test_pixels_that_are_far_from_square_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.mkv: a pixel of .*setsar"):
        scan_video(write_wide(tmp_path / "a.mkv", 10))


def test_the_limit_of_pixels_applies_to_square_pixels(tmp_path: Path) -> None:
    path = write_wide(tmp_path / "a.mkv", 128)
    assert scan_video(path, most_px=128 * 48).count == 1
    with pytest.raises(TooLargeError, match="128×48"):
        scan_video(path, most_px=100 * 48)


def element(name: int, content: bytes) -> bytes:
    """Return an element of an MKV."""
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (len(content) | 1 << 28).to_bytes(4, "big") + content


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "mirror"),
    [(180, 0, 0, 0), (-180, 0, 180, 0), (180, 0, 90, 1), (0, 0, 90, None), (90, 0, 0, None), (180, 10, 0, None)],
)
@pytest.mark.parametrize("form", [">f", ">d"])
def test_the_pose_of_an_mkv_mirrors_its_frames(
    tmp_path: Path, form: str, yaw: float, pitch: float, roll: float, mirror: int | None
) -> None:
    angles = zip((0x7673, 0x7674, 0x7675), (yaw, pitch, roll), strict=True)
    pose = b"".join(element(name, struct.pack(form, angle)) for name, angle in angles)
    video = element(0xE0, element(0xB0, b"\x40") + element(0xBA, b"\x30") + element(0x7670, pose))
    path = tmp_path / "clip.mkv"
    path.write_bytes(element(0x1A45DFA3, b"") + element(0x18538067, element(0x1654AE6B, element(0xAE, video))))
    assert find_mirror(path) == mirror
    assert find_frame_size(path) == (64, 48)
