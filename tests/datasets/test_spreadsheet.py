import zlib
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import ParseError
from zipfile import ZipFile

import pandas as pd
import pytest
from openpyxl import Workbook

from microfacial.datasets.spreadsheet import read_table
from microfacial.errors import DatasetError


def test_a_spreadsheet_with_damaged_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    Workbook().save(path)
    with ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    parts["xl/worksheets/sheet1.xml"] = b"<worksheet><sheetData>"
    with ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    with pytest.raises(DatasetError, match=r"a\.xlsx .*not a readable spreadsheet"):
        read_table(path, "Subject")


@pytest.mark.parametrize("error", [zlib.error("invalid block"), EOFError("ended"), ParseError("no element")])
def test_every_error_of_a_damaged_spreadsheet_is_translated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    Workbook().save(tmp_path / "a.xlsx")
    monkeypatch.setattr(pd, "read_excel", fail)
    with pytest.raises(DatasetError, match=rf"a\.xlsx .*{error}"):
        read_table(tmp_path / "a.xlsx", "Subject")


def test_rows_are_numbered_as_in_the_sheet_and_cells_are_stripped_text(tmp_path: Path) -> None:
    book = Workbook()
    for row in (["note"], ["Subject", "Onset"], [" 01 ", 7], [None, None], ["02", None]):
        book.worksheets[0].append(row)
    book.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx", "Subject")
    assert table.to_dict("index") == {
        3: {"Subject": "01", "Onset": "7"},
        4: {"Subject": "", "Onset": ""},
        5: {"Subject": "02", "Onset": ""},
    }


@pytest.mark.parametrize(("sheet", "subject"), [(None, "first"), ("missing", "first"), ("second", "second")])
def test_the_first_sheet_is_read_unless_the_named_sheet_exists(tmp_path: Path, sheet: str | None, subject: str) -> None:
    book = Workbook()
    for name, page in (("first", book.worksheets[0]), ("second", book.create_sheet("second"))):
        page.append(["Subject"])
        page.append([name])
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx", "Subject", sheet)["Subject"].tolist() == [subject]
