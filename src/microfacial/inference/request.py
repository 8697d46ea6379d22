"""Read the rows of a request to a served model: a video, a map or frames as base64, within stated limits.

A request never names a file of the server. Anyone who can reach the server could otherwise find out which files exist.
"""

import base64
import binascii
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from microfacial.datasets.limits import check_frame_count
from microfacial.errors import DatasetError, TooLargeError
from microfacial.inference.film_checks import check_film
from microfacial.inference.film_jobs import FilmJob
from microfacial.inference.request_limits import (
    DEFAULT_LIMITS,
    MAP_SUFFIX,
    RequestLimits,
    find_film_suffix,
    find_picture_suffix,
)

CLIP_NAME = "the clip"
"""Name of a clip in answers. The name of its temporary file means nothing to the sender."""

_MOMENTS = ("onset", "apex", "offset")
_CLIPS = "base64 of a video (avi, gif, mkv, mov, mp4, webm) or of a map (png)"
_FRAMES = "base64 of a picture (png, jpg or bmp)"
_LARGEST_NUMBER = 2**53  # a larger whole number cannot be told from its neighbours in JSON


def read_request(row: Mapping[str, Any], folder: Path, limits: RequestLimits = DEFAULT_LIMITS) -> FilmJob:
    """Write the clip of a row to a folder.

    Args:
        row: `clip`, a video or map as base64, or `frames`, a list of pictures as base64. `onset`, `apex`, `offset` and
            `fps` are optional. None and NaN mean that a value is not given. Other names are ignored.
        folder: an empty temporary folder. Names of files in it do not depend on the request.
        limits: limits of the clip. Only its size in bytes and the number of its frames are checked: `check_film` checks
            the content.

    Returns:
        The clip, with its moments and frame rate.

    Raises:
        TooLargeError: the clip has too many bytes or frames.
        DatasetError: the row has neither a clip nor frames, or both, or a value has another type. The message does not
            repeat the clip, nor does it name a path of this machine.
    """
    given = {name: value for name, value in row.items() if not _is_missing(value)}
    if ("clip" in given) == ("frames" in given):
        found = "both clip and frames" if "clip" in given else "neither clip nor frames"
        raise DatasetError(f"the row has {found}. Give clip, {_CLIPS}, or frames, a list of which each is {_FRAMES}")
    moments = {name: _read_whole(name, given[name]) for name in _MOMENTS if name in given}
    fps = _read_number("fps", given["fps"]) if "fps" in given else None
    write = _write_clip if "clip" in given else _write_frames
    path = write(given.get("clip", given.get("frames")), folder, limits)
    return FilmJob(name=CLIP_NAME, path=path, fps=fps, moments=moments)


@contextmanager
def open_requested_clip(clip: str, limits: RequestLimits = DEFAULT_LIMITS) -> Iterator[Path]:
    """Write the clip of a request to a temporary file, which is deleted afterwards.

    Args:
        clip: a video or a map as base64.
        limits: limits of the clip.

    Yields:
        The path of the temporary file.

    Raises:
        DatasetError: the value is not base64 of a video or map, the video is damaged, or the clip exceeds a limit. The
            message does not contain the value, nor a path of this machine.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = read_request({"clip": clip}, Path(scratch), limits).path
        try:
            check_film(path, limits)
        except DatasetError as error:
            raise type(error)(str(error).replace(str(path), CLIP_NAME)) from None
        yield path


def _write_clip(clip: object, folder: Path, limits: RequestLimits) -> Path:
    content = _decode(clip, limits.upload_bytes, limits)
    picture = find_picture_suffix(content)
    suffix = find_film_suffix(content) or (picture if picture == MAP_SUFFIX else "")
    if not suffix:
        raise DatasetError(f"the value of clip is not {_CLIPS}. Send the content of a file, not its path")
    path = folder / f"clip{suffix}"
    path.write_bytes(content)
    return path


def _write_frames(frames: object, folder: Path, limits: RequestLimits) -> Path:
    """Write the frames of a film into a new folder, numbered from 1."""
    frames = frames.tolist() if isinstance(frames, np.ndarray) else frames
    if not isinstance(frames, list | tuple) or not frames:
        raise DatasetError(f"frames must be a list of which each is {_FRAMES}")
    film, remaining = folder / "frames", limits.upload_bytes
    check_frame_count(Path(CLIP_NAME), len(frames), limits.frames)
    film.mkdir()
    for number, frame in enumerate(frames, 1):
        content = _decode(frame, remaining, limits)
        remaining -= len(content)
        suffix = find_picture_suffix(content)
        if not suffix:
            raise DatasetError(f"frame {number} of frames is not {_FRAMES}. Send the content of a file, not its path")
        (film / f"frame{number:06d}{suffix}").write_bytes(content)
    return film


def _decode(text: object, most: int, limits: RequestLimits) -> bytes:
    """Return at most `most` decoded bytes, or no bytes if the value is not base64."""
    if not isinstance(text, str):
        return b""
    text = "".join(text.split())  # programs such as base64 break lines
    if text.startswith("data:"):
        text = text.partition(",")[2]
    too_large = TooLargeError(
        f"{CLIP_NAME} is larger than {limits.upload_bytes / 2**20:g} MB. Send a shorter or smaller clip"
    )
    if len(text) > (most + 2) // 3 * 4:  # not decoded
        raise too_large
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    if len(content) > most:
        raise too_large
    return content


def _is_missing(value: Any) -> bool:
    """Return whether a cell of a table has no value, such as None, NaN or pandas' NA."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _read_number(name: str, value: Any) -> float:
    """Return a number. The function that uses it checks its range."""
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise DatasetError(f"{name} must be a number, not {str(value)[:40]!r}")
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        raise DatasetError(f"{name} must be a number, not {str(value)[:40]!r}") from None


def _read_whole(name: str, value: Any) -> int:
    number = _read_number(name, value)
    if not (number.is_integer() and abs(number) <= _LARGEST_NUMBER):
        raise DatasetError(f"{name} must be the number of a frame, not {str(value)[:40]!r}")
    return int(number)
