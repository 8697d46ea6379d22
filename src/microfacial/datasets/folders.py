"""Frames in folders: list a folder, and find the frames by the numbers in their names."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from microfacial.errors import DatasetError
from microfacial.records import FRAME_NUMBER

FRAME_EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
"""Extensions of frames in all corpora, in lower case. Upper and lower case match."""


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into an error that names the path and the cause.

    Args:
        path: file or folder that is read.

    Raises:
        DatasetError: in place of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror or error}. Correct its permissions or copy it again"
        ) from None


def require_unicode(path: Path) -> None:
    """Refuse a path whose bytes are not text, because OpenCV crashes when it gets such a path.

    Args:
        path: file of a video.

    Raises:
        DatasetError: a byte of the path is not text in the encoding of the file system.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        raise DatasetError(
            f"{path}: the bytes of this name are not text in {encoding}, so it cannot be opened as a video. "
            "Rename it, or set PYTHONUTF8=1 if the name is in UTF-8"
        ) from None


def is_inside(path: str) -> bool:
    """Return whether a relative path stays below the folder that it starts from.

    Args:
        path: path with slashes.
    """
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and "\0" not in path


def list_folder(folder: Path) -> list[Path]:
    """Return the files and folders in a folder, in no particular order.

    Args:
        folder: folder to list. It may be missing.

    Returns:
        Paths; empty if the folder does not exist.

    Raises:
        DatasetError: the folder cannot be read.
    """
    with translate_os_errors(folder):
        return list(folder.iterdir()) if folder.is_dir() else []


def find_frames(folder: Path, pattern: str) -> tuple[int, ...]:
    """Return the numbers of the frames in a folder.

    Args:
        folder: folder of the frames. It may be missing.
        pattern: name of a frame with `{}` or `{:05d}` at its number.

    Returns:
        Numbers, ascending; empty if no name matches the pattern.

    Raises:
        DatasetError: the folder cannot be read.
    """
    prefix, width, suffix = _split_pattern(pattern)
    name = re.compile(re.escape(prefix) + r"([0-9]+)" + re.escape(suffix))
    numbers = [match[1] for path in list_folder(folder) if (match := name.fullmatch(path.name))]
    return tuple(sorted(int(digits) for digits in numbers if digits == str(int(digits)).zfill(width)))


def find_pattern(folder: Path, extensions: tuple[str, ...], default: str, *, prefer_default: bool = False) -> str:
    """Return the pattern of the frame names in a folder. The last integer in a name is the frame number.

    Args:
        folder: folder of the frames. It may be missing.
        extensions: extensions of frames, such as `.jpg`. Upper and lower case match.
        default: pattern to return if the folder has no frame.
        prefer_default: whether names with another pattern are ignored if there are names with the default pattern.

    Returns:
        The name of a frame with `{}` at its number, or with `{:05d}` if numbers are padded to five digits.

    Raises:
        DatasetError: the folder mixes two patterns or two paddings, a name contains a placeholder, or the folder cannot
            be read.
    """
    if prefer_default and find_frames(folder, default):
        return default
    name = re.compile(r"(?!\.)(.*?)([0-9]+)((?i:" + "|".join(map(re.escape, extensions)) + "))")
    matches = [match for path in list_folder(folder) if (match := name.fullmatch(path.name))]
    if not matches:
        return default
    forms = sorted({(match[1], match[3]) for match in matches})
    if len(forms) > 1:
        names = " and ".join(f"{prefix}<N>{extension}" for prefix, extension in forms)
        raise DatasetError(f"{folder} mixes frames {names}. Keep the frames of one pattern only")
    (prefix, extension), numbers = forms[0], sorted(match[2] for match in matches)
    if FRAME_NUMBER.search(prefix):
        raise DatasetError(
            f"{folder} has frames {prefix}<N>{extension}, but such braces stand for the number of a frame. Rename them"
        )
    padded = any(digits.startswith("0") and len(digits) > 1 for digits in numbers)
    width = min(map(len, numbers)) if padded else 0
    odd = next((digits for digits in numbers if digits != str(int(digits)).zfill(width)), None)
    if odd is not None:
        names = " and ".join(f"{prefix}{digits}{extension}" for digits in (min(numbers, key=len), odd))
        raise DatasetError(f"{folder} mixes numbers of different zero-padding, {names}. Pad all numbers alike")
    return f"{prefix}{{:0{width}d}}{extension}" if padded else f"{prefix}{{}}{extension}"


def _split_pattern(pattern: str) -> tuple[str, int, str]:
    """Return the text before the number, the number's least count of digits, and the text after it."""
    placeholder = FRAME_NUMBER.search(pattern)
    assert placeholder is not None, f"{pattern} has no placeholder for a frame number"
    return pattern[: placeholder.start()], int(placeholder[1] or 0), pattern[placeholder.end() :]
