"""Spreadsheets of annotations, read as text."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd

from microfacial.errors import DatasetError


def read_table(path: Path, heading: str, sheet: str | None = None) -> pd.DataFrame:
    """A sheet of a spreadsheet, every cell as stripped text ('' where blank), indexed by the sheet's row numbers.

    Args:
        heading: the header is the first row that holds this cell.
        sheet: the sheet of this name where the file has one, else the first.

    Raises:
        DatasetError: the file is no readable spreadsheet, or no row holds the heading.
    """
    try:
        with pd.ExcelFile(path) as book:
            name = sheet if sheet in book.sheet_names else 0
            cells = pd.read_excel(book, sheet_name=name, header=None, dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError, KeyError, SyntaxError, BadZipFile, zlib.error) as error:
        # SyntaxError is how damaged XML shows
        raise DatasetError(f"{path} is no readable spreadsheet ({error}). Copy it again from the release") from None
    cells = cells.fillna("").map(str.strip)  # an error such as #N/A is no text
    top = _find_row(cells, heading, path)
    table = cells.iloc[top + 1 :]
    table.columns = cells.iloc[top].tolist()
    table.index = pd.RangeIndex(top + 2, len(cells) + 1)
    return table


def _find_row(cells: pd.DataFrame, heading: str, path: Path) -> int:
    rows = (cells == heading).any(axis=1).to_numpy().nonzero()[0]
    if not len(rows):
        raise DatasetError(f"{path}: no row holds a cell {heading!r}. Copy the sheet again from the release")
    return int(rows[0])
