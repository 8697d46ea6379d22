"""Annotation tables of a release → Annotations, row by row.

A row that cannot be read stands as a `Fault` among the others, so that a doctor can name them all; whoever wants clips
stops at the first.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from microfacial.datasets.schemes import spell
from microfacial.errors import AbsentError, DatasetError
from microfacial.records import DEMO_CORPUS, Clip
from microfacial.storage import read_table

SYNTHETIC_MARKER = "SYNTHETIC.txt"  # stands in the folder of synthetic clips, which must not pass for a corpus' own
_NOT_GIVEN = ("/", "")


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One row of an annotation table. Frame numbers are those of the file names; `apex` is None where none is given.

    `vocabulary` names the corpus whose words for emotions the row uses, `where` the row itself, for messages. `cropped`
    says that the release has cropped the frames to the face.
    """

    corpus: str
    vocabulary: str
    subject: str
    name: str
    emotion: str
    action_units: str
    onset: int
    apex: int | None
    offset: int
    fps: float
    cropped: bool = False
    where: str = field(default="", compare=False)
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The clip id that messages and `clips.exclude` use."""
        return clip_id(self.corpus, self.subject, self.name)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A row that cannot be used, and why. `id` is that of its clip, or empty where not even that is known."""

    id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A row that its release is known to have no frames for."""

    id: str
    reason: str


Row = Annotation | Fault | LeftOut


@dataclass(frozen=True, kw_only=True)
class Release:
    """One corpus as it lies on disk: its rows, and `make_clip(row, label, max_gap)`, which joins a row with its frames.

    The frames of such a clip are named below the folder of the release.
    """

    rows: tuple[Row, ...]
    make_clip: Callable[[Annotation, str, int], Clip]


def clip_id(corpus: str, subject: str, name: str) -> str:
    """The id of a clip, unique in a data set."""
    return f"{corpus}/{subject}/{name}"


def name_corpus(folder: Path, corpus: str) -> str:
    """The corpus' own name, or, where the folder is marked as synthetic, one that cannot be mistaken for it."""
    if not (folder / SYNTHETIC_MARKER).exists():
        return corpus
    return DEMO_CORPUS if corpus == "casme2" else f"{DEMO_CORPUS}-{corpus}"


def amend(rows: Iterable[Row], change: Callable[[Annotation], Row]) -> tuple[Row, ...]:
    """All rows, every annotation among them changed; one that cannot be changed becomes a fault."""
    return tuple(_amend(row, change) if isinstance(row, Annotation) else row for row in rows)


def _amend(row: Annotation, change: Callable[[Annotation], Row]) -> Row:
    try:
        return change(row)
    except DatasetError as error:
        return Fault(id=row.id, reason=str(error))


# --- tables -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What a corpus calls the columns of its table; None for what it does not have. `apex` may be absent on disk."""

    subject: str = "Subject"
    name: str = "Filename"
    onset: str
    apex: str | None
    offset: str
    action_units: str | None
    emotion: str
    others: tuple[str, ...] = ()

    def required(self) -> tuple[str, ...]:
        """Every column that has to be there."""
        optional = tuple(filter(None, (self.apex, self.action_units)))
        return (self.subject, self.name, self.onset, self.offset, self.emotion, *optional, *self.others)


def find_table(root: Path, corpus: str, pattern: str) -> Path:
    """The last by name of the tables that match a pattern, in the root or else in a folder directly below.

    Raises:
        AbsentError: there is none.
    """
    tables = sorted(root.glob(pattern)) or sorted(root.glob(f"*/{pattern}"))
    if not tables:
        raise AbsentError(f"{corpus}: no {pattern} in {root}. Put the release there or correct clips in params.yaml")
    return tables[-1]


def read_annotations(
    table: Path, columns: Columns, corpus: str, vocabulary: str, fps: float, sheet: str | None = None
) -> Iterator[Annotation | Fault]:
    """Yield each row, subject and clip name as the table has them; blank rows and notes below the table are no rows.

    A row that has text where a frame number belongs, or no subject or name, is a fault.

    Raises:
        DatasetError: the table is no spreadsheet or lacks a column.
    """
    for where, row in table_rows(table, columns, sheet):
        try:
            yield _read_row(row, columns, corpus, vocabulary, fps, where)
        except DatasetError as error:
            yield Fault(id="", reason=str(error))


def table_rows(table: Path, columns: Columns, sheet: str | None = None) -> "Iterator[tuple[str, pd.Series[str]]]":
    """Yield each row with the words that name it in a message.

    Raises:
        DatasetError: the table is no spreadsheet or lacks a column.
    """
    rows = read_table(table, heading=columns.name, sheet=sheet)
    missing = [column for column in columns.required() if column not in rows.columns]
    if missing:
        raise DatasetError(f"{table}: no column {', '.join(missing)} (found {', '.join(filter(None, rows.columns))})")
    for line, row in rows.iterrows():
        if (row[columns.subject] and row[columns.name]) or row[columns.onset]:
            yield f"{table.name}, row {line}", row


def _read_row(
    row: "pd.Series[str]", columns: Columns, corpus: str, vocabulary: str, fps: float, where: str
) -> Annotation:
    if not row[columns.subject] or not row[columns.name]:
        raise DatasetError(f"{where}: has no {columns.subject} or no {columns.name}. Correct the sheet")
    onset, offset = (read_number(row, column, where) for column in (columns.onset, columns.offset))
    given = columns.apex is not None and row[columns.apex] not in _NOT_GIVEN
    return Annotation(
        corpus=corpus,
        vocabulary=vocabulary,
        subject=row[columns.subject],
        name=row[columns.name],
        emotion=spell(row[columns.emotion]),
        action_units=row[columns.action_units] if columns.action_units else "",
        onset=onset,
        apex=read_number(row, columns.apex, where) if columns.apex and given else None,
        offset=offset,
        fps=fps,
        where=where,
    )


def read_number(row: "pd.Series[str]", column: str, where: str) -> int:
    """The frame number in a column.

    Raises:
        DatasetError: there is text, or no whole number.
    """
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise DatasetError(f"{where}: {column} is {row[column]!r}, not a frame number. Correct the sheet")
    return int(number)
