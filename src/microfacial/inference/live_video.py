"""Write the pictures of a camera as a video while it records."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microfacial.datasets.film_writer import FilmWriter, TimedVideo, check_video_path
from microfacial.files import atomic_write

_FPS = 30.0


@contextmanager
def write_live_video(path: Path | None) -> Iterator[TimedVideo | None]:
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
        video = TimedVideo(film)
        try:
            yield video
        finally:
            video.close()
