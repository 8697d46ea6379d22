import zlib
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import ParseError
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from fakes import make_clip
from microfacial.datasets.clip_table import read_clips, write_clips
from microfacial.datasets.spreadsheet import read_table
from microfacial.errors import DatasetError, StorageError
from microfacial.files import atomic_write, digest, read_json, write_arrays, write_image, write_json


def test_a_failed_write_leaves_the_old_file_and_no_scratch(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)

    def fail() -> None:
        with atomic_write(path) as fresh:
            fresh.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read_json(path) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with atomic_write(tmp_path / "out") as fresh:
            fresh.mkdir()
            (fresh / name).touch()
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["new"]


def test_clips_survive_a_round_trip(tmp_path: Path) -> None:
    clip = make_clip(
        emotion="Happy",
        label="happiness",
        action_units="L2+26",
        frames="a b/reg_img{}.jpg",
        numbers=(98, 99, 100, 103),
        onset=98,
        apex=100,
        offset=103,
        apex_source="midpoint",
        notes='no apex, "took" the midpoint 100',
    )
    write_clips(tmp_path / "clips.csv", [clip])
    assert read_clips(tmp_path / "clips.csv") == (clip,)
    assert "98-100 103-103" in (tmp_path / "clips.csv").read_text()


def test_a_missing_or_damaged_file_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"a\.json is missing. Run `dvc repro`"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(StorageError, match="damaged"):
        read_json(tmp_path / "a.json")


def test_what_a_kill_left_is_swept_by_the_next_write(tmp_path: Path) -> None:
    left = tmp_path / ".scratch-a.json-xyz"
    left.mkdir()
    (left / "a.json").write_text("half")
    write_json(tmp_path / "a.json", 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_picture_of_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"use \.png"):
        write_image(tmp_path / "sheet.doc", np.zeros((2, 2, 3), np.uint8))


def test_a_digest_changes_with_bytes_and_with_facts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    keys = [digest([tmp_path / "a"], 1), digest([tmp_path / "a"], 2), digest([], 1)]
    (tmp_path / "a").write_bytes(b"2")
    assert len({*keys, digest([tmp_path / "a"], 1)}) == 4


def test_a_spreadsheet_with_damaged_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    Workbook().save(path)
    with ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    parts["xl/worksheets/sheet1.xml"] = b"<worksheet><sheetData>"
    with ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    with pytest.raises(DatasetError, match=r"a\.xlsx is no readable spreadsheet"):
        read_table(path, "Subject")


@pytest.mark.parametrize("error", [zlib.error("invalid block"), EOFError("ended"), ParseError("no element")])
def test_whatever_damage_a_reader_meets_is_a_damaged_spreadsheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    Workbook().save(tmp_path / "a.xlsx")
    monkeypatch.setattr(pd, "read_excel", fail)
    with pytest.raises(DatasetError, match="is no readable spreadsheet"):
        read_table(tmp_path / "a.xlsx", "Subject")


def test_arrays_that_only_pickle_could_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_arrays(tmp_path / "a.npz", {"a": np.array([object()])})
    assert not list(tmp_path.iterdir())
