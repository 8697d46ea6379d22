"""Write a video, and check that it is complete. OpenCV does not report frames that it could not write."""

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType, TracebackType

import cv2

from microfacial.datasets.decoders import call_decoder
from microfacial.datasets.folders import require_unicode
from microfacial.disk import existing_parent, explain_full_disk
from microfacial.errors import ConfigError, StorageError
from microfacial.records import Image

CODECS: Mapping[str, str] = MappingProxyType({".avi": "MJPG", ".m4v": "mp4v", ".mov": "mp4v", ".mp4": "mp4v"})
"""Codec of a written video by the extension of its file."""

_LONGEST_S = 10.0  # that a picture lasts where a film has a gap
_TRIAL_BYTES = 2**16  # more than the headers of a video
_MOST_FPS_OF_AVI = 1000  # OpenCV leaves out frames above it, without a message


def check_video_path(path: Path) -> None:
    """Refuse a file that is not one of the video formats that can be written.

    Args:
        path: file of the video.

    Raises:
        ConfigError: the extension is another one.
        DatasetError: OpenCV cannot open a file of this name.
    """
    if path.suffix.lower() not in CODECS:
        raise ConfigError(f"{path}: a video is written with one of the extensions {', '.join(CODECS)}. Rename it")
    require_unicode(path)


class FilmWriter(AbstractContextManager["FilmWriter"]):
    """A video that is written frame by frame. Use it as a context manager, which completes the video.

    Attributes:
        fps: frames per second.
        count: number of frames so far.
    """

    def __init__(self, path: Path, scratch: Path, fps: float) -> None:
        """Start without frames.

        Args:
            path: file of the video, whose extension is a key of `CODECS`.
            scratch: file to write until it is complete; see `atomic_write`.
            fps: frames per second.

        Raises:
            ConfigError: the extension is another one, or does not take this frame rate.
            DatasetError: OpenCV cannot open a file of this name.
        """
        check_video_path(path)
        if path.suffix.lower() == ".avi" and fps > _MOST_FPS_OF_AVI:
            raise ConfigError(
                f"{path}: .avi takes at most {_MOST_FPS_OF_AVI} frames per second, not {fps:g}. Use the extension .mp4"
            )
        self.fps = fps
        self._path, self._scratch = path, scratch
        self._writer: cv2.VideoWriter | None = None
        self.count = 0

    def write(self, frame: Image) -> None:
        """Add a frame.

        Args:
            frame: `(H, W, 3)` uint8, BGR. All frames have one size, and for MP4 the sides are even.

        Raises:
            StorageError: the video cannot be written.
        """
        if self._writer is None:
            self._writer = self._open((frame.shape[1], frame.shape[0]))
        self._writer.write(frame)
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the video. Raise a StorageError if frames are missing in it."""
        if self._writer is None:
            return
        self._writer.release()
        if kind is None:
            self._check()

    def _open(self, size: tuple[int, int]) -> cv2.VideoWriter:
        codec = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
        writer = cv2.VideoWriter(str(self._scratch), codec, self.fps, size)
        if not writer.isOpened():
            with explain_full_disk(self._path):
                self._scratch.write_bytes(bytes(_TRIAL_BYTES))
            raise StorageError(
                f"{self._path} cannot be written as a video of {size[0]}×{size[1]} px at {self.fps:g} frames per "
                "second. Use a lower frame rate, smaller frames or, up to 1,000 frames per second, the extension .avi"
            )
        return writer

    def _check(self) -> None:
        name = str(self._scratch.absolute())
        capture, _ = call_decoder(self._path, lambda: cv2.VideoCapture(name, cv2.CAP_FFMPEG))
        written = max(0, round(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        capture.release()
        if written < self.count:
            free = shutil.disk_usage(existing_parent(self._path)).free / 1e6
            raise StorageError(
                f"{self._path} could not be written completely: {written} of {self.count} frames are in the file, and "
                f"its file system has {free:,.1f} MB free. Make room or raise the limit, then run the command again"
            )


class TimedVideo:
    """Writes pictures at their times. A picture is repeated or left out, because the video has a fixed frame rate.

    A picture lasts at most ten seconds. What follows it comes earlier then.
    """

    def __init__(self, video: FilmWriter) -> None:
        """Start without pictures.

        Args:
            video: the video.
        """
        self._video = video
        self._last: Image | None = None
        self._omitted = 0  # frames

    def write(self, picture: Image, seconds: float) -> None:
        """Write the next picture. The picture before it lasts until its time.

        Args:
            picture: the picture, `(H, W, 3)` uint8, BGR, with even sides. All have one size.
            seconds: its time from the first picture.

        Raises:
            StorageError: the video cannot be written.
        """
        most = self._video.count + round(_LONGEST_S * self._video.fps)
        count = round(seconds * self._video.fps) - self._omitted
        self._omitted += max(0, count - most)
        self._repeat(min(count, most))
        self._last = picture

    def close(self) -> None:
        """Write the last picture."""
        self._repeat(self._video.count + 1)

    def _repeat(self, count: int) -> None:
        """Write the last picture until the video has a number of frames."""
        if self._last is not None:
            for _ in range(count - self._video.count):
                self._video.write(self._last)
