"""A sequence of frames in a temporary file, so that memory does not grow with the length of a film."""

import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from microfacial.disk import explain_full_disk
from microfacial.records import Image


class _SharedFile:
    """A temporary file, which is closed and deleted when nothing refers to this object any more."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - the finalizer closes it
        weakref.finalize(self, self.file.close)


class FrameSpool(Sequence[Image]):
    """Frames of one size and type uint8. The file is deleted when nothing refers to its frames any more.

    A slice is another view of the same frames.
    """

    def __init__(self) -> None:
        """Create the file in the folder for temporary files."""
        self._shared = _SharedFile()
        self._shape: tuple[int, ...] = ()
        self._rows: Sequence[int] = range(0)

    def append(self, frame: Image) -> None:
        """Add a frame at the end.

        Args:
            frame: uint8, of the same shape as all other frames.

        Raises:
            StorageError: the disk is full.
        """
        assert not self._rows or frame.shape == self._shape
        self._shape = frame.shape
        with explain_full_disk(Path(tempfile.gettempdir()), frame.size):
            self._shared.file.seek(len(self._rows) * frame.size)
            self._shared.file.write(frame.tobytes())
            self._shared.file.flush()
        self._rows = range(len(self._rows) + 1)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Image: ...

    @overload
    def __getitem__(self, index: slice) -> "FrameSpool": ...

    def __getitem__(self, index: int | slice) -> "Image | FrameSpool":
        """Read a frame, or return a view of several frames."""
        if isinstance(index, slice):
            return self.select(range(len(self))[index])
        size = int(np.prod(self._shape))
        self._shared.file.seek(self._rows[index] * size)
        return np.frombuffer(self._shared.file.read(size), np.uint8).reshape(self._shape)

    def select(self, indices: Sequence[int]) -> "FrameSpool":
        """Return a view of some frames.

        Args:
            indices: indices of the frames, in any order. A frame may appear several times.
        """
        view = FrameSpool.__new__(FrameSpool)
        view._shared, view._shape = self._shared, self._shape
        view._rows = [self._rows[index] for index in indices]
        return view
