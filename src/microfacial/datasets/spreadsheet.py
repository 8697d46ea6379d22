"""Read spreadsheets as text. Only .xlsx is read, by openpyxl, whatever the name of the file says.

A file in another format, a protected file, a damaged file and a file that would need too much memory are refused, each
with a remedy of its own.
"""

import lzma
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import dropwhile, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from microfacial.datasets.cells import show_cell
from microfacial.errors import DatasetError

if TYPE_CHECKING:  # importing it takes half a second, and only spreadsheets need it
    import pandas as pd


_MAX_BYTES = 50_000_000  # also after decompression; real annotation tables have about 1 MB
_MAX_ROWS = 100_000
_MAX_COLUMNS = 1_000
_MAX_CELLS = 10_000_000  # a few bytes can stand for many blank cells
_MAX_PARTS = 10_000  # files in the archive that an .xlsx file is

_SAVE_AS_XLSX = "Open it in a spreadsheet program and save it as .xlsx"
_COPY_AGAIN = "Copy it again from the release"
_READER_ERRORS = (  # openpyxl, zipfile and the XML parser raise these for damaged files
    ArithmeticError,
    AssertionError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_BINARY_FORMATS = ((b"%PDF", "a PDF file"), (b"\x1f\x8b", "a gzip file"), (b"Rar!", "a RAR file"), (b"7z", "a 7z file"))
_OTHER_ARCHIVES = (  # a part that shows the format of an archive
    ("content.xml", "an OpenDocument file (.ods)"),
    ("xl/workbook.bin", "a binary Excel file (.xlsb)"),
    ("Index/Document.iwa", "a Numbers file"),
    ("word/document.xml", "a Word document"),
)


def read_table(path: Path, heading: str, sheet: str | None = None, names: tuple[str, ...] = ()) -> "pd.DataFrame":
    """Read a table from a spreadsheet.

    Args:
        path: file of the spreadsheet.
        heading: text of one cell in the header. The first row with such a cell is the header. Another case matches if
            no sheet has the same case. In the sheet that is named, it always matches.
        sheet: name of the sheet. If this is None, or the sheet is not there or has no header, the first sheet that has
            the header is read. Visible sheets are read before hidden ones.
        names: names of the columns, from left to right, of a table without a header. Then all of the first visible
            sheet is read. Columns that it lacks are blank.

    Returns:
        Cells as stripped text, empty for blank cells. A formula whose value is not in the file is its own text. The
        index has the row numbers of the sheet, from 1. Blanks inside of a column's name are single.

    Raises:
        DatasetError: the file is not a readable spreadsheet, or no row has the heading.
    """
    with _open_pages(path) as pages:
        title, table = "", None
        pages.sort(key=_is_hidden)
        if names and pages:
            title, table = pages[0].title, _name_columns([list(names), *_read_page(pages[0], path)], first_line=1)
        else:
            pages.sort(key=lambda page: page.title != sheet)  # the sheet of this name, then visible sheets
            named, others = pages[: bool(pages) and pages[0].title == sheet], pages
            tables = (  # a heading in the same case, then in another case
                (page.title, _find_header(_read_page(page, path), heading, normalise))
                for group, normalise in product((named, others), (str, str.casefold))
                for page in group
            )
            title, table = next(((title, table) for title, table in tables if table is not None), ("", None))
        titles = ", ".join(page.title for page in pages[:10])
        if table is not None:
            with path.open("rb") as file:
                _show_uncomputed(file, title, table)
    if table is None:
        raise DatasetError(
            f"{path}: no row has a cell {heading!r} (its sheets are {titles}). Copy the table again from the release"
            if pages
            else f"{path} has no sheet. {_SAVE_AS_XLSX}"
        )
    return table


def read_sheets(path: Path) -> tuple[list[list[str]], ...]:
    """Read the sheets of a spreadsheet, from the first visible one on.

    Args:
        path: file of the spreadsheet.

    Returns:
        Rows of each sheet, in the order of the sheets. Cells are stripped text, empty for blank cells. Rows differ in
        length.

    Raises:
        DatasetError: the file is not a readable spreadsheet.
    """
    with _open_pages(path) as pages:
        return tuple(_read_page(page, path) for page in dropwhile(_is_hidden, pages))


@contextmanager
def _open_pages(path: Path) -> Iterator[list[Any]]:
    """Open a spreadsheet, and give its sheets. Turn all errors of its readers into an error that names the file."""
    try:
        with path.open("rb") as file:
            _refuse_other_formats(file, path)
            with warnings.catch_warnings(action="ignore"):  # about formats of cells, which do not matter here
                from openpyxl import load_workbook

                yield list(load_workbook(file, read_only=True, data_only=True).worksheets)
    except _READER_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        text = " ".join(str(reason).split()) or type(error).__name__
        raise DatasetError(f"{path} is not a readable spreadsheet ({text[:200]}). {_COPY_AGAIN}") from None


# --- formats ----------------------------------------------------------------------------------------------------------


def _refuse_other_formats(file: BinaryIO, path: Path) -> None:
    """Refuse a file that is not an .xlsx file of moderate size. Name its format and the remedy."""
    size = file.seek(0, 2)
    file.seek(0)
    if size > _MAX_BYTES:
        _refuse_size(path, f"{size / 1e6:.0f} MB")
    content = file.read()
    if not content.startswith(b"PK"):
        form, remedy = _describe(content)
        raise DatasetError(f"{path} is not a readable spreadsheet: it is {form}. {remedy}")
    with ZipFile(file) as archive:
        parts = archive.infolist()
    names = {part.filename for part in parts}
    other = next((form for name, form in _OTHER_ARCHIVES if name in names), None)
    if other is not None:
        raise DatasetError(f"{path} is not a readable spreadsheet: it is {other}. {_SAVE_AS_XLSX}")
    unpacked = sum(part.file_size for part in parts)
    if unpacked > _MAX_BYTES or len(parts) > _MAX_PARTS:
        _refuse_size(path, f"{unpacked / 1e6:.0f} MB in {len(parts)} parts after decompression")
    file.seek(0)


def _describe(content: bytes) -> tuple[str, str]:
    """Return the format of a file that is not an archive, and the remedy."""
    if not content:
        return "empty", _COPY_AGAIN
    if content.startswith(_OLE):
        if _ENCRYPTED in content:
            return "protected by a password", "Open it with its password and save it as .xlsx without one"
        return "an old Excel file (.xls) or another Office file", _SAVE_AS_XLSX
    form = next((form for magic, form in _BINARY_FORMATS if content.startswith(magic)), None)
    if form is not None:
        return form, _COPY_AGAIN
    start = content[:1000].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").replace(b"\0", b"").lower()
    if start.startswith((b"<!doctype", b"<html", b"<table", b"<head", b"<meta", b"<body")):
        return "a web page (HTML)", f"{_SAVE_AS_XLSX}, or download it again: it can be the page of a login"
    if start.startswith(b"<"):
        return "an XML file", _SAVE_AS_XLSX
    is_text = b"\0" not in content or content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if is_text and b"\n" in content.replace(b"\r", b"\n") and any(mark in content for mark in (b",", b";", b"\t")):
        return "a text file, such as CSV", _SAVE_AS_XLSX
    return "in an unknown format", _COPY_AGAIN


def _refuse_size(path: Path, size: str) -> None:
    raise DatasetError(
        f"{path} has {size}, more than a spreadsheet of annotations needs (at most {_MAX_BYTES / 1e6:.0f} MB, "
        f"{_MAX_ROWS} rows and {_MAX_COLUMNS} columns). Save the sheet with the annotations in a file of its own"
    )


# --- sheets -----------------------------------------------------------------------------------------------------------


def _is_hidden(page: Any) -> bool:
    """Return whether a spreadsheet program does not show a sheet."""
    return bool(page.sheet_state != "visible")


def _read_page(page: Any, path: Path) -> list[list[str]]:
    """Return the cells of a sheet as text, without blank cells and rows at the end. Rows differ in length."""
    page.reset_dimensions()  # the size that a file claims for a sheet can be wrong
    rows: list[list[str]] = []
    filled = cells = 0
    for number, row in enumerate(page.iter_rows(), 1):
        cells += len(row)
        texts = [_cell_text(cell) for cell in row]
        while texts and not texts[-1]:
            texts.pop()
        filled = number if texts else filled
        if filled > _MAX_ROWS or len(texts) > _MAX_COLUMNS or cells > _MAX_CELLS:
            _refuse_size(
                path, f"a sheet {show_cell(page.title)} with {filled} rows, {len(row)} columns and {cells} cells"
            )
        if number <= _MAX_ROWS:
            rows.append(texts)
    return rows[:filled]


def _show_uncomputed(file: BinaryIO, title: str, table: "pd.DataFrame") -> None:
    """Write formulas whose values are not in the file into their cells of the table, which would look blank.

    A reader that needs such a cell then refuses it, and names the formula. Other cells may have formulas.
    """
    with ZipFile(file) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        if not any(b"<f" in archive.read(name) for name in sheets):
            return
    from openpyxl import load_workbook

    values, formulas = (load_workbook(file, read_only=True, data_only=data_only)[title] for data_only in (True, False))
    for page in (values, formulas):
        page.reset_dimensions()
    for number, (row, formula_row) in enumerate(zip(values.iter_rows(), formulas.iter_rows(), strict=True), 1):
        for column, (cell, formula) in enumerate(zip(row, formula_row, strict=True)):
            uncomputed = formula.data_type == "f" and cell.value is None and cell.data_type == "n"
            if uncomputed and number in table.index and column < table.shape[1]:
                text = getattr(formula.value, "text", formula.value)  # of an array formula
                table.iat[number - table.index[0], column] = f"{text}"


def _cell_text(cell: Any) -> str:
    """Return the value of a cell as stripped text. The error #N/A stands for a missing value."""
    value = cell.value
    if value is None or value == "#N/A":
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value)) if abs(value) < 1e15 else repr(value)
    return str(value).strip()


def _find_header(rows: list[list[str]], heading: str, normalise: Callable[[str], str]) -> "pd.DataFrame | None":
    """Return the rows below the header, or None if no row has the normalised heading."""
    for number, row in enumerate(rows):
        names = [" ".join(text.split()) for text in row]
        if normalise(heading) in map(normalise, names):
            return _name_columns([names, *rows[number + 1 :]], first_line=number + 2)
    return None


def _name_columns(rows: list[list[str]], first_line: int) -> "pd.DataFrame":
    """Return a table whose columns have the names in the first row. `first_line` is the line of the second row."""
    names, *body = rows
    width = max(map(len, rows))
    import pandas as pd

    table = pd.DataFrame([row + [""] * (width - len(row)) for row in body], columns=range(width), dtype=str)
    table.columns = names + [""] * (width - len(names))
    table.index = pd.RangeIndex(first_line, first_line + len(body))
    return table
