"""Write the pictures of a camera as a video while it records."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microfacial.datasets.film_writer import FilmWriter, check_video_path
from microfacial.files import atomic_write
from microfacial.records import Image

_FPS = 30.0


class LiveVideo:
    """A video with a fixed frame rate. A picture is repeated or left out, so the video is as long as the recording."""

    def __init__(self, video: FilmWriter) -> None:
        """Start without pictures.

        Args:
            video: the video with the frame rate `_FPS`.
        """
        self._video = video
        self._last: Image | None = None

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
        """Write the last picture."""
        self._repeat(self._video.count + 1)

    def _repeat(self, count: int) -> None:
        """Write the last picture until the video has a number of frames."""
        if self._last is not None:
            for _ in range(count - self._video.count):
                self._video.write(self._last)


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
    check_video_path(path)
    with atomic_write(path) as scratch, FilmWriter(path, scratch, _FPS) as film:
        video = LiveVideo(film)
        try:
            yield video
        finally:
            video.close()
