"""Open the clip in a request to a served model: a video or a map as base64, within stated limits.

A request never names a file of the server. Anyone who can reach the server could otherwise find out which files exist.
"""

import base64
import binascii
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microfacial.datasets.limits import check_frame_size
from microfacial.datasets.video import scan_video
from microfacial.errors import DatasetError
from microfacial.inference.request_limits import DEFAULT_LIMITS, find_film_suffix, find_picture_suffix

MAX_BYTES = DEFAULT_LIMITS.upload_bytes
MAX_PIXELS = DEFAULT_LIMITS.pixels
MAX_FRAMES = DEFAULT_LIMITS.frames
MAX_SECONDS = DEFAULT_LIMITS.film_seconds

_MAP = ".png"
_PNG_SIDES = slice(16, 24)  # width and height in the header of a PNG, four bytes each
_ACCEPTED = "base64 of a video (avi, gif, mkv, mov, mp4, webm) or of a map (png)"


@contextmanager
def open_requested_clip(clip: str) -> Iterator[Path]:
    """Write the clip of a request to a temporary file, which is deleted afterwards.

    Args:
        clip: a video or a map as base64.

    Yields:
        The path of the temporary file.

    Raises:
        DatasetError: the value is not base64 of a video or map, or the clip exceeds `MAX_BYTES`, `MAX_PIXELS`,
            `MAX_FRAMES` or `MAX_SECONDS`. The message does not contain the value, nor a path of this machine.
    """
    if len(clip) > (MAX_BYTES + 2) // 3 * 4:
        raise DatasetError(f"the clip is larger than {MAX_BYTES // 2**20} MB. Send a shorter or smaller clip")
    content = _decode(clip)
    suffix = _find_suffix(content)
    if not suffix:
        raise DatasetError(f"the value of clip is not {_ACCEPTED}. Send the content of a file, not its path")
    if suffix == _MAP:
        width, height = (int.from_bytes(content[_PNG_SIDES][start : start + 4], "big") for start in (0, 4))
        check_frame_size(Path("the clip"), width, height, MAX_PIXELS)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"clip{suffix}"
        path.write_bytes(content)
        if suffix != _MAP:
            _check_video(path)
        yield path


def _check_video(path: Path) -> None:
    """Refuse a video that is damaged, too large or too long. Its frames are counted, because headers can be wrong."""
    try:
        facts = scan_video(path, most_frames=MAX_FRAMES, most_px=MAX_PIXELS)
    except DatasetError as error:  # the temporary path means nothing to the sender
        raise DatasetError(str(error).replace(str(path), "the clip")) from None
    seconds = facts.seconds[-1] if facts.seconds else 0.0
    if seconds > MAX_SECONDS:
        raise DatasetError(f"the clip takes {seconds:.0f} s, more than {MAX_SECONDS:.0f} s. Send a shorter clip")


def _find_suffix(content: bytes) -> str:
    """Return the file name suffix of a video or map, found from its first bytes. Return "" for anything else."""
    picture = find_picture_suffix(content)
    return find_film_suffix(content) or (picture if picture == _MAP else "")


def _decode(clip: str) -> bytes:
    """Return the decoded bytes, or no bytes if the text is not base64."""
    try:
        return base64.b64decode(clip, validate=True)
    except (binascii.Error, ValueError):
        return b""
