import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fakes import make_clip, texture
from microfacial.datasets.frames import frame_files, open_clip, read_frames, stream_clip
from microfacial.datasets.video import count_frames, scan_video
from microfacial.errors import DatasetError

GREY_STEP = 15  # difference between consecutive frames of a test video; no codec here blurs as much
Write = Callable[[str, int], Path]


def number_of(frame: NDArray[np.uint8]) -> int:
    """Return the number of a frame of a test video, from its grey level."""
    return round((float(frame.mean()) - 20) / GREY_STEP) + 1


@pytest.fixture
def write_video(tmp_path: Path) -> Write:
    """Return a function that writes a video, 64×48 px, 25 frames per second. Frame n has grey level 20 + 15 (n - 1)."""

    def write(name: str, count: int) -> Path:
        images = [np.full((48, 64, 3), 20 + GREY_STEP * number, np.uint8) for number in range(count)]
        path = tmp_path / name
        if path.suffix == ".gif":
            pictures = [Image.fromarray(image) for image in images]
            pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
            return path
        code = "MJPG" if path.suffix == ".avi" else "mp4v"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 25.0, (64, 48))
        for image in images:
            writer.write(image)
        writer.release()
        return path

    return write


VIDEOS = ["a.mp4", "a.MOV", "a.avi", "a.gif"]


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_gives_exactly_the_requested_frames(write_video: Write, name: str) -> None:
    path = write_video(name.lower(), 12).rename(write_video(name.lower(), 12).with_name(name))
    recording = open_clip(path)
    assert recording.numbers == tuple(range(1, 13))
    assert recording.fps == 25.0
    for wanted in ((1, 12), (7,), (5, 4, 11)):
        frames = read_frames(recording, recording.root, wanted)
        assert {number: number_of(frame) for number, frame in frames.items()} == {n: n for n in wanted}
        assert list(frames) == sorted(wanted)
    assert len(list(stream_clip(recording, recording.root, recording.numbers))) == 12


def test_a_clip_can_be_part_of_a_video(write_video: Write) -> None:
    path = write_video("a.avi", 8)
    clip = make_clip(frames=path.name, numbers=(3, 4, 5))
    assert number_of(read_frames(clip, path.parent, clip.numbers)[4]) == 4
    assert frame_files(clip, path.parent, clip.numbers) == [path]


@pytest.mark.parametrize("wanted", [(0, 1), (8, 9)])
def test_a_frame_number_outside_of_the_video_is_refused(write_video: Write, wanted: tuple[int, ...]) -> None:
    path = write_video("a.mp4", 8)
    with pytest.raises(DatasetError, match=r"a\.mp4 .*frame [09]\b.*1–8"):
        read_frames(make_clip(frames=path.name), path.parent, wanted)


@pytest.mark.parametrize("name", [name.lower() for name in VIDEOS])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_video_is_refused(write_video: Write, name: str, share: float) -> None:
    path = write_video(name, 8)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    for use in (
        count_frames,
        scan_video,
        open_clip,
        lambda path: read_frames(make_clip(frames=name), path.parent, (1,)),
    ):
        with pytest.raises(DatasetError, match=f"{name} is truncated"):
            use(path)


def test_a_video_with_a_damaged_frame_is_refused_and_not_shortened(write_video: Write) -> None:
    path = write_video("a.avi", 8)
    content = bytearray(path.read_bytes())
    start = -1
    for _ in range(5):
        start = content.index(b"00dc", start + 1)
    length = int.from_bytes(content[start + 4 : start + 8], "little")
    content[start + 8 : start + 8 + length] = bytes(length)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.avi .*\d of 8 frames"):
        open_clip(path)
    with pytest.raises(DatasetError, match=r"a\.avi .*frame 7.*damaged"):
        read_frames(make_clip(frames="a.avi"), path.parent, (7,))


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_a_video_without_frames_is_refused(write_video: Write, name: str) -> None:
    with pytest.raises(DatasetError, match=name):
        open_clip(write_video(name, 0))


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.gif"])
def test_a_text_file_in_place_of_a_video_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello, no video" * 9)
    with pytest.raises(DatasetError, match=f"{name} .*video"):
        open_clip(tmp_path / name)
    with pytest.raises(DatasetError, match=r"none\.avi"):
        count_frames(tmp_path / "none.avi")


def test_a_video_is_rotated_by_its_rotation_matrix(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (64, 48))
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32] = 240
    writer.write(image)
    writer.release()
    upright, quarter_turn = (0x10000, 0, 0, 0, 0x10000), (0, 0x10000, 0, -0x10000, 0)
    content = path.read_bytes()
    header = content.index(b"tkhd")
    tail = content[header:].replace(struct.pack(">5i", *upright), struct.pack(">5i", *quarter_turn), 1)
    path.write_bytes(content[:header] + tail)
    turned = read_frames(make_clip(frames="a.mp4"), tmp_path, (1,))[1]
    assert turned.shape == (64, 48, 3)
    assert turned[:28].min() > 200
    assert turned[36:].max() < 40


def test_the_frame_rate_is_read_from_the_file(write_video: Write) -> None:
    assert scan_video(write_video("a.mp4", 3)).fps == 25.0


def test_times_are_those_of_the_frames_and_not_of_the_mean_rate(tmp_path: Path) -> None:
    frames = [Image.fromarray(texture(32, 32, seed)) for seed in range(5)]
    path = tmp_path / "variable.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[30, 60, 120, 40, 40])
    assert scan_video(path).seconds == pytest.approx((0.0, 0.030, 0.090, 0.210, 0.250))


@pytest.mark.parametrize("length", [0, 2**32 - 1])
def test_an_avi_that_was_written_into_a_pipe_is_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "pipe.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (32, 32))
    for seed in range(5):
        writer.write(texture(32, 32, seed))
    writer.release()
    content = bytearray(path.read_bytes())
    content[4:8] = length.to_bytes(4, "little")
    path.write_bytes(content)
    assert count_frames(path) == 5
    assert scan_video(path).seconds == pytest.approx((0.0, 0.04, 0.08, 0.12, 0.16))


def test_a_codec_that_cannot_be_decoded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether AV1 can be decoded depends on the processor and on OpenCV, so a capture without frames replaces it."""
    path = tmp_path / "film.mp4"
    path.write_bytes((Path(__file__).with_name("videos") / "interlaced.mp4").read_bytes())
    values = {cv2.CAP_PROP_FRAME_COUNT: 3.0, cv2.CAP_PROP_FOURCC: float(int.from_bytes(b"av01", "little"))}

    class Undecodable:
        def __init__(self, *_: object) -> None:
            self.isOpened = self.set = lambda *_: True

        def grab(self) -> bool:
            return False

        def get(self, key: int) -> float:
            return values.get(key, 0.0)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Undecodable)
    with pytest.raises(DatasetError, match=r"film\.mp4: none of its 3 frames .*av01.*libx264"):
        count_frames(path)
