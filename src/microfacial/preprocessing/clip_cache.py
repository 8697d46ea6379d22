"""Files of finished clips, outside of the outputs that DVC hashes.

A clip is stored under a key: the digest of everything that its result depends on, such as frames, moments, settings,
code and versions of libraries. A run computes only the clips whose keys are new. A killed run continues from the clips
that it has finished.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import DamagedError
from microfacial.files import REPAIR, digest, read_arrays, refuse_damaged, write_arrays
from microfacial.records import Clip
from microfacial.source_code import OPENCV, find_installed

SPARE_BYTES = 4_000_000_000
"""Space for clips of earlier runs, in caches that several data sets or settings share."""

_KEY = "key"  # array in each file, because a file can be renamed
_LIBRARIES = ("numpy", OPENCV, "scipy", "torch")


def library_versions() -> list[tuple[str, str] | None]:
    """Return the names and versions of the libraries that compute faces and flow."""
    return [find_installed(name) for name in _LIBRARIES]


def clip_key(clip: Clip, code: str, *facts: Any) -> str:
    """Return the key of a clip: a digest of the clip, the code, the versions of libraries, and further facts.

    Labels are not part of it, because faces and flow do not depend on them.

    Args:
        clip: clip with the digest of its frames.
        code: digest of the code that computes the result.
        facts: everything else that the result depends on, such as settings. See `files.digest`.

    Returns:
        16 hexadecimal digits.
    """
    moments = (clip.onset, clip.apex, clip.offset)
    frames = (clip.id, clip.corpus, clip.cropped, clip.digest, clip.numbers, moments)
    return digest([], frames, code, library_versions(), *facts)


class ClipCache:
    """Arrays of finished clips, one file for each clip. Only one process may write at a time.

    Attributes:
        folder: folder of the files. They lie in subfolders, named by the first two digits of the keys.
        remedy: what to do if a file is damaged.
    """

    def __init__(self, folder: Path, spare_bytes: int = 0, remedy: str = REPAIR) -> None:
        """Prepare the cache. Nothing is read or written.

        Args:
            folder: folder of the files. It need not exist.
            spare_bytes: greatest size of the files that the present run does not need.
            remedy: what to do if a file is damaged, as a sentence without a full stop.
        """
        self.folder, self.remedy = folder, remedy
        self._spare_bytes = spare_bytes

    def start(self, keys: Collection[str]) -> set[str]:
        """Return the clips that are finished, and delete files that the run does not need.

        Files of other clips may take the spare space. The files that were not used for the longest time are deleted
        until the remaining files fit into it.

        Args:
            keys: keys of all clips of a run.

        Returns:
            The keys whose files exist.
        """
        needed, others = set(keys), []
        finished = set()
        for path in self.folder.glob("*/*"):
            if path.is_dir():  # remains of a killed write
                shutil.rmtree(path)
            elif path.suffix == ".npz" and path.stem in needed:
                finished.add(path.stem)
            else:
                others.append(path)
        self._delete_oldest(others)
        return finished

    def read(self, key: str, names: Collection[str]) -> dict[str, NDArray[Any]]:
        """Return the arrays of a finished clip by name.

        Args:
            key: key of the clip.
            names: arrays that the file must have.

        Raises:
            StorageError: the file is missing or damaged, or belongs to another clip. The checksums in the file reveal
                every changed byte of an array.
        """
        path = self.path(key)
        arrays = read_arrays(path, (*names, _KEY), self.remedy)
        with refuse_damaged(path, self.remedy):
            if (stored := str(arrays.pop(_KEY))) != key:
                raise DamagedError(f"it is the file of the key {stored}")
        os.utime(path)  # `start` deletes the files first that were not used for the longest time
        return arrays

    def write(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Store the arrays of a finished clip.

        Args:
            key: key of the clip.
            arrays: arrays by name. All numbers are finite.

        Raises:
            StorageError: the disk is full.
        """
        write_arrays(self.path(key), {_KEY: np.array(key), **arrays})

    def path(self, key: str) -> Path:
        """Return the path of a clip's file.

        Args:
            key: key of the clip.
        """
        return self.folder / key[:2] / f"{key}.npz"

    def _delete_oldest(self, paths: Iterable[Path]) -> None:
        """Delete the files that were not used for the longest time, until the others fit into the spare space."""
        size = 0
        for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True):
            size += path.stat().st_size
            if size > self._spare_bytes:
                path.unlink()
