"""A camera and a window for tests."""

import threading
from collections.abc import Callable, Sequence

from drawn_films import FPS
from films import Frame

from microfacial.datasets.frames import Recording, read_frames
from microfacial.datasets.live_camera import CapturedFrame
from microfacial.errors import DatasetError


def read_images(recording: Recording) -> list[Frame]:
    """Read all frames of a film into memory."""
    return list(read_frames(recording, recording.root, recording.numbers).values())


class DrawnCamera:
    """A camera that gives the frames of a film as fast as they are read, and then stops.

    Attributes:
        ended: set when all frames were given.
        closed: whether the camera was closed.
    """

    def __init__(
        self, frames: Sequence[Frame], fps: float = FPS, before: Callable[[int], None] = lambda index: None
    ) -> None:
        """Start before the first frame. `before` is called with the index of each frame, and with that of the end."""
        self._frames, self._fps, self._before = frames, fps, before
        self._index = 0
        self.ended = threading.Event()
        self.closed = False

    def read(self) -> CapturedFrame:
        self._before(self._index)
        if self._index == len(self._frames):
            self.ended.set()
            raise DatasetError("camera 0 gives no more frames")
        self._index += 1
        return CapturedFrame(1000 + (self._index - 1) / self._fps, self._frames[self._index - 1])

    def close(self) -> None:
        self.closed = True


class FakeWindow:
    """A window that the user closes after some pictures.

    Attributes:
        pictures: the pictures so far.
        closed: whether the window was closed.
    """

    def __init__(self, most: int = 1_000_000) -> None:
        self.pictures: list[Frame] = []
        self.closed = False
        self._most = most

    def show(self, picture: Frame) -> None:
        self.pictures.append(picture)

    def is_closed(self) -> bool:
        return len(self.pictures) >= self._most

    def close(self) -> None:
        self.closed = True


class FakeCapture:
    """Stands for `cv2.VideoCapture`: it gives one frame."""

    def __init__(self, image: Frame | None) -> None:
        self._image = image
        self._grabbed = False

    def isOpened(self) -> bool:  # noqa: N802 – OpenCV's name
        return self._image is not None

    def set(self, key: int, value: float) -> bool:
        return False

    def grab(self) -> bool:
        grabbed, self._grabbed = self._grabbed, True
        return not grabbed

    def retrieve(self) -> tuple[bool, Frame | None]:
        return True, self._image

    def release(self) -> None:
        self._image = None
