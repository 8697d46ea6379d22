"""Read a camera in a thread. Frames have the times at which they were recorded, so the frame rate is measured."""

import threading
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from microfacial.datasets.decoders import call_decoder
from microfacial.datasets.frames import TimedFrame
from microfacial.errors import DatasetError
from microfacial.records import Image

_WIDTH, _HEIGHT = 640, 480  # larger frames cost more time than they add to the result
_BACKLOG_S = 1.0  # frames that wait for longer are dropped
_PATIENCE_S = 5.0  # a camera that gives no frame for this time has stopped
_START_S = 15.0  # time in which a camera must give its first frame; some take seconds to start
_JOIN_S = 1.0


class CapturedFrame(NamedTuple):
    """One frame of a camera.

    Attributes:
        clock_s: time at which it was recorded, in seconds of a clock that never goes back.
        image: the frame, `(H, W, 3)` uint8, BGR.
    """

    clock_s: float
    image: Image


class LiveCamera(Protocol):
    """A camera that is open."""

    def read(self) -> CapturedFrame:
        """Wait for the next frame.

        Raises:
            DatasetError: the camera gives no more frames.
        """
        ...

    def close(self) -> None:
        """Close the camera. Its light goes out."""
        ...


class _OpenCvCamera:
    def __init__(self, name: str, capture: cv2.VideoCapture) -> None:
        self._name, self._capture = name, capture

    def read(self) -> CapturedFrame:
        try:
            grabbed = self._capture.grab()
            clock_s = time.monotonic()
            image = self._capture.retrieve()[1] if grabbed else None
        except cv2.error as error:
            raise DatasetError(f"{self._name} gives frames that cannot be decoded ({error.err})") from None
        if image is None:
            raise DatasetError(
                f"{self._name} gives no more frames. Check its cable, and close other programs that use it"
            )
        return CapturedFrame(clock_s, _shrink(image))

    def close(self) -> None:
        self._capture.release()


def _shrink(image: Image) -> Image:
    """Return a frame that is not larger than a camera with the usual size gives."""
    height, width = image.shape[:2]
    scale = (_WIDTH * _HEIGHT / (width * height)) ** 0.5
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def open_camera(index: int) -> LiveCamera:
    """Open a camera of this computer.

    Args:
        index: number of the camera. The first camera has the number 0.

    Returns:
        The camera. Close it after use.

    Raises:
        DatasetError: there is no such camera, or another program uses it.
    """
    name = camera_name(index)
    capture, _ = call_decoder(Path(name), lambda: cv2.VideoCapture(index))
    if not capture.isOpened():
        raise DatasetError(
            f"{name} cannot be opened. Connect a camera, close other programs that use it, allow this program to use "
            "it in the settings of the system, or give another number after --camera"
        )
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, _WIDTH)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, _HEIGHT)
    return _OpenCvCamera(name, capture)


def camera_name(index: int) -> str:
    """Return the name of a camera in messages and answers.

    Args:
        index: number of the camera.
    """
    return f"camera {index}"


class CameraReader:
    """A thread that reads a camera, so that no frame is lost while the others are processed.

    If processing is too slow, the oldest waiting frames are dropped. Use it by the `with` statement, which closes the
    camera.

    Attributes:
        dropped: number of frames that were dropped.
    """

    def __init__(
        self,
        camera: LiveCamera,
        name: str,
        *,
        backlog_s: float = _BACKLOG_S,
        patience_s: float = _PATIENCE_S,
        start_s: float = _START_S,
    ) -> None:
        """Start nothing yet.

        Args:
            camera: the camera.
            name: its name, for messages.
            backlog_s: longest time that a frame waits. A frame that waits for longer is dropped.
            patience_s: time without a frame after which the camera counts as stopped.
            start_s: the same time before the first frame.
        """
        self.dropped = 0
        self._camera, self._name, self._backlog_s = camera, name, backlog_s
        self._patience_s, self._start_s = patience_s, start_s
        self._waiting: deque[TimedFrame] = deque()
        self._changed = threading.Condition()
        self._error: DatasetError | None = None
        self._stopping = False
        self._last_s = 0.0  # clock time of the last frame, or of the start
        self._count = 0
        self._thread = threading.Thread(target=self._read_all, name="camera", daemon=True)

    def __enter__(self) -> "CameraReader":
        self._last_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join(_JOIN_S)
        if not self._thread.is_alive():  # a driver can crash if its camera is closed while a thread waits for a frame
            self._camera.close()

    def take(self, timeout_s: float) -> TimedFrame | None:
        """Return the next frame, or None if there is none yet.

        Args:
            timeout_s: time to wait for a frame.

        Returns:
            The frame, with its time from the first frame. Its number counts all frames of the camera from 1, so a
            number is missing if its frame was dropped.

        Raises:
            DatasetError: the camera gives no more frames, and all frames before were returned.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._error, timeout_s)
            if self._waiting:
                return self._waiting.popleft()
            if self._error is not None:
                raise self._error
            limit_s = self._patience_s if self._count else self._start_s
            if time.monotonic() - self._last_s > limit_s or not self._thread.is_alive():
                raise DatasetError(
                    f"{self._name} gave no frame for {limit_s:g} s. Check its cable, and close other programs that "
                    "use it"
                )
        return None

    def is_behind(self) -> bool:
        """Return whether frames wait, so that processing should hurry."""
        return bool(self._waiting)

    def _read_all(self) -> None:
        first: CapturedFrame | None = None
        last_s = -1.0
        while not self._stopping:
            try:
                frame = self._camera.read()
                first = first or frame
                self._check(frame.image, first.image)
            except DatasetError as error:
                with self._changed:
                    self._error = error
                    self._changed.notify()
                return
            if frame.clock_s - first.clock_s > last_s:  # two frames cannot have one time
                last_s = frame.clock_s - first.clock_s
                self._add(last_s, frame.image)

    def _check(self, image: Image, first: Image) -> None:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DatasetError(f"{self._name} gives frames that are no colour pictures of 8 bits. Use another camera")
        if image.shape != first.shape:
            sizes = " and then ".join(f"{shape[1]}×{shape[0]}" for shape in (first.shape, image.shape))
            raise DatasetError(f"{self._name} gave frames of {sizes} px. Do not change its size while it records")

    def _add(self, seconds: float, image: Image) -> None:
        with self._changed:
            self._count += 1
            self._last_s = time.monotonic()
            self._waiting.append(TimedFrame(self._count, seconds, image))
            while seconds - (self._waiting[0].seconds or 0.0) > self._backlog_s:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.notify()
