import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from openpyxl import Workbook

from fakes import touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.datasets.action_units import ActionUnit, parse_action_units
from microfacial.datasets.annotations import FaultyRow
from microfacial.datasets.dfme import open_dfme
from microfacial.datasets.validation import find_releases
from microfacial.errors import AbsentError, DatasetError

HEADER = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Emotion", "EmotionId", "Fps", "AU"]
WriteDfme = Callable[..., Path]
TABLE = "training_full_with_AU.xlsx"


@pytest.fixture
def write_dfme(tmp_path: Path) -> WriteDfme:
    """Return a function that writes one table of DFME, and the frames of its clips."""

    def write(rows: Sequence[Sequence[Any]], table: str = TABLE, place: str = "train_data") -> Path:
        folder = tmp_path / "dfme"
        book = Workbook()
        book.worksheets[0].append(HEADER)
        for name, onset, apex, offset, emotion, fps, *subject in rows:
            cells = [*(subject or [name.partition("_")[0]]), name, onset, apex, offset, emotion, 3, fps, "AD31+M58"]
            book.worksheets[0].append(cells)
            touch_frames(folder / place / name, "{:05d}.png", range(offset + 1))
        (folder / table).parent.mkdir(parents=True, exist_ok=True)
        book.save(folder / table)
        return folder

    return write


def read(root: Path) -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("dfme",), root=str(root.parent), scheme="dfme-7"))


def test_frames_count_from_zero(write_dfme: WriteDfme) -> None:
    (clip,) = read(write_dfme([("sub0001_01", 0, 2, 4, "fear", 500)])).clips
    assert (clip.id, clip.numbers, clip.apex) == ("dfme/sub0001/sub0001_01", (0, 1, 2, 3, 4), 2)
    assert clip.frame(0) == "dfme/train_data/sub0001_01/00000.png"
    assert parse_action_units(clip.action_units) == (ActionUnit(number=31), ActionUnit(number=58))


def test_the_moments_of_a_video_count_from_1(write_dfme: WriteDfme) -> None:
    folder = write_dfme([("sub0001_01", 0, 2, 4, "fear", 200)])
    place = folder / "train_data/sub0001_01"
    shutil.rmtree(place)
    video = cv2.VideoWriter(f"{place}.avi", cv2.VideoWriter.fourcc(*"MJPG"), 200.0, (64, 64))
    for number in range(5):
        video.write(np.full((64, 64, 3), 40 * number, np.uint8))
    video.release()
    (clip,) = read(folder).clips
    assert (clip.numbers, clip.onset, clip.apex, clip.offset) == ((1, 2, 3, 4, 5), 1, 3, 5)
    assert "counted from 1" in clip.notes


def test_each_row_has_its_frame_rate(write_dfme: WriteDfme) -> None:
    rows = [(f"sub000{place}_01", 0, 2, 4, "fear", fps) for place, fps in enumerate((200, 300.0, "500"))]
    assert [clip.fps for clip in read(write_dfme(rows)).clips] == [200.0, 300.0, 500.0]


@pytest.mark.parametrize("subject", ["sub0001", "Sub0001 ", 1, "sub1"])
def test_a_subject_that_is_written_differently_is_the_same_person(write_dfme: WriteDfme, subject: object) -> None:
    (clip,) = read(write_dfme([("sub0001_01", 0, 2, 4, "fear", 500, subject)])).clips
    assert clip.id == "dfme/sub0001/sub0001_01"


@pytest.mark.parametrize("subject", ["sub0002", "sub0010", "someone", 11])
def test_a_subject_that_does_not_fit_the_clip_name_is_a_fault(write_dfme: WriteDfme, subject: object) -> None:
    (row,) = open_dfme(write_dfme([("sub0001_01", 0, 2, 4, "fear", 500, subject)])).rows
    assert isinstance(row, FaultyRow)
    assert "does not fit the clip name sub0001_01" in row.reason


@pytest.mark.parametrize("fps", ["fast", 0, -200, None, "2_00", 1e9])
def test_a_row_without_a_frame_rate_is_faulty(write_dfme: WriteDfme, fps: object) -> None:
    (row,) = open_dfme(write_dfme([("sub0001_01", 0, 2, 4, "fear", fps)])).rows
    assert isinstance(row, FaultyRow)
    assert "row 2: Fps is " in row.reason


def test_all_tables_are_read(write_dfme: WriteDfme) -> None:
    write_dfme([("sub0001_01", 0, 2, 4, "fear", 500)])
    write_dfme([("sub0002_01", 0, 2, 4, "anger", 300)], "full_release_annotation/testA.xlsx", "test_data_a")
    write_dfme([("sub0003_01", 0, 2, 4, "anger", 200)], "full_release_annotation/other.xlsx", "x/y/z")
    root = write_dfme([("sub0004_01", 0, 2, 4, "anger", 200)], "DFME_test_B_full_with_AU.xlsx", "test_data_b")
    assert [clip.frames for clip in read(root).clips] == [
        "dfme/train_data/sub0001_01/{:05d}.png",
        "dfme/test_data_a/sub0002_01/{:05d}.png",
        "dfme/x/y/z/sub0003_01/{:05d}.png",
        "dfme/test_data_b/sub0004_01/{:05d}.png",
    ]


def test_of_two_folders_of_a_clip_the_first_is_read(write_dfme: WriteDfme) -> None:
    row = ("sub0001_01", 0, 2, 4, "fear", 500)
    write_dfme([row], place="b")
    assert read(write_dfme([row], place="a/z")).clips[0].frames == "dfme/a/z/sub0001_01/{:05d}.png"


def test_a_clip_without_a_folder_is_refused_by_name(write_dfme: WriteDfme) -> None:
    root = write_dfme([("sub0001_01", 0, 2, 4, "fear", 500)], place="too/deep/for/us/to/find")
    with pytest.raises(DatasetError, match=r"dfme/sub0001/sub0001_01: .*train_data"):
        read(root)


def test_a_damaged_table_is_not_left_out(write_dfme: WriteDfme) -> None:
    root = write_dfme([("sub0001_01", 0, 2, 4, "fear", 500)])
    (root / "testA.xlsx").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"testA\.xlsx .*empty"):
        read(root)


def test_a_folder_without_a_table_is_refused_with_the_spreadsheets_that_are_there(tmp_path: Path) -> None:
    Workbook().save(tmp_path / "a.xlsx")
    with pytest.raises(AbsentError, match=r"DFME: .*a\.xlsx.*Fps"):
        open_dfme(tmp_path)


@pytest.mark.parametrize("name", [TABLE, "labels.xlsx"])
def test_doctor_recognises_the_release_by_name_and_by_columns(write_dfme: WriteDfme, name: str) -> None:
    root = write_dfme([("sub0001_01", 0, 2, 4, "fear", 500)], name)
    assert [release.corpus for release in find_releases(root)] == ["dfme"]
