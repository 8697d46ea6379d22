from pathlib import Path

import pytest
from openpyxl import Workbook

from microfacial.datasets.annotation_table import Columns
from microfacial.datasets.table_files import find_tables
from microfacial.errors import AbsentError

COLUMNS = Columns(onset="On", apex=None, offset="Off", action_units=None, emotion="Emotion", clip_names="clip[0-9]")


def write(path: Path, clip: str = "clip1") -> None:
    book = Workbook()
    book.worksheets[0].append(["Subject", "Filename", "On", "Off", "Emotion"])
    book.worksheets[0].append([1, clip, 1, 3, "fear"])
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)


def find(root: Path) -> list[str]:
    tables = find_tables(root, "C", ("*train*.xls*", "test.xlsx"), ("tables",), columns=COLUMNS)
    return [path.relative_to(root).as_posix() for path in tables]


def test_tables_are_found_by_name_or_by_columns_in_order(tmp_path: Path) -> None:
    write(tmp_path / "other.xlsx")
    write(tmp_path / "notes.xlsx", clip="x")
    write(tmp_path / "~$other.xlsx")
    write(tmp_path / "elsewhere/train.xlsx")
    (tmp_path / "TRAIN.xls").touch()
    (tmp_path / "train.txt").touch()
    write(tmp_path / "tables/Test.xlsx", clip="x")
    assert find(tmp_path) == ["TRAIN.xls", "other.xlsx", "tables/Test.xlsx"]


def test_a_release_without_tables_is_absent(tmp_path: Path) -> None:
    write(tmp_path / "notes.xlsx", clip="x")
    with pytest.raises(AbsentError, match=r"C: no \*train\*\.xls\* .*notes\.xlsx"):
        find(tmp_path)
