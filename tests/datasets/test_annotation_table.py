from pathlib import Path

import pandas as pd
import pytest
from openpyxl import Workbook

from microfacial.datasets import casme2, casme3, mmew, samm
from microfacial.datasets.annotation_table import Columns, is_given, read_rows
from microfacial.datasets.annotations import AnnotationRow, FaultyRow, SkippedRow
from microfacial.datasets.table_files import find_table
from microfacial.datasets.validation import find_releases
from microfacial.errors import AbsentError, DatasetError


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM_20181215_Micro_FACS_Codes_v2.xlsx"),
        ("SAMM_20181215_Micro_FACS_Codes_v2.xlsx", "SAMM_20190101_Micro_FACS_Codes_v2.xlsx"),
        ("SAMM_20181215_Micro_FACS_Codes_v9.xlsx", "SAMM_Micro_FACS_Codes_v10.xlsx"),
        ("SAMM_Micro_FACS_Codes_v2.xlsx", "SAMM_Micro_FACS_Codes_v2(Updated).xlsx"),
    ],
)
def test_the_table_with_the_latest_version_and_then_date_is_found(tmp_path: Path, older: str, newer: str) -> None:
    for name in (newer, older):
        (tmp_path / name).touch()
    assert find_table(tmp_path, "SAMM", "SAMM*Micro_FACS_Codes_v*.xlsx").name == newer


def test_folders_are_searched_after_the_root(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/b_v2.xlsx").touch()
    assert find_table(tmp_path, "B", "b_v*.xlsx", folders=("tables",)) == tmp_path / "tables/b_v2.xlsx"
    (tmp_path / "b_v1.xlsx").touch()
    assert find_table(tmp_path, "B", "b_v*.xlsx", folders=("tables",)) == tmp_path / "b_v1.xlsx"
    with pytest.raises(AbsentError, match=r"B: .*c\.xlsx"):
        find_table(tmp_path, "B", "c.xlsx")


@pytest.mark.parametrize(("cell", "given"), [("12", True), ("0", True), ("/", False), ("\\", False), ("", False)])
def test_an_empty_cell_or_a_slash_has_no_value(cell: str, given: bool) -> None:
    assert is_given(cell) == given


# --- tables with another name ---

CASME2 = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion")
SAMM = ("Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion")
CASME3 = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion")
HEADERS = {"casme2": CASME2, "samm": SAMM, "casme3": CASME3, "mmew": CASME2}
NAMES = {"casme2": "EP02_01f", "samm": "006_1_2", "casme3": "a", "mmew": "S06-07-001"}
OPEN = {
    "casme2": casme2.open_casme2,
    "samm": samm.open_samm,
    "casme3": casme3.open_casme3,
    "mmew": mmew.open_mmew,
}


def write_table(path: Path, corpus: str, header: tuple[str, ...] = ()) -> Path:
    book = Workbook()
    book.worksheets[0].append(["notes above the header"])
    book.worksheets[0].append(header or HEADERS[corpus])
    book.worksheets[0].append([6, NAMES[corpus], 1, 3, 5, "12", "surprise"])
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


@pytest.mark.parametrize("corpus", HEADERS)
def test_a_table_with_another_name_is_recognised_as_that_of_its_corpus_only(tmp_path: Path, corpus: str) -> None:
    write_table(tmp_path / "Codes FINAL.XLSX", corpus)
    (tmp_path / "~$Codes FINAL.XLSX").touch()
    (tmp_path / "other.xlsx").write_text("damaged")
    (row,) = OPEN[corpus](tmp_path).rows
    assert row.id.endswith(NAMES[corpus]) or row.id.endswith("a_1")
    assert [release.corpus for release in find_releases(tmp_path)] == [corpus]


def test_a_table_is_preferred_by_its_name(tmp_path: Path) -> None:
    write_table(tmp_path / "SAMM.xlsx", "samm")
    named = write_table(tmp_path / "samm_micro_facs_codes_V2.xlsx", "samm")
    assert find_table(tmp_path, "SAMM", "SAMM*Micro_FACS_Codes_v*.xlsx", columns=samm._COLUMNS) == named


def test_two_recognised_tables_are_refused(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_table(tmp_path / name, "samm")
    with pytest.raises(DatasetError, match=r"a\.xlsx and b\.xlsx .*SAMM\*Micro_FACS_Codes"):
        samm.open_samm(tmp_path)


def test_a_message_lists_the_accepted_name_and_the_spreadsheets_that_are_there(tmp_path: Path) -> None:
    write_table(tmp_path / "a.xlsx", "samm", header=("Subject", "Filename"))
    (tmp_path / "SAMM.xls").touch()
    with pytest.raises(AbsentError, match=r"SAMM: no SAMM\*Micro_FACS_Codes_v\*\.xlsx .*Apex Frame.*") as caught:
        samm.open_samm(tmp_path)
    assert "found SAMM.xls, a.xlsx" in str(caught.value)
    assert "Save SAMM.xls as .xlsx" in str(caught.value)


# --- columns ---

COLUMNS = Columns(onset="On", apex=None, offset="Off", action_units=None, emotion="Emotion", optional=("ApexF",))


def identify(cells: "pd.Series[str]", where: str) -> tuple[str, str]:
    return cells["Subject"], cells["Filename"]


def skip(cells: "pd.Series[str]", subject: str, name: str, where: str) -> SkippedRow:
    return SkippedRow(id=name, reason="")


def read(path: Path) -> list[AnnotationRow]:
    return list(read_rows(path, COLUMNS, "c", identify, skip))


def test_names_of_columns_may_differ_in_case(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.xlsx", "samm", header=("SUBJECT", "Filename", "on", "OFF", "x", "emotion"))
    assert read(path) == [SkippedRow(id="006_1_2", reason="")]


@pytest.mark.parametrize("repeated", ["On", "ApexF", "Filename"])
def test_a_repeated_column_is_refused(tmp_path: Path, repeated: str) -> None:
    header = ("Subject", "Filename", "On", "Off", "Emotion", "ApexF", repeated)
    with pytest.raises(DatasetError, match=rf"a\.xlsx: column {repeated} "):
        read(write_table(tmp_path / "a.xlsx", "samm", header=header))


@pytest.mark.parametrize(
    ("cells", "faulty"),
    [
        (["", "006_1_2", "", 5, "fear"], True),
        ([6, "", "", 5, "fear"], True),
        (["Total", "", "", "", "fear"], False),
        ([6, "", "", "", "", "unused"], False),
        (["a note"], False),
    ],
)
def test_a_row_without_onset_and_with_few_filled_columns_is_a_note(
    tmp_path: Path, cells: list[object], faulty: bool
) -> None:
    book = Workbook()
    for row in (["Subject", "Filename", "On", "Off", "Emotion"], [6, "006_1_1", 1, 5, "fear"], cells):
        book.worksheets[0].append(row)
    book.save(tmp_path / "a.xlsx")
    clip, *others = read(tmp_path / "a.xlsx")
    assert clip.id == "006_1_1"
    assert ["row 3" in row.reason for row in others if isinstance(row, FaultyRow)] == [True] * faulty


@pytest.mark.parametrize("copy", ["CASME2-coding-20190701_old.xlsx", "CASME2-coding-20190701 (1).xlsx"])
def test_two_tables_with_the_same_version_and_date_are_refused(tmp_path: Path, copy: str) -> None:
    for name in (copy, "CASME2-coding-20190701.xlsx", "CASME2-coding-20140508.xlsx"):
        (tmp_path / name).write_text(name)
    with pytest.raises(DatasetError) as caught:
        find_table(tmp_path, "C", "CASME2-coding-*.xlsx")
    assert copy in str(caught.value)
    assert "CASME2-coding-20190701.xlsx" in str(caught.value)
    assert "20140508" not in str(caught.value)


def test_an_xlsx_file_is_preferred_to_the_xls_file_that_it_was_saved_from(tmp_path: Path) -> None:
    for name in ("CASME-coded-20190721.xls", "CASME-coded-20190721 saved.xlsx"):
        (tmp_path / name).touch()
    assert find_table(tmp_path, "C", "CASME-coded-*.xls*").suffix == ".xlsx"


def test_the_name_of_the_column_of_clips_may_differ_in_case(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.xlsx", "samm", header=("subject", "filename", "on", "off", "x", "emotion"))
    assert read(path) == [SkippedRow(id="006_1_2", reason="")]
