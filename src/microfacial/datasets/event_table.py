"""Write and read tables of expressions in long videos. The truth about a video and an answer have the same columns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal, cast

from microfacial.datasets.cells import restore_cell
from microfacial.datasets.video import VIDEO_EXTENSIONS
from microfacial.disk import read_content
from microfacial.errors import DamagedError
from microfacial.files import read_csv, refuse_damaged, write_csv
from microfacial.formats import parse_json, parse_whole

EVENT_COLUMNS = ("person", "onset", "apex", "offset", "class", "kind")
_NEEDED = ("person", "onset", "apex", "offset", "kind")
_KINDS = ("micro", "macro")
_MOMENTS = ("onset", "apex", "offset")
_ANSWER_KEYS = ("events", "onset", "error", "reason")  # a film without events has a reason
SPOTTED_REMEDY = "Correct the table. `microfacial predict clip.mp4 --csv spotted.csv` writes an example"
"""What to do about a faulty table of spotted movements."""

_REMEDY = "Correct the table. `microfacial demo --video clip.mp4` writes an example"


@dataclass(frozen=True, kw_only=True)
class VideoEvent:
    """One annotated or spotted expression in a video.

    Attributes:
        person: name or number of the person.
        onset: frame number.
        apex: frame number.
        offset: frame number.
        label: class of the expression; empty if it is unknown.
        kind: micro or macro.
        video: path of the video or of its folder of frames, as the table gives it; empty if the table is about a single
            video.
    """

    person: str
    onset: int
    apex: int
    offset: int
    label: str
    kind: Literal["micro", "macro"]
    video: str = ""

    def in_video(self, video: str) -> "VideoEvent":
        """Return the same event in a video of another name.

        Args:
            video: name of the video.
        """
        return replace(self, video=video)


@dataclass(frozen=True, kw_only=True)
class EventTable:
    """Content of a table of expressions.

    Attributes:
        events: the expressions, in the order of the rows.
        quiet: names of the videos in which nothing moves: those of rows without moments, and of answers without events.
    """

    events: tuple[VideoEvent, ...]
    quiet: tuple[str, ...]


def write_events(path: Path, events: Iterable[VideoEvent]) -> None:
    """Write a table of expressions of one video.

    Args:
        path: file to write.
        events: the expressions, in the order of the rows.
    """
    write_csv(path, ({**vars(event), "class": event.label} for event in events), EVENT_COLUMNS)


def read_event_table(path: Path, remedy: str = _REMEDY) -> EventTable:
    """Read a table of expressions, or the answers of `predict --json`.

    Args:
        path: CSV file with at least the columns person, onset, apex, offset, kind, and `class` or `label`. A column
            `video`, `source` or `clip` tells apart several videos. Or a JSON file with one answer, a list of answers,
            one answer per line, or one event per line, as `predict --json` prints them.
        remedy: what to do about a faulty table.

    Returns:
        The expressions in order, and the videos without any.

    Raises:
        StorageError: the file is missing, a row is faulty, or the film of a row could not be answered. The message
            names the place.
    """
    if path.suffix.lower() == ".csv":
        table = ({name: restore_cell(cell) for name, cell in row.items()} for row in read_csv(path, _NEEDED, remedy))
        rows = [(f"line {line}", row) for line, row in enumerate(table, 2)]
    else:
        with refuse_damaged(path, remedy):
            rows = list(_list_answers(read_content(path, pipes=True)))
    with refuse_damaged(path, remedy):
        for where, row in rows:
            if row.get("error") and not _has_moments(row):
                film = _find_video(row) or "the film"
                raise DamagedError(f"{where}: {film} has an error in place of an answer: {row['error']}")
        events = tuple(parse_event(row, where) for where, row in rows if _has_moments(row))
    quiet = (_find_video(row) for _, row in rows if not _has_moments(row))
    return EventTable(events=events, quiet=tuple(filter(None, quiet)))


def _has_moments(row: dict[str, str]) -> bool:
    return any(row.get(moment) for moment in _MOMENTS)


def _find_video(row: dict[str, str]) -> str:
    return row.get("video") or row.get("source") or row.get("clip") or ""


def _list_answers(content: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the place and the cells of each event in a JSON file."""
    try:
        documents = parse_json(content)
    except DamagedError:  # one document per line
        documents = [parse_json(line) for line in content.splitlines() if line.strip()]
    if documents == []:
        raise DamagedError("it has no answer")
    for number, answer in enumerate(documents if isinstance(documents, list) else [documents], 1):
        if not isinstance(answer, dict) or not isinstance(answer.get("events", []), list):
            raise DamagedError(f"answer {number} is not an object with a list of events")
        if not answer.keys() & set(_ANSWER_KEYS):
            raise DamagedError(f"answer {number} has none of the keys {', '.join(_ANSWER_KEYS)}")
        rows = [answer] if "onset" in answer else answer.get("events", [])
        source = str(answer.get("video") or answer.get("source") or answer.get("clip") or "")
        if not rows:
            yield f"answer {number}", {"source": source, "error": str(answer.get("error") or "")}
        for place, event in enumerate(rows, 1):
            where = f"answer {number}, event {place}"
            if not isinstance(event, dict) or not event.keys() >= set(_NEEDED):
                raise DamagedError(f"{where} lacks one of {', '.join(_NEEDED)}")
            cells = {key: "" if event[key] is None else str(event[key]) for key in _NEEDED}
            label = event.get("class") or event.get("label") or ""
            yield where, {**cells, "class": str(label), "source": source}


def parse_event(cells: dict[str, str], where: str) -> VideoEvent:
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
    return VideoEvent(
        person=cells["person"],
        onset=onset,
        apex=apex,
        offset=offset,
        label=cells.get("class") or cells.get("label") or "",
        kind=cast(Literal["micro", "macro"], cells["kind"]),
        video=_find_video(cells),
    )


def drop_extension(path: str) -> str:
    """Return the path of a video without its extension, or the path of a folder of frames as it is.

    Args:
        path: the path; empty if it is unknown.
    """
    video = PurePath(path)
    if not path:
        return ""
    return str(video.with_suffix("") if video.suffix.lower() in VIDEO_EXTENSIONS else video)
