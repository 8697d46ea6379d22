"""Frames of a film that can be read again: from disk, or from the memory of the last seconds of a camera."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from microfacial.datasets.frames import Recording, TimedFrame, stream_clip
from microfacial.errors import DatasetError
from microfacial.records import Image


class FrameSource(Protocol):
    """Frames that can be read again."""

    @property
    def recording(self) -> Recording:
        """The film with the numbers of the frames that can be read."""
        ...

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[int, Image]]:
        """Yield frames in ascending order.

        Args:
            numbers: numbers of the frames, in any order.

        Yields:
            The number of a frame, and the frame, `(H, W, 3)` uint8, BGR.

        Raises:
            DatasetError: a frame cannot be read.
        """
        ...


@dataclass(frozen=True)
class FilmSource:
    """Frames on disk.

    Attributes:
        recording: the film.
    """

    recording: Recording

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[int, Image]]:
        """Yield frames; see `FrameSource.read`.

        Args:
            numbers: numbers of the frames, in any order.

        Raises:
            DatasetError: a frame cannot be read.
        """
        return stream_clip(self.recording, self.recording.root, numbers)


class RecentFrames:
    """The frames of the last seconds, in memory. Nothing is written to disk."""

    def __init__(self, name: str, seconds: float, most_bytes: int) -> None:
        """Start without frames.

        Args:
            name: name of the film.
            seconds: time after which a frame is dropped.
            most_bytes: limit of the memory. The oldest frames are dropped above it.
        """
        self._name, self._seconds, self._most_bytes = name, seconds, most_bytes
        self._frames: OrderedDict[int, TimedFrame] = OrderedDict()
        self._bytes = 0

    @property
    def recording(self) -> Recording:
        """The film with the numbers of the frames in memory."""
        return Recording(root=Path(), frames=self._name, numbers=tuple(self._frames), fps=None)

    def __contains__(self, number: object) -> bool:
        return number in self._frames

    def add(self, frame: TimedFrame) -> None:
        """Add the newest frame, and drop the frames that are too old.

        Args:
            frame: the frame. Its time is known, and its number is greater than those before.
        """
        assert frame.seconds is not None
        self._frames[frame.number] = frame
        self._bytes += frame.image.nbytes
        while len(self._frames) > 1 and self._is_too_old(frame.seconds):
            _, oldest = self._frames.popitem(last=False)
            self._bytes -= oldest.image.nbytes

    def _is_too_old(self, now_s: float) -> bool:
        oldest = next(iter(self._frames.values()))
        return self._bytes > self._most_bytes or now_s - (oldest.seconds or 0.0) > self._seconds

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[int, Image]]:
        """Yield frames; see `FrameSource.read`.

        Args:
            numbers: numbers of the frames, in any order.

        Raises:
            DatasetError: a frame is not in memory any more.
        """
        for number in sorted(set(numbers)):
            if number not in self._frames:
                raise DatasetError(f"{self._name}: frame {number} is not in memory any more")
            yield number, self._frames[number].image
