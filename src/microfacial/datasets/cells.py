"""Parse the cells of an annotation table: frame numbers, padded ids, and names that become files or folders.

Everything here is strict, because a cell decides which files are read.
"""

import re

from microfacial.datasets.limits import GREATEST_FPS, LEAST_FPS
from microfacial.errors import DatasetError

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,2})?")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # with the signs of protection, so that each text can be restored
_SPREADSHEET_DIGITS = 15  # a spreadsheet shows and compares numbers with this many significant digits
_MAX_FRAME_NUMBER = 999_999_999
_MAX_NAME_LENGTH = 200  # characters; file systems allow 255 bytes
_FORBIDDEN = re.compile(r"[/\\:{}]")
_SHOWN = 40  # characters of a cell that a message shows


def show_cell(cell: str) -> str:
    """Return a cell in quotes on one line, for a message. A long cell is cut off.

    Args:
        cell: text of the cell.
    """
    return repr(cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}…")


def protect_cell(text: str) -> str:
    """Return text as a cell that no spreadsheet runs as a formula: with `'` before `=`, `+`, `-`, `@`, tab or CR.

    Args:
        text: text that can contain names of files.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def restore_cell(cell: str) -> str:
    """Return the text that `protect_cell` has protected.

    Args:
        cell: text of the cell.
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def parse_frame_number(cell: str, column: str, where: str) -> int:
    """Return the frame number in a cell.

    The grammar is that of a spreadsheet: `12`, `12.0` and `1.2E+01` are 12, also between blanks. Python's other forms,
    such as `1_000`, `nan`, `0x10` or digits of other scripts, are refused.

    Args:
        cell: text of the cell.
        column: name of its column, for the message.
        where: place of the row, for the message.

    Raises:
        DatasetError: the cell is not a whole number, is negative, or is larger than the number of any frame.
    """
    number = _parse_whole(cell)
    if number is None:
        raise DatasetError(f"{where}: {column} is {show_cell(cell)}, not a frame number. Correct the sheet")
    return number


def parse_rate(cell: str, column: str, where: str) -> float:
    """Return the frames per second in a cell.

    Args:
        cell: text of the cell.
        column: name of its column, for the message.
        where: place of the row, for the message.

    Raises:
        DatasetError: the cell is not a number from `LEAST_FPS` to `GREATEST_FPS`.
    """
    text = cell.strip()
    rate = float(text) if _NUMBER.fullmatch(text) else 0.0
    if not LEAST_FPS <= rate <= GREATEST_FPS:
        raise DatasetError(
            f"{where}: {column} is {show_cell(cell)}, not a number of frames per second. Correct the sheet"
        )
    return rate


def pad_number(cell: str, width: int) -> str:
    """Return a cell as an id: a whole number with leading zeros, or the text if the cell is not a number.

    Args:
        cell: text of the cell, such as `6`, `006` or `6.0`.
        width: least number of digits.
    """
    number = _parse_whole(cell)
    return cell.strip() if number is None else str(number).zfill(width)


def _parse_whole(cell: str) -> int | None:
    """Return the whole number in a cell, or None if there is none between 0 and the largest frame number."""
    text = cell.strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = float(f"{float(text):.{_SPREADSHEET_DIGITS}g}")
    return int(number) if number.is_integer() and 0 <= number <= _MAX_FRAME_NUMBER else None


def require_name(name: str, column: str, where: str) -> str:
    """Return a name unchanged if it can be the name of one file or folder, and of nothing outside of its folder.

    Args:
        name: name of a subject, a clip or an emotion.
        column: name of its column, for the message.
        where: place of the row, for the message.

    Raises:
        DatasetError: the name is empty or too long, is `.` or `..`, or has a slash, a backslash, a colon, a brace or a
            character that cannot be printed.
    """
    allowed = (
        0 < len(name) <= _MAX_NAME_LENGTH
        and name not in (".", "..")
        and name == name.strip()
        and name.isprintable()
        and not _FORBIDDEN.search(name)
    )
    if not allowed:
        raise DatasetError(
            f"{where}: {column} {show_cell(name)} is not the name of a file or folder. Correct it: a name has no "
            "slash, backslash, colon, brace or invisible character"
        )
    return name


def require_own_clip(subject: str, name: str, owner: str, where: str) -> None:
    """Refuse a clip that lies with another subject than its name says. One person could be in training and test.

    Args:
        subject: subject of the row: a number, with letters in front or not.
        name: name of the clip.
        owner: number of the subject in this name.
        where: place of the row, for the message.

    Raises:
        DatasetError: the numbers differ, or the subject has no number.
    """
    number = re.fullmatch("[A-Za-z]*([0-9]+)", subject)
    if number is None or number[1].lstrip("0") != owner.lstrip("0"):
        raise DatasetError(
            f"{where}: the subject {show_cell(subject)} does not fit the clip name {name}. Correct one of them"
        )
