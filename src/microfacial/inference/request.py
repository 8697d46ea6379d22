"""Open the clip in a request to a served model: the path of a file, or the file itself as base64."""

import base64
import binascii
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microfacial.errors import DatasetError

_SUFFIXES = {b"RIFF": ".avi", b"GIF8": ".gif", b"\x89PNG": ".png"}  # by the first bytes of a file
_MP4_BRAND = b"ftyp"  # from byte 4
_MAX_SHOWN = 60  # characters of a wrong value that the error message repeats


@contextmanager
def open_requested_clip(clip: str) -> Iterator[Path]:
    """Yield the path of the clip. A clip in base64 is written to a temporary file, which is deleted afterwards.

    Args:
        clip: the path of a video, of a folder of frames or of a map, or a video or map as base64.

    Yields:
        The path of a file or folder that exists.

    Raises:
        DatasetError: the value is neither an existing path nor base64 of a video or map.
    """
    if _is_path(clip):
        yield Path(clip)
        return
    content = _decode(clip)
    suffix = _find_suffix(content)
    if not suffix:
        shown = clip if len(clip) <= _MAX_SHOWN else f"{clip[:_MAX_SHOWN]}…"
        raise DatasetError(
            f"{shown!r} is neither a path that exists on this machine nor base64 of a video (avi, gif, mov, mp4) or of "
            "a map (png). Send one of these"
        )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"clip{suffix}"
        path.write_bytes(content)
        yield path


def _is_path(clip: str) -> bool:
    try:
        return bool(clip) and Path(clip).exists()  # an empty path would mean the current folder
    except (OSError, ValueError):  # too long for a file name, or with a null byte
        return False


def _find_suffix(content: bytes) -> str:
    """Return the file name suffix for a video or picture, found from its first bytes. Return "" for anything else."""
    if content[4:8] == _MP4_BRAND:
        return ".mp4"
    return next((suffix for start, suffix in _SUFFIXES.items() if content.startswith(start)), "")


def _decode(clip: str) -> bytes:
    """Return the decoded bytes, or no bytes if the text is not base64."""
    try:
        return base64.b64decode(clip, validate=True)
    except (binascii.Error, ValueError):
        return b""
