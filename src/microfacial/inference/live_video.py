"""Write the pictures of a camera as a video while it records."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from microfacial.files import atomic_write
from microfacial.inference.film_render import check_render_path, open_writer
from microfacial.records import Image

_FPS = 30.0


class LiveVideo:
    """A video with a fixed frame rate. A picture is repeated or left out, so the video is as long as the recording."""

    def __init__(self, path: Path, scratch: Path) -> None:
        """Start without pictures.

        Args:
            path: file of the video, for its extension and for messages.
            scratch: file to write until it is complete.
        """
        self._path, self._scratch = path, scratch
        self._video: cv2.VideoWriter | None = None
        self._last: Image | None = None
        self._count = 0

    def write(self, picture: Image, seconds: float) -> None:
        """Write the next picture. The picture before it lasts until its time.

        Args:
            picture: the picture, `(H, W, 3)` uint8, BGR, with even sides. All have one size.
            seconds: its time from the first picture.

        Raises:
            StorageError: the video cannot be written.
        """
        self._repeat(round(seconds * _FPS))
        self._last = picture

    def close(self) -> None:
        """Write the last picture, and complete the video."""
        self._repeat(self._count + 1)
        if self._video is not None:
            self._video.release()

    def _repeat(self, count: int) -> None:
        """Write the last picture until the video has a number of frames."""
        if self._last is None:
            return
        if self._video is None:
            size = (self._last.shape[1], self._last.shape[0])
            self._video = open_writer(self._path, self._scratch, _FPS, size)
        for _ in range(count - self._count):
            self._video.write(self._last)
            self._count += 1


@contextmanager
def write_live_video(path: Path | None) -> Iterator[LiveVideo | None]:
    """Write a video completely or not at all.

    Args:
        path: file of the video; None for none.

    Yields:
        The video; None if there is no path.

    Raises:
        ConfigError: the extension of the file is not a key of `CODECS`.
        StorageError: the video cannot be written.
    """
    if path is None:
        yield None
        return
    check_render_path(path)
    with atomic_write(path) as scratch:
        video = LiveVideo(path, scratch)
        try:
            yield video
        finally:
            video.close()
