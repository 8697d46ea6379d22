import io
import re
import zlib
from lzma import LZMAError
from pathlib import Path
from typing import Literal, NoReturn
from xml.etree.ElementTree import ParseError
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from openpyxl import Workbook

from microfacial.datasets.spreadsheet import read_sheets, read_table
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


@pytest.mark.parametrize(
    "error",
    [
        zlib.error("invalid block"),
        EOFError("ended"),
        ParseError("no element"),
        LZMAError("corrupt"),
        RuntimeError("password required"),
        TypeError("None"),
        OSError(5, "Input/output error"),
        RecursionError("too deep"),
    ],
)
def test_every_error_of_a_damaged_spreadsheet_is_translated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    Workbook().save(tmp_path / "a.xlsx")
    monkeypatch.setattr("openpyxl.load_workbook", fail)
    with pytest.raises(DatasetError, match=rf"a\.xlsx .*{error.args[-1]}"):
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


# --- other formats, bombs and damage ---

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def zipped(**parts: bytes) -> bytes:
    content = io.BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name.replace("__", "/"), part)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "form", "remedy"),
    [
        (b"", "empty", "Copy it again"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "password", "save it as .xlsx without one"),
        (OLE + "Workbook".encode("utf-16-le"), r"\.xls", "save it as .xlsx"),
        (zipped(mimetype=b"x"), "Content_Types", "Copy it again"),
        (zipped(**{"content.xml": b"<x/>"}), r"\.ods", "save it as .xlsx"),
        (zipped(**{"xl__workbook.bin": b"x"}), r"\.xlsb", "save it as .xlsx"),
        (b"\xef\xbb\xbf<html><table><tr><td>Subject", "HTML", "save it as .xlsx"),
        ("<HTML>".encode("utf-16"), "HTML", "save it as .xlsx"),
        (b"<?xml version='1.0'?><Workbook/>", "XML", "save it as .xlsx"),
        (b"Subject,Filename\r\n01,\xe9\n", "CSV", "save it as .xlsx"),
        ("Subject;Filename\n01;a\n".encode("utf-16"), "CSV", "save it as .xlsx"),
        (b"%PDF-1.7", "PDF", "Copy it again"),
        (b"\0\1\2", "unknown", "Copy it again"),
    ],
)
def test_a_file_in_another_format_is_named_with_its_remedy(
    tmp_path: Path, content: bytes, form: str, remedy: str
) -> None:
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"a\.xlsx is not a readable spreadsheet.*{form}.*{remedy}"):
        read_table(tmp_path / "a.xlsx", "Subject")


def test_the_content_counts_and_not_the_extension(tmp_path: Path) -> None:
    book = Workbook()
    book.worksheets[0].append(["Subject"])
    book.save(tmp_path / "a.xlsx")
    renamed = (tmp_path / "a.xlsx").rename(tmp_path / "a.xls")
    assert read_table(renamed, "Subject").empty


@pytest.mark.parametrize("length", [1, 100, 2000, 4000])
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.xlsx"
    Workbook().save(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DatasetError, match=r"a\.xlsx is not a readable spreadsheet"):
        read_table(path, "Subject")


def replace_sheet(path: Path, sheet: str) -> None:
    """Write a workbook whose only sheet has this content."""
    Workbook().save(path)
    with ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    parts["xl/worksheets/sheet1.xml"] = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        f"{sheet}</sheetData></worksheet>"
    ).encode()
    with ZipFile(path, "w", ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(name, content)


@pytest.mark.parametrize(
    "sheet",
    [
        '<row r="1"><c r="XFD1"><v>1</v></c></row>',
        '<row r="1048576"><c r="A1048576"><v>1</v></c></row>',
        "".join(f'<row r="{row}"><c r="XFD{row}"/></row>' for row in range(1, 620)),
        " " * 60_000_000,
    ],
    ids=["columns", "rows", "blank cells", "zip bomb"],
)
def test_a_sheet_that_would_need_much_memory_is_refused(tmp_path: Path, sheet: str) -> None:
    replace_sheet(tmp_path / "a.xlsx", sheet)
    with pytest.raises(DatasetError, match=r"a\.xlsx has .*100000 rows and 1000 columns"):
        read_table(tmp_path / "a.xlsx", "Subject")


def test_blank_rows_far_below_the_table_are_ignored(tmp_path: Path) -> None:
    heading = '<row r="1"><c r="A1" t="inlineStr"><is><t>Subject</t></is></c></row>'
    replace_sheet(tmp_path / "a.xlsx", f'{heading}<row r="1048576"><c r="C1048576"/></row>')
    assert read_table(tmp_path / "a.xlsx", "Subject").shape == (0, 1)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (True, "True"),
        ("=1+1", "=1+1"),
        ("#N/A", ""),
        ("#REF!", "#REF!"),
        (" 7 ", "7"),
        (None, ""),
    ],
)
def test_a_cell_is_read_as_the_spreadsheet_shows_it(tmp_path: Path, cell: object, text: str) -> None:
    book = Workbook()
    book.worksheets[0].append(["Subject", "x"])
    book.worksheets[0].append(["01", cell, "end"])
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx", "Subject")["x"].tolist() == [text]


def test_blanks_inside_of_a_heading_are_single(tmp_path: Path) -> None:
    book = Workbook()
    book.worksheets[0].append(["Onset\n Frame", "Filename\u00a0"])
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx", "Filename").columns.tolist() == ["Onset Frame", "Filename"]


def test_the_sheet_with_the_heading_is_found_if_the_named_sheet_has_none(tmp_path: Path) -> None:
    book = Workbook()
    book.worksheets[0].append(["read me"])
    book.create_sheet("data").append(["Subject"])
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx", "Subject", "Sheet").columns.tolist() == ["Subject"]


def test_a_table_without_a_header_gets_the_given_names(tmp_path: Path) -> None:
    book = Workbook()
    book.worksheets[0].append([1, "a"])
    book.worksheets[0].append([2, "b", 3.0])
    book.create_sheet("Sheet2").append(["0101", "x"])
    book.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx", "name", names=("number", "name", "value", "note"))
    assert table.columns.tolist() == ["number", "name", "value", "note"]
    assert table.to_numpy().tolist() == [["1", "a", "", ""], ["2", "b", "3", ""]]
    assert table.index.tolist() == [1, 2]
    assert read_sheets(tmp_path / "a.xlsx") == ([["1", "a"], ["2", "b", "3"]], [["0101", "x"]])


def test_a_formula_without_a_value_is_its_own_text(tmp_path: Path) -> None:
    """Its cell would look blank, and a blank apex is replaced by the midpoint."""
    book = Workbook()
    book.worksheets[0].append(["Notes", "=1+1"])
    sheet = book.create_sheet("clips")
    sheet.append([None])
    sheet.append(["Subject", "ApexFrame"])
    sheet.append(["1", "=90+8"])
    sheet.append(["2", 98])
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx", "Subject")["ApexFrame"].tolist() == ["=90+8", "98"]


@pytest.mark.parametrize(("value", "kind", "text"), [(b"<v>98</v>", b"", "98"), (b"<v></v>", b' t="str"', "")])
def test_a_formula_has_the_value_that_the_file_stores(tmp_path: Path, value: bytes, kind: bytes, text: str) -> None:
    """A spreadsheet program stores a formula that gives an empty text with the type `str`."""
    book = Workbook()
    for row in (["Subject"], ["=1"], ["end"]):
        book.worksheets[0].append(row)
    book.save(tmp_path / "a.xlsx")
    with ZipFile(tmp_path / "a.xlsx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    parts[name] = re.sub(rb"<v ?/>|<v></v>", value, parts[name].replace(b'r="A2"', b'r="A2"' + kind))
    with ZipFile(tmp_path / "a.xlsx", "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    assert read_table(tmp_path / "a.xlsx", "Subject")["Subject"].tolist() == [text, "end"]


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
@pytest.mark.parametrize("sheet", [None, "new"])
def test_visible_sheets_are_read_before_hidden_ones(
    tmp_path: Path, state: Literal["hidden", "veryHidden"], sheet: str | None
) -> None:
    book = Workbook()
    for name, page in (("old", book.worksheets[0]), ("new", book.create_sheet("new"))):
        page.append(["Subject"])
        page.append([name])
    book.worksheets[0].sheet_state = state
    book.active = 1
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx", "Subject", sheet)["Subject"].tolist() == ["new"]
    assert read_table(tmp_path / "a.xlsx", "x", names=("x",))["x"].tolist() == ["Subject", "new"]
    assert read_sheets(tmp_path / "a.xlsx") == ([["Subject"], ["new"]],)


def test_a_hidden_sheet_is_read_if_no_other_has_the_heading(tmp_path: Path) -> None:
    book = Workbook()
    book.worksheets[0].append(["notes"])
    page = book.create_sheet("clips")
    page.append(["Subject"])
    page.sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx", "Subject").columns.tolist() == ["Subject"]


def test_a_sheet_that_is_named_is_read_although_it_is_hidden(tmp_path: Path) -> None:
    book = Workbook()
    for name, page in (("other", book.worksheets[0]), ("wanted", book.create_sheet("wanted"))):
        page.append(["Subject"])
        page.append([name])
    book.worksheets[1].sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx", "Subject", "wanted")["Subject"].tolist() == ["wanted"]


def test_a_sheet_that_describes_the_columns_does_not_hide_the_table(tmp_path: Path) -> None:
    book = Workbook()
    for row in (["column", "meaning"], ["subject", "number of the person"]):
        book.worksheets[0].append(row)
    page = book.create_sheet("clips")
    for cell in ("Subject", "01"):
        page.append([cell])
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx", "Subject")["Subject"].tolist() == ["01"]


@pytest.mark.parametrize(("rows", "first_line"), [([["SUBJECT"], ["01"]], 2), ([["subject"], ["Subject"], ["01"]], 3)])
def test_a_heading_may_differ_in_case_if_no_row_has_its_case(
    tmp_path: Path, rows: list[list[str]], first_line: int
) -> None:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx", "Subject")
    assert (table.index.tolist(), table.to_numpy().tolist()) == ([first_line], [["01"]])
