"""Digests of stored arrays, one per clip. They show whether a clip was altered or exchanged after it was written."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import DamagedError
from microfacial.files import read_json, refuse_damaged, write_json

_LOG = logging.getLogger(__name__)
_NAME = "digests.json"
_BYTES = 8  # of a digest; BLAKE2b reads about 600 MB per second


def array_digest(array: NDArray[Any]) -> str:
    """Return a digest of the bytes of an array.

    Args:
        array: array of any shape.

    Returns:
        16 hexadecimal digits.
    """
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=_BYTES).hexdigest()


def write_digests(folder: Path, digests: Mapping[str, str]) -> None:
    """Write digests.json.

    Args:
        folder: folder of the array.
        digests: digest of each clip's rows by the id of the clip.
    """
    write_json(folder / _NAME, dict(digests))


def check_digests(path: Path, clips: Sequence[str], array: NDArray[Any], remedy: str) -> None:
    """Compare the array of each clip with the digest that the stage wrote.

    Earlier versions wrote no digests. Then a warning is logged.

    Args:
        path: file of the array. digests.json lies next to it.
        clips: ids of the clips, in the order of the array.
        array: array whose first axis is the clip.
        remedy: what to do if the array is damaged.

    Raises:
        StorageError: the array of a clip was altered or exchanged, or digests.json is damaged or has other clips. The
            message names the clip.
    """
    file = path.with_name(_NAME)
    if not file.exists():
        _LOG.warning(
            "%s is missing, because an earlier version wrote %s. Altered clips go unnoticed. `dvc repro` writes it",
            file,
            path.parent,
        )
        return
    digests = read_json(file, dict[str, str], remedy)
    with refuse_damaged(file, remedy):
        other = sorted(digests.keys() ^ set(clips))
        if other:
            raise DamagedError(f"it does not belong to {path.name}, because only one of them has the clip {other[0]}")
    with refuse_damaged(path, remedy):
        for clip, rows in zip(clips, array, strict=True):
            actual = array_digest(rows)
            if actual != digests[clip]:
                owner = next((name for name, digest in digests.items() if digest == actual), None)
                fault = f"has the content of {owner}" if owner else "was altered after it was written"
                raise DamagedError(f"{clip} {fault}")
