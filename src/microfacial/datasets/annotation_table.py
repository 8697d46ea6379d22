"""Read the annotation tables of the corpora row by row.

A row that cannot be read becomes a `FaultyRow`. The command `doctor` lists all of them; `list_clips` raises an error at
the first.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from microfacial.datasets.annotations import Annotation, AnnotationRow, FaultyRow, SkippedRow, clip_id
from microfacial.datasets.cells import parse_frame_number, require_name, show_cell
from microfacial.datasets.label_schemes import normalise_emotion
from microfacial.datasets.spreadsheet import read_table
from microfacial.errors import DatasetError

if TYPE_CHECKING:  # importing it takes half a second
    import pandas as pd


Identify = Callable[["pd.Series[str]", str], tuple[str, str]]
"""Function from the cells of a row and its place (for messages) to the ids of subject and clip."""

FrameRate = Callable[["pd.Series[str]", str], float]
"""Function from the cells of a row and its place (for messages) to the frames per second of its clip."""

MACRO = "macro-expression"
"""Reason of a row that data sets of micro-expressions leave out."""

_EMPTY_CELLS = ("/", "\\", "")


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
        optional: columns that only some tables have.
        positions: names of all columns from left to right, for a table without a header. Empty if it has one.
        clip_names: regular expression of the names of clips. A table with another file name is recognised by these and
            by its columns. Empty if this is not possible.
    """

    subject: str = "Subject"
    name: str = "Filename"
    onset: str
    apex: str | None
    offset: str
    action_units: str | None
    emotion: str
    others: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()
    clip_names: str = ""

    def required(self) -> tuple[str, ...]:
        """Return the names of all columns that the table must have."""
        optional = tuple(filter(None, (self.apex, self.action_units)))
        return (self.subject, self.name, self.onset, self.offset, self.emotion, *optional, *self.others)


def is_given(cell: str) -> bool:
    """Return whether a cell has a value. An empty cell, a single slash and a single backslash have none.

    Args:
        cell: text of the cell.
    """
    return cell not in _EMPTY_CELLS


def read_annotations(
    table: Path,
    columns: Columns,
    corpus: str,
    vocabulary: str,
    fps: float | FrameRate,
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
        fps: frames per second of the camera, or a function that returns them for each row.
        identify: returns the ids of subject and clip.
        sheet: name of the sheet. Defaults to the first sheet.
        cropped: whether the release has cropped the frames to the face.

    Yields:
        The annotation; or a faulty row if the row lacks a subject or a name, or has text in place of a frame number.

    Raises:
        DatasetError: the table is not a spreadsheet, or it lacks a column.
    """

    def read(cells: "pd.Series[str]", subject: str, name: str, where: str) -> Annotation:
        rate = fps(cells, where) if callable(fps) else fps
        return make_annotation(
            cells,
            columns,
            corpus=corpus,
            vocabulary=vocabulary,
            subject=subject,
            name=name,
            fps=rate,
            where=where,
            cropped=cropped,
        )

    return read_rows(table, columns, corpus, identify, read, sheet)


def make_annotation(
    cells: "pd.Series[str]",
    columns: Columns,
    *,
    corpus: str,
    vocabulary: str,
    subject: str,
    name: str,
    fps: float,
    where: str,
    cropped: bool = False,
) -> Annotation:
    """Return the annotation in the cells of a row.

    Args:
        cells: cells of the row by column.
        columns: names of the columns.
        corpus: name of the corpus; see `name_corpus`.
        vocabulary: corpus whose words for emotions the table uses.
        subject: id of the subject.
        name: id of the clip.
        fps: frames per second of the camera.
        where: place of the row, for messages.
        cropped: whether the release has cropped the frames to the face.

    Raises:
        DatasetError: a cell is not a frame number.
    """
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


def is_macro(cell: str, where: str) -> bool:
    """Return whether the type of an expression is macro and not micro.

    Args:
        cell: text of the cell with the type.
        where: place of the row, for the message.

    Raises:
        DatasetError: the type is neither of them.
    """
    kind = cell.lower()
    if not kind.startswith(("macro", "micro")):
        raise DatasetError(f"{where}: type {show_cell(cell)} is neither micro nor macro. Correct the table")
    return kind.startswith("macro")


def skip_macro(corpus: str, subject: str, name: str, annotate: Callable[[], Annotation]) -> SkippedRow:
    """Return the row of a macro-expression, which is left out of data sets and counts in the evaluation of spotting.

    Args:
        corpus: name of the corpus.
        subject: id of the subject.
        name: id of the clip.
        annotate: returns the annotation. It may raise a DatasetError, because a faulty macro-expression is left out
            too.
    """
    try:
        macro = annotate()
    except DatasetError:
        macro = None
    return SkippedRow(id=clip_id(corpus, subject, name), reason=MACRO, macro=macro)


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
        DatasetError: the table is not a spreadsheet, or it lacks a column or rows.
    """
    empty = True
    for where, cells in list_rows(table, columns, sheet):
        row_id, empty = "", False
        try:
            if not cells[columns.subject] or not cells[columns.name]:
                raise DatasetError(f"{where}: has no {columns.subject} or no {columns.name}. Correct the sheet")
            subject, name = identify(cells, where)
            require_name(subject, columns.subject, where)
            require_name(name, columns.name, where)
            row_id = clip_id(corpus, subject, name)
            row = read(cells, subject, name, where)
        except DatasetError as error:
            row = FaultyRow(id=row_id, reason=str(error))
        yield row
    if empty:
        raise DatasetError(
            f"{table}: the sheet has a header and no rows. Copy the table again from the release, or take the release "
            "out of clips.corpora"
        )


def list_rows(table: Path, columns: Columns, sheet: str | None = None) -> "Iterator[tuple[str, pd.Series[str]]]":
    """Yield each row with an onset, with subject and name, or with three required cells. Others are notes or totals.

    Args:
        table: path of the spreadsheet.
        columns: names of its columns.
        sheet: name of the sheet. Defaults to the first sheet that has the header.

    Yields:
        Place of the row, for messages, and its cells by column.

    Raises:
        DatasetError: the table is not a spreadsheet, it lacks a column, or a column is there twice.
    """
    rows = read_table(table, heading=columns.name, sheet=sheet, names=columns.positions)
    rows.columns = _match_names(rows.columns.tolist(), columns)
    missing = [column for column in columns.required() if column not in rows.columns]
    if missing:
        raise DatasetError(
            f"{table}: no column {', '.join(missing)} (found {', '.join(filter(None, rows.columns))}). "
            "Copy the table again from the release"
        )
    counts = Counter(rows.columns)
    repeated = [column for column in (*columns.required(), *columns.optional) if counts[column] > 1]
    if repeated:
        raise DatasetError(f"{table}: column {', '.join(repeated)} is there twice. Keep the correct one only")
    for line, row in rows.iterrows():
        filled = sum(bool(row[column]) for column in columns.required())
        if row[columns.onset] or (row[columns.subject] and row[columns.name]) or filled > 2:
            yield f"{table.name}, row {line}", row


def _match_names(names: list[str], columns: Columns) -> list[str]:
    """Return the names of a table's columns. A name that differs only in case from an absent column becomes it."""
    absent = {name.casefold(): name for name in (*columns.required(), *columns.optional) if name not in names}
    return [absent.get(name.casefold(), name) for name in names]


def read_number(row: "pd.Series[str]", column: str, where: str) -> int:
    """Return the frame number in a column.

    Args:
        row: cells of the row by column.
        column: name of the column.
        where: place of the row, for the message.

    Raises:
        DatasetError: the cell is not a frame number.
    """
    return parse_frame_number(row[column], column, where)
