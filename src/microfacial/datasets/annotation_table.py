"""Read the annotation tables of the corpora row by row.

A row that cannot be read becomes a `FaultyRow`. The command `doctor` lists all of them; `list_clips` raises an error at
the first.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from microfacial.datasets.annotations import Annotation, AnnotationRow, FaultyRow, clip_id
from microfacial.datasets.cells import parse_frame_number, require_name
from microfacial.datasets.label_schemes import normalise_emotion
from microfacial.datasets.spreadsheet import read_table
from microfacial.errors import AbsentError, DatasetError

Identify = Callable[["pd.Series[str]", str], tuple[str, str]]
"""Function from the cells of a row and its place (for messages) to the ids of subject and clip."""

_EMPTY_CELLS = ("/", "")
_SPREADSHEETS = (".csv", ".ods", ".xls", ".xlsb", ".xlsm", ".xlsx")
_RECOGNISED = (".xlsm", ".xlsx")
_ROWS_TO_RECOGNISE = 5
_FILES_TO_NAME = 5  # in a message


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
    clip_names: str = ""

    def required(self) -> tuple[str, ...]:
        """Return the names of all columns that the table must have."""
        optional = tuple(filter(None, (self.apex, self.action_units)))
        return (self.subject, self.name, self.onset, self.offset, self.emotion, *optional, *self.others)


def find_table(
    root: Path,
    corpus: str,
    pattern: str,
    folders: tuple[str, ...] = (),
    *,
    columns: Columns | None = None,
    sheet: str | None = None,
) -> Path:
    """Return the latest table of a release: the one with the highest version, then with the latest date.

    If no file name matches, a table is recognised by its columns and by the names of its clips.

    Args:
        root: folder of the release.
        corpus: name of the corpus, for the message.
        pattern: glob pattern of the table's file name. Upper and lower case match.
        folders: folders below the root. They are searched after the root itself.
        columns: columns of the table. Without them, a table with another file name is not recognised.
        sheet: name of the sheet. Defaults to the first sheet.

    Returns:
        Path of the table.

    Raises:
        AbsentError: there is no table.
        DatasetError: no file name matches, and several tables are recognised.
    """
    spreadsheets: list[Path] = []
    for folder in (root, *(root / name for name in folders)):
        files = [path for path in sorted(folder.glob("*")) if not path.name.startswith(("~$", "."))]
        if tables := [path for path in files if fnmatchcase(path.name.lower(), pattern.lower())]:
            return max(tables, key=_version_and_date)
        spreadsheets += [path for path in files if path.suffix.lower() in _SPREADSHEETS]
    recognised = [path for path in spreadsheets if columns is not None and _is_table(path, columns, sheet)]
    if len(recognised) == 1:
        return recognised[0]
    if recognised:
        names = " and ".join(path.name for path in recognised[:_FILES_TO_NAME])
        raise DatasetError(f"{root}: {names} are tables of {corpus}. Name the correct one as in the release: {pattern}")
    raise AbsentError(f"{corpus}: no {pattern} in {root}{_describe_others(spreadsheets, columns)}")


def _describe_others(spreadsheets: list[Path], columns: Columns | None) -> str:
    """Return the end of a message about a missing table: the spreadsheets that are there, and a remedy."""
    remedy = "Put the release there or correct clips in params.yaml"
    names = ", ".join(path.name for path in spreadsheets[:_FILES_TO_NAME])
    if not names:
        return f". {remedy}"
    wanted = f" with the columns {', '.join(columns.required())}" if columns is not None else ""
    old = next((path.name for path in spreadsheets if path.suffix.lower() not in _RECOGNISED), None)
    save = f"Save {old} as .xlsx if it is the table. " if old else ""
    return f" (found {names}, no .xlsx file{wanted}). {save}{remedy}"


def _version_and_date(table: Path) -> tuple[int, str, str]:
    """Return the version, the date (year, or year, month and day) and the name of a table, as a key for sorting."""
    version = re.search(r"_v([0-9]+)", table.stem)
    date = re.search(r"(?<!\d)(?:[0-9]{8}|[0-9]{4})(?!\d)", table.stem)
    return int(version[1]) if version else 0, date[0] if date else "", table.name


def _is_table(path: Path, columns: Columns, sheet: str | None) -> bool:
    """Return whether a file has the columns of a table, and a clip with a name of the expected form."""
    if not columns.clip_names or path.suffix.lower() not in _RECOGNISED:
        return False
    try:
        rows = [
            cells for (_, cells), _ in zip(_table_rows(path, columns, sheet), range(_ROWS_TO_RECOGNISE), strict=False)
        ]
    except DatasetError:
        return False
    return any(re.fullmatch(columns.clip_names, cells[columns.name]) for cells in rows)


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
            require_name(subject, columns.subject, where)
            require_name(name, columns.name, where)
            row_id = clip_id(corpus, subject, name)
            row = read(cells, subject, name, where)
        except DatasetError as error:
            row = FaultyRow(id=row_id, reason=str(error))
        yield row


def _table_rows(table: Path, columns: Columns, sheet: str | None) -> "Iterator[tuple[str, pd.Series[str]]]":
    """Yield the place of each row and its cells. Refuse a table that lacks a column or repeats one."""
    rows = read_table(table, heading=columns.name, sheet=sheet)
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
        if (row[columns.subject] and row[columns.name]) or row[columns.onset]:
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
