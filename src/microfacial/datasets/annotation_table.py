"""Read the annotation tables of the corpora row by row.

A row that cannot be read becomes a `FaultyRow`. The command `doctor` lists all of them; `list_clips` raises an error at
the first.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from microfacial.datasets.annotations import Annotation, AnnotationRow, FaultyRow, clip_id
from microfacial.datasets.label_schemes import normalise_emotion
from microfacial.datasets.spreadsheet import read_table
from microfacial.errors import AbsentError, DatasetError

Identify = Callable[["pd.Series[str]", str], tuple[str, str]]
"""Function from the cells of a row and its place (for messages) to the ids of subject and clip."""

_EMPTY_CELLS = ("/", "")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of the columns in the table of a corpus.

    Attributes:
        subject: column with the id of the subject.
        name: column with the id of the clip.
        onset: column with the number of the onset frame.
        apex: column with the number of the apex frame; None if the table has none.
        offset: column with the number of the offset frame.
        action_units: column with the action units; None if the table has none.
        emotion: column with the emotion.
        others: other required columns.
    """

    subject: str = "Subject"
    name: str = "Filename"
    onset: str
    apex: str | None
    offset: str
    action_units: str | None
    emotion: str
    others: tuple[str, ...] = ()

    def required(self) -> tuple[str, ...]:
        """Return the names of all columns that the table must have."""
        optional = tuple(filter(None, (self.apex, self.action_units)))
        return (self.subject, self.name, self.onset, self.offset, self.emotion, *optional, *self.others)


def find_table(root: Path, corpus: str, pattern: str, folders: tuple[str, ...] = ()) -> Path:
    """Return the latest table of a release: the one with the highest version, then with the latest date.

    Args:
        root: folder of the release.
        corpus: name of the corpus, for the message.
        pattern: glob pattern of the table's file name.
        folders: folders below the root. They are searched after the root itself.

    Returns:
        Path of the table.

    Raises:
        AbsentError: no file matches.
    """
    for folder in (root, *(root / name for name in folders)):
        if tables := sorted(folder.glob(pattern), key=_version_and_date):
            return tables[-1]
    raise AbsentError(f"{corpus}: no {pattern} in {root}. Put the release there or correct clips in params.yaml")


def _version_and_date(table: Path) -> tuple[int, str, str]:
    """Return the version, the date (year, or year, month and day) and the name of a table, as a key for sorting."""
    version = re.search(r"_v(\d+)", table.stem)
    date = re.search(r"(?<!\d)(?:\d{8}|\d{4})(?!\d)", table.stem)
    return int(version[1]) if version else 0, date[0] if date else "", table.name


def is_given(cell: str) -> bool:
    """Return whether a cell has a value. An empty cell and a single slash have none.

    Args:
        cell: text of the cell.
    """
    return cell not in _EMPTY_CELLS


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
    """Yield each row of a table as an annotation. Blank rows and notes below the table are skipped.

    Args:
        table: path of the spreadsheet.
        columns: names of its columns.
        corpus: name of the corpus; see `name_corpus`.
        vocabulary: corpus whose words for emotions the table uses.
        fps: frames per second of the camera.
        identify: returns the ids of subject and clip.
        sheet: name of the sheet. Defaults to the first sheet.
        cropped: whether the release has cropped the frames to the face.

    Yields:
        The annotation; or a faulty row if the row lacks a subject or a name, or has text in place of a frame number.

    Raises:
        DatasetError: the table is not a spreadsheet, or it lacks a column.
    """

    def read(cells: "pd.Series[str]", subject: str, name: str, where: str) -> Annotation:
        has_apex = columns.apex is not None and is_given(cells[columns.apex])
        return Annotation(
            corpus=corpus,
            vocabulary=vocabulary,
            subject=subject,
            name=name,
            emotion=normalise_emotion(cells[columns.emotion]),
            action_units=cells[columns.action_units] if columns.action_units else "",
            onset=read_number(cells, columns.onset, where),
            apex=read_number(cells, columns.apex, where) if columns.apex and has_apex else None,
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
    """Yield each row of a table as `read` returns it.

    Args:
        table: path of the spreadsheet.
        columns: names of its columns.
        corpus: name of the corpus; see `name_corpus`.
        identify: returns the ids of subject and clip.
        read: `read(cells, subject, name, where)` returns the row. `where` is the place of the row, for messages.
        sheet: name of the sheet. Defaults to the first sheet.

    Yields:
        The row; or a faulty row if `identify` or `read` raises a DatasetError.

    Raises:
        DatasetError: the table is not a spreadsheet, or it lacks a column.
    """
    for where, cells in _table_rows(table, columns, sheet):
        row_id = ""
        try:
            if not cells[columns.subject] or not cells[columns.name]:
                raise DatasetError(f"{where}: has no {columns.subject} or no {columns.name}. Correct the sheet")
            subject, name = identify(cells, where)
            row_id = clip_id(corpus, subject, name)
            row = read(cells, subject, name, where)
        except DatasetError as error:
            row = FaultyRow(id=row_id, reason=str(error))
        yield row


def _table_rows(table: Path, columns: Columns, sheet: str | None) -> "Iterator[tuple[str, pd.Series[str]]]":
    """Yield the place of each row and its cells. Refuse a table that lacks a column or repeats one."""
    rows = read_table(table, heading=columns.name, sheet=sheet)
    missing = [column for column in columns.required() if column not in rows.columns]
    if missing:
        raise DatasetError(
            f"{table}: no column {', '.join(missing)} (found {', '.join(filter(None, rows.columns))}). "
            "Copy the table again from the release"
        )
    repeated = [column for column in columns.required() if Counter(rows.columns)[column] > 1]
    if repeated:
        raise DatasetError(f"{table}: column {', '.join(repeated)} is there twice. Keep the correct one only")
    for line, row in rows.iterrows():
        if (row[columns.subject] and row[columns.name]) or row[columns.onset]:
            yield f"{table.name}, row {line}", row


def read_number(row: "pd.Series[str]", column: str, where: str) -> int:
    """Return the frame number in a column.

    Args:
        row: cells of the row by column.
        column: name of the column.
        where: place of the row, for the message.

    Raises:
        DatasetError: the cell is not a whole number.
    """
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise DatasetError(f"{where}: {column} is {row[column]!r}, not a frame number. Correct the sheet")
    return int(number)
