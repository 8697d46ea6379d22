"""Write and read tables of expressions in long videos. The truth about a video and an answer have the same columns."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from microfacial.errors import DamagedError
from microfacial.files import read_csv, refuse_damaged, write_csv
from microfacial.formats import parse_whole

EVENT_COLUMNS = ("person", "onset", "apex", "offset", "class", "kind")
_KINDS = ("micro", "macro")
_MOMENTS = ("onset", "apex", "offset")
_REMEDY = "Correct the table. `microfacial demo --video clip.mp4` writes an example"


@dataclass(frozen=True, kw_only=True)
class TrueEvent:
    """One expression.

    Attributes:
        person: name or number of the person.
        onset: frame number.
        apex: frame number.
        offset: frame number.
        label: class of the expression; empty if it is unknown.
        kind: micro or macro.
        video: name of the video; empty if the table is about a single video.
    """

    person: str
    onset: int
    apex: int
    offset: int
    label: str
    kind: Literal["micro", "macro"]
    video: str = ""


def write_events(path: Path, events: Iterable[TrueEvent]) -> None:
    """Write a table of expressions of one video.

    Args:
        path: file to write.
        events: the expressions, in the order of the rows.
    """
    write_csv(path, ({**vars(event), "class": event.label} for event in events), EVENT_COLUMNS)


def read_events(path: Path) -> tuple[TrueEvent, ...]:
    """Read a table of expressions.

    Args:
        path: CSV file with at least the columns person, onset, apex, offset, class and kind. A column `video` or
            `source` tells apart several videos.

    Returns:
        The expressions in the order of the rows. Rows without moments, which `predict` writes for files without events,
        are left out.

    Raises:
        StorageError: the file is missing or a row is faulty. The message names the line.
    """
    rows = read_csv(path, EVENT_COLUMNS, _REMEDY)
    with refuse_damaged(path, _REMEDY):
        return tuple(
            parse_event(row, f"line {line}") for line, row in enumerate(rows, 2) if any(row[m] for m in _MOMENTS)
        )


def parse_event(cells: dict[str, str], where: str) -> TrueEvent:
    """Return the expression in a row.

    Args:
        cells: texts by the name of their column.
        where: place of the row, for messages.

    Raises:
        DamagedError: a number is not one, the moments are out of order, or the kind is unknown.
    """
    try:
        onset, apex, offset = (parse_whole(cells[moment]) for moment in _MOMENTS)
    except DamagedError as error:
        raise DamagedError(f"{where}: {error}") from None
    if not onset <= apex <= offset:
        raise DamagedError(f"{where}: onset {onset}, apex {apex} and offset {offset} are not in this order")
    if cells["kind"] not in _KINDS:
        raise DamagedError(f"{where}: kind {cells['kind']!r} is neither micro nor macro")
    return TrueEvent(
        person=cells["person"],
        onset=onset,
        apex=apex,
        offset=offset,
        label=cells["class"],
        kind=cast(Literal["micro", "macro"], cells["kind"]),
        video=Path(cells.get("video") or cells.get("source") or "").stem,
    )
