"""Collect the flow of clips on disk while the `flow` stage computes it."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.disk import create_array, move_file, reserve
from microfacial.files import atomic_write, read_array, write_json
from microfacial.preprocessing.clip_digests import array_digest, write_digests

_DONE = re.compile(r"(?P<key>\S+) (?P<row>[0-9]{1,9}) (?P<digest>[0-9a-f]{16})")  # a line of done.txt


class FlowWriter:
    """Collect the flow of clips in a folder, clip by clip. The process may be killed between any two clips.

    A clip is done when done.txt has a line with its key, its row and the digest of its flow. The line is written after
    the flow.

    Attributes:
        folder: folder of the files.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        """Open the folder, or create it with a file of zeros.

        Args:
            folder: folder of the files.
            shape: shape of the flow of all clips, `(N, T, C, H, W)`.

        Raises:
            StorageError: The folder has a file of flow with another type or shape, or the disk is full.
        """
        self.folder = folder
        self._shape = shape
        self._log = folder / "done.txt"
        array = folder / "flow.npy"
        if not array.exists():
            self._log.unlink(missing_ok=True)  # the clips in it were lost with the array
            with atomic_write(array) as fresh:
                create_array(fresh, np.float16, shape, array)
        self.read()  # checks the file
        self._digests: dict[int, str] = {}
        reserve(array, array)  # earlier versions did not reserve space
        self._flow = np.lib.format.open_memmap(array, mode="r+")

    def done(self) -> set[str]:
        """Return the keys that were given to `add`, for each clip whose flow is still as it was written.

        A line or a row that was damaged counts as not done, so the flow of its clip is computed again.
        """
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        flow, keys = self.read(), set()
        for line in lines:
            parts = _DONE.fullmatch(line)
            row = int(parts["row"]) if parts else len(flow)
            if parts and row < len(flow) and array_digest(flow[row]) == parts["digest"]:
                keys.add(parts["key"])
                self._digests[row] = parts["digest"]
        return keys

    def add(self, row: int, key: str, flow: NDArray[np.float16]) -> None:
        """Write the flow of one clip and record that it is done.

        Args:
            row: index of the clip in the array.
            key: text that identifies the clip and all that its flow depends on.
            flow: flow of the clip, `(T, C, H, W)`.
        """
        self._flow[row] = flow
        self._flow.flush()
        self._digests[row] = array_digest(self._flow[row])
        with self._log.open("a") as log:
            log.write(f"{key} {row} {self._digests[row]}\n")

    def read(self) -> NDArray[np.float16]:
        """Return the flow of all clips, `(N, T, C, H, W)`, memory-mapped. Clips that are not done have zeros."""
        remedy = f"Delete the folder {self.folder} and run the command again"
        return read_array(self.folder / "flow.npy", np.float16, self._shape, remedy)

    def finish(self, out: Path, index: dict[str, Any]) -> None:
        """Move the flow to `out`, write its index there, and delete the folder.

        Args:
            out: folder to write. An existing folder is replaced.
            index: content of index.json: `unit`, `windows` and `clips`, the ids of the clips.
        """
        with atomic_write(out) as fresh:
            fresh.mkdir()
            write_json(fresh / "index.json", index)
            flow = self.read()
            digests = {row: self._digests.get(row) or array_digest(flow[row]) for row in range(len(flow))}
            write_digests(fresh, {clip: digests[row] for row, clip in enumerate(index["clips"])})
            move_file(self.folder / "flow.npy", fresh / "flow.npy", out / "flow.npy")
        shutil.rmtree(self.folder)
