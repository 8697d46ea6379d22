"""Find the annotation tables of a release, by their names or by their columns."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

from microfacial.datasets.annotation_table import Columns, list_rows
from microfacial.errors import AbsentError, DatasetError

_SPREADSHEETS = (".csv", ".ods", ".xls", ".xlsb", ".xlsm", ".xlsx")
_RECOGNISED = (".xlsm", ".xlsx")
_ROWS_TO_RECOGNISE = 5
_FILES_TO_NAME = 5  # in a message


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
        DatasetError: several tables have the latest version and date, or no file name matches and several tables are
            recognised.
    """
    spreadsheets: list[Path] = []
    for folder in (root, *(root / name for name in folders)):
        files = _list_files(folder)
        if tables := [path for path in files if _matches(path, pattern)]:
            return _choose_latest(tables)
        spreadsheets += [path for path in files if path.suffix.lower() in _SPREADSHEETS]
    recognised = [path for path in spreadsheets if columns is not None and _is_table(path, columns, sheet)]
    if len(recognised) == 1:
        return recognised[0]
    if recognised:
        names = " and ".join(path.name for path in recognised[:_FILES_TO_NAME])
        raise DatasetError(f"{root}: {names} are tables of {corpus}. Name the correct one as in the release: {pattern}")
    raise AbsentError(f"{corpus}: no {pattern} in {root}{_describe_others(spreadsheets, columns)}")


def find_tables(
    root: Path, corpus: str, patterns: tuple[str, ...], folders: tuple[str, ...], *, columns: Columns
) -> tuple[Path, ...]:
    """Return all tables of a release that has several.

    Args:
        root: folder of the release.
        corpus: name of the corpus, for the message.
        patterns: glob patterns of the tables' file names. Upper and lower case match.
        folders: folders below the root that may contain tables, in addition to the root.
        columns: columns of the tables. A table with another file name is recognised by them.

    Returns:
        Paths of the tables, in order.

    Raises:
        AbsentError: there is no table.
    """
    places = (root, *(root / name for name in folders))
    files = [path for place in places for path in _list_files(place) if path.suffix.lower() in _SPREADSHEETS]
    tables = [
        path for path in files if any(_matches(path, pattern) for pattern in patterns) or _is_table(path, columns, None)
    ]
    if not tables:
        raise AbsentError(f"{corpus}: no {patterns[0]} in {root}{_describe_others(files, columns)}")
    return tuple(tables)


def _list_files(folder: Path) -> list[Path]:
    """Return the files in a folder in order, without hidden files and lock files of spreadsheet programs."""
    return [path for path in sorted(folder.glob("*")) if not path.name.startswith(("~$", "."))]


def _matches(path: Path, pattern: str) -> bool:
    """Return whether the name of a file matches a glob pattern, in upper or lower case."""
    return fnmatchcase(path.name.lower(), pattern.lower())


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


def _choose_latest(tables: list[Path]) -> Path:
    """Return the table with the highest version, then with the latest date. An .xlsx file is preferred to its source.

    Raises:
        DatasetError: several different tables have this version and this date.
    """
    latest = max(map(_version_and_date, tables))
    equals = [path for path in tables if _version_and_date(path) == latest]
    if len({path.read_bytes() for path in equals}) > 1:
        names = " and ".join(path.name for path in equals[:_FILES_TO_NAME])
        raise DatasetError(f"{equals[0].parent}: {names} have the same version and date. Keep the correct one only")
    return equals[0]


def _version_and_date(table: Path) -> tuple[int, str, bool, bool]:
    """Return a key for sorting: version, date, whether the name says that it is updated, and whether it is .xlsx.

    A date is a year, or year, month and day. A table of CAS(ME)^2 is called (Updated).
    """
    version = re.search(r"[ _]v([0-9]+)", table.stem.lower())
    date = re.search(r"(?<!\d)(?:[0-9]{8}|[0-9]{4})(?!\d)", table.stem)
    is_updated, is_xlsx = "updated" in table.stem.lower(), table.suffix.lower() in _RECOGNISED
    return int(version[1]) if version else 0, date[0] if date else "", is_updated, is_xlsx


def _is_table(path: Path, columns: Columns, sheet: str | None) -> bool:
    """Return whether a file has the columns of a table, and a clip with a name of the expected form."""
    if not columns.clip_names or path.suffix.lower() not in _RECOGNISED:
        return False
    try:
        rows = [
            cells for (_, cells), _ in zip(list_rows(path, columns, sheet), range(_ROWS_TO_RECOGNISE), strict=False)
        ]
    except DatasetError:
        return False
    return any(re.fullmatch(columns.clip_names, cells[columns.name]) for cells in rows)
