"""Cameras: the thread that reads them, and their faults."""

import threading

import cv2
import numpy as np
import pytest
from drawn_cameras import DrawnCamera, FakeCapture
from films import Frame, make_noise

from microfacial.datasets import live_camera
from microfacial.datasets.frames import TimedFrame
from microfacial.datasets.live_camera import CameraReader, CapturedFrame, open_camera
from microfacial.errors import DatasetError

FPS = 40.0


def take_all(reader: CameraReader) -> list[TimedFrame]:
    """Take frames until the camera stops."""
    frames: list[TimedFrame] = []
    with pytest.raises(DatasetError, match="no more frames"):
        frames.extend(iter(lambda: reader.take(5), None))
    return frames


def test_frames_have_numbers_from_1_and_times_from_the_first() -> None:
    images = make_noise(20, 8)
    camera = DrawnCamera(images, FPS)
    with CameraReader(camera, "camera 0") as reader:
        frames = take_all(reader)
    assert [frame.number for frame in frames] == list(range(1, 21))
    assert [frame.seconds for frame in frames] == pytest.approx([index / FPS for index in range(20)])
    assert all(frame.image is image for frame, image in zip(frames, images, strict=True))
    assert (reader.dropped, camera.closed) == (0, True)


def test_a_slow_reader_gets_the_newest_frames() -> None:
    camera = DrawnCamera(make_noise(100, 8), FPS)
    with CameraReader(camera, "camera 0", backlog_s=0.51) as reader:
        assert camera.ended.wait(5)
        frames = take_all(reader)
    assert [frame.number for frame in frames] == list(range(80, 101))  # the last 0.5 s
    assert frames[0].seconds == pytest.approx(79 / FPS)
    assert reader.dropped == 79


def test_two_frames_of_one_time_count_as_one() -> None:
    class Doubling(DrawnCamera):
        def read(self) -> CapturedFrame:
            frame = super().read()
            return frame._replace(clock_s=np.floor(frame.clock_s * FPS / 2))

    with CameraReader(Doubling(make_noise(10, 8), FPS), "camera 0", backlog_s=99) as reader:
        assert [frame.seconds for frame in take_all(reader)] == [0, 1, 2, 3, 4]


def test_a_camera_that_hangs_counts_as_stopped_and_is_not_closed_while_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_camera, "_JOIN_S", 0.01)
    unplugged = threading.Event()

    def hang(index: int) -> None:
        if index == 3:
            unplugged.wait(5)

    camera = DrawnCamera(make_noise(3, 8), FPS, hang)
    with CameraReader(camera, "camera 7", patience_s=0.05) as reader:
        numbers = [frame.number for frame in (reader.take(5) for _ in range(3)) if frame]
        assert reader.take(0.001) is None
        with pytest.raises(DatasetError, match="camera 7"):
            list(iter(lambda: reader.take(0.02), 0))
    assert (numbers, camera.closed) == ([1, 2, 3], False)
    unplugged.set()


@pytest.mark.parametrize(
    ("second", "named"),
    [(np.zeros((6, 9, 3), np.uint8), "8×8 and then 9×6"), (np.zeros((8, 8), np.uint8), "colour")],
)
def test_frames_of_another_kind_are_refused(second: Frame, named: str) -> None:
    with CameraReader(DrawnCamera([*make_noise(1, 8), second], FPS), "camera 0") as reader:
        frame = reader.take(5)
        assert frame is not None
        assert frame.number == 1
        with pytest.raises(DatasetError, match=named):
            reader.take(5)


def test_a_camera_that_does_not_exist_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DatasetError, match="camera 987"):
        open_camera(987)
    assert capfd.readouterr().err == ""  # OpenCV prints several lines


@pytest.mark.parametrize(("shape", "expected"), [((960, 1280), (480, 640)), ((240, 320), (240, 320))])
def test_large_frames_become_smaller(
    shape: tuple[int, int], expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    monkeypatch.setattr(cv2, "VideoCapture", lambda index: FakeCapture(image))
    camera = open_camera(0)
    frame = camera.read()
    assert frame.image.shape == (*expected, 3)
    assert (frame.image == 77).all()
    with pytest.raises(DatasetError, match="camera 0"):
        camera.read()
    camera.close()
