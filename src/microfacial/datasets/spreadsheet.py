"""Read spreadsheets as text."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd

from microfacial.errors import DatasetError


def read_table(path: Path, heading: str, sheet: str | None = None) -> pd.DataFrame:
    """Read a table from a spreadsheet.

    Args:
        path: file of the spreadsheet.
        heading: text of one cell in the header. The first row with such a cell is the header.
        sheet: name of the sheet. The first sheet is read if this is None or the file has no such sheet.

    Returns:
        Cells as stripped text, empty for blank cells. The index has the row numbers of the sheet, from 1.

    Raises:
        DatasetError: the file is not a readable spreadsheet, or no row has the heading.
    """
    try:
        with pd.ExcelFile(path) as book:
            name = sheet if sheet in book.sheet_names else 0
            cells = pd.read_excel(book, sheet_name=name, header=None, dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError, KeyError, SyntaxError, BadZipFile, zlib.error) as error:
        # damaged XML raises SyntaxError
        raise DatasetError(f"{path} is not a readable spreadsheet ({error}). Copy it again from the release") from None
    cells = cells.fillna("").map(str.strip)  # a formula error such as #N/A is read as a missing value
    rows = (cells == heading).any(axis=1).to_numpy().nonzero()[0]
    if not len(rows):
        raise DatasetError(f"{path}: no row has a cell {heading!r}. Copy the sheet again from the release")
    header = int(rows[0])
    table = cells.iloc[header + 1 :]
    table.columns = cells.iloc[header].tolist()
    table.index = pd.RangeIndex(header + 2, len(cells) + 1)
    return table
