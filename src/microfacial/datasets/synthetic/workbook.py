"""Build an annotation workbook whose bytes are the same on every machine."""

import io
import re
import zipfile
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import canonicalize

from openpyxl import Workbook

from microfacial.datasets.synthetic.release_records import SheetRow, Table


def build_workbook(table: Table, rows: Iterable[SheetRow]) -> bytes:
    """Return the bytes of the workbook that lists the rows. A column of subjects that are text is formatted as text.

    Args:
        table: Annotation table of the corpus.
        rows: Rows of the table, in order.
    """
    book = Workbook()
    sheet: Any = book.active
    sheet.title = table.sheet
    above = (*table.above, table.header) if table.header else table.above
    for cells in above:
        sheet.append(cells)
    for line, row in enumerate(rows, len(above) + 1):
        cells = table.cells(row, line)
        sheet.append(cells)
        if isinstance(cells[0], str):
            sheet.cell(line, 1).number_format = "@"
    for cells in table.below:
        sheet.append(cells)
    for name, page in table.further:
        other: Any = book.create_sheet(name)
        for cells in page:
            other.append(cells)
    return _stable_bytes(book)


def _stable_bytes(book: Workbook) -> bytes:
    """Return the bytes of the workbook, independent of the time, the version of zlib and the XML writer."""
    saved, stable = io.BytesIO(), io.BytesIO()
    book.save(saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(stable, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(source.namelist()):
            text = canonicalize(source.read(name).decode())
            text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "2019-07-01T00:00:00Z", text)
            entry = zipfile.ZipInfo(name, date_time=(2019, 7, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, on every system
            target.writestr(entry, text)
    return stable.getvalue()
