"""Annotation tables of a release → Annotations, row by row.

A row that cannot be read stands as a `Fault` among the others, so that a doctor can name them all; whoever wants clips
stops at the first.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from microfacial.datasets.label_schemes import spell
from microfacial.datasets.spreadsheet import read_table
from microfacial.errors import AbsentError, DatasetError
from microfacial.records import DEMO_CORPUS, Clip

SYNTHETIC_MARKER = "SYNTHETIC.txt"  # stands in the folder of synthetic clips, which must not pass for a corpus' own
_NOT_GIVEN = ("/", "")
Identify = Callable[["pd.Series[str]", str], tuple[str, str]]
"""Subject and clip as the corpus names them, from a row's cells and the words that name the row in a message."""


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


AnnotationRow = Annotation | Fault | LeftOut


@dataclass(frozen=True, kw_only=True)
class Release:
    """One corpus as it lies on disk: its rows, and `make_clip(row, label, max_gap)`, which joins a row with its frames.

    The frames of such a clip are named below the folder of the release.
    """

    rows: tuple[AnnotationRow, ...]
    make_clip: Callable[[Annotation, str, int], Clip]


def clip_id(corpus: str, subject: str, name: str) -> str:
    """The id of a clip, unique in a data set."""
    return f"{corpus}/{subject}/{name}"


def name_corpus(folder: Path, corpus: str) -> str:
    """The corpus' own name, or, where the folder is marked as synthetic, one that cannot be mistaken for it."""
    if not (folder / SYNTHETIC_MARKER).exists():
        return corpus
    return DEMO_CORPUS if corpus == "casme2" else f"{DEMO_CORPUS}-{corpus}"


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


def find_table(root: Path, corpus: str, pattern: str, folders: tuple[str, ...] = ()) -> Path:
    """The latest of the tables that match a pattern: of the highest version, and of that with the latest date.

    Args:
        folders: where else below the root it may lie; the root itself comes first.

    Raises:
        AbsentError: there is none.
    """
    for folder in (root, *(root / name for name in folders)):
        if tables := sorted(folder.glob(pattern), key=_age):
            return tables[-1]
    raise AbsentError(f"{corpus}: no {pattern} in {root}. Put the release there or correct clips in params.yaml")


def _age(table: Path) -> tuple[int, str, str]:
    """Version, date (as year, or year, month and day) and name, for sorting."""
    version = re.search(r"_v(\d+)", table.stem)
    date = re.search(r"(?<!\d)(?:\d{8}|\d{4})(?!\d)", table.stem)
    return int(version[1]) if version else 0, date[0] if date else "", table.name


def is_given(cell: str) -> bool:
    """Whether a cell holds more than the sign that there is nothing to hold."""
    return cell not in _NOT_GIVEN


def read_annotations(
    table: Path,
    columns: Columns,
    corpus: str,
    vocabulary: str,
    fps: float,
    *,
    identify: Identify,
    sheet: str | None = None,
    cropped: bool = False,
) -> Iterator[AnnotationRow]:
    """Yield each row; blank rows and notes below the table are no rows.

    A row that has text where a frame number belongs, or no subject or name, is a fault.

    Raises:
        DatasetError: the table is no spreadsheet or lacks a column.
    """

    def read(cells: "pd.Series[str]", subject: str, name: str, where: str) -> Annotation:
        given = columns.apex is not None and is_given(cells[columns.apex])
        return Annotation(
            corpus=corpus,
            vocabulary=vocabulary,
            subject=subject,
            name=name,
            emotion=spell(cells[columns.emotion]),
            action_units=cells[columns.action_units] if columns.action_units else "",
            onset=read_number(cells, columns.onset, where),
            apex=read_number(cells, columns.apex, where) if columns.apex and given else None,
            offset=read_number(cells, columns.offset, where),
            fps=fps,
            cropped=cropped,
            where=where,
        )

    return read_rows(table, columns, corpus, identify, read, sheet)


def read_rows(
    table: Path,
    columns: Columns,
    corpus: str,
    identify: Identify,
    read: "Callable[[pd.Series[str], str, str, str], AnnotationRow]",
    sheet: str | None = None,
) -> Iterator[AnnotationRow]:
    """Yield what `read` makes of each row's cells, subject, name and place; a row that it cannot read is a fault.

    Raises:
        DatasetError: the table is no spreadsheet or lacks a column.
    """
    for where, cells in table_rows(table, columns, sheet):
        known = ""
        try:
            if not cells[columns.subject] or not cells[columns.name]:
                raise DatasetError(f"{where}: has no {columns.subject} or no {columns.name}. Correct the sheet")
            subject, name = identify(cells, where)
            known = clip_id(corpus, subject, name)
            row = read(cells, subject, name, where)
        except DatasetError as error:
            row = Fault(id=known, reason=str(error))
        yield row


def table_rows(table: Path, columns: Columns, sheet: str | None = None) -> "Iterator[tuple[str, pd.Series[str]]]":
    """Yield each row with the words that name it in a message.

    Raises:
        DatasetError: the table is no spreadsheet, or lacks a column or has it twice.
    """
    rows = read_table(table, heading=columns.name, sheet=sheet)
    missing = [column for column in columns.required() if column not in rows.columns]
    if missing:
        raise DatasetError(f"{table}: no column {', '.join(missing)} (found {', '.join(filter(None, rows.columns))})")
    repeated = [column for column in columns.required() if Counter(rows.columns)[column] > 1]
    if repeated:
        raise DatasetError(f"{table}: column {', '.join(repeated)} is there twice. Keep the right one only")
    for line, row in rows.iterrows():
        if (row[columns.subject] and row[columns.name]) or row[columns.onset]:
            yield f"{table.name}, row {line}", row


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
