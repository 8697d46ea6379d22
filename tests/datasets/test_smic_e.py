import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import pytest
from openpyxl import Workbook

from fakes import texture, touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.errors import DatasetError

HEADER = ["Subject", "Filename", "OnsetF", "OffsetF", "FirstF", "ApexF", "Emotion"]
Row = tuple[Any, ...]
WriteSmicE = Callable[..., Path]


@pytest.fixture
def write_smic_e(tmp_path: Path) -> WriteSmicE:
    """Return a function that writes SMIC-E. Long clips have 40 frames, numbered from `start` or from FirstF."""

    def write(rows: Sequence[Row], start: int | None = None, camera: str = "HS") -> Path:
        folder = tmp_path / "smic"
        book = Workbook()
        sheet = book.worksheets[0]
        sheet.append(HEADER)
        for row in rows:
            sheet.append(row)
            if len(row) == len(HEADER) and isinstance(row[4], int):
                first = row[4] if start is None else start
                place = folder / f"{camera}_long/SMIC-{camera}-E/s{row[0]:02d}/{row[1]}"
                touch_frames(place, "image{:06d}.jpg", range(first, first + 40))
        folder.mkdir(exist_ok=True)
        book.save(folder / f"SMIC-{camera}-E_annotation_2019.xlsx")
        return folder

    return write


def read(folder: Path, corpus: str = "smic_e_hs", **settings: Any) -> Listing:
    settings = {"scheme": "megc2019-3", "corpora": (corpus,), **settings}
    return list_clips(ClipsConfig(name="t", root=str(folder.parent), **settings))


@pytest.mark.parametrize(
    ("start", "onset", "apex", "offset"), [(None, 110, 115, 120), (0, 10, 15, 20), (1, 11, 16, 21)]
)
def test_annotated_numbers_are_shifted_to_the_numbers_of_the_files(
    write_smic_e: WriteSmicE, start: int | None, onset: int, apex: int, offset: int
) -> None:
    (clip,) = read(write_smic_e([(1, "s1_ne_01", 110, 120, 100, 115, "negative")], start)).clips
    assert (clip.id, clip.label) == ("smic/s01/s1_ne_01", "negative")
    assert (clip.onset, clip.apex, clip.offset, clip.apex_source) == (onset, apex, offset, "annotated")
    assert clip.numbers == tuple(range(onset, offset + 1))
    assert clip.frame(onset) == f"smic/HS_long/SMIC-HS-E/s01/s1_ne_01/image{onset:06d}.jpg"


def test_a_clip_without_an_apex_has_the_midpoint(write_smic_e: WriteSmicE) -> None:
    (clip,) = read(write_smic_e([(1, "s1_po_01", 110, 120, 100, None, "positive")])).clips
    assert (clip.apex, clip.apex_source) == (115, "midpoint")


def test_rows_without_a_long_clip_and_notes_below_the_rows_are_left_out(write_smic_e: WriteSmicE) -> None:
    rows: list[Row] = [
        (1, "s1_ne_01", 110, 120, 100, None, "negative"),
        (3, "s3_ne_03", 150, None, None, None, "negative"),
        (None, None, None, None, None, None, None),
        ("Frames are counted by the camera",),
    ]
    listing = read(write_smic_e(rows))
    assert [clip.name for clip in listing.clips] == ["s1_ne_01"]
    assert listing.dropped == {"SMIC-E gives no offset and no long clip": 1}


def test_each_camera_has_its_own_table_and_frame_rate(write_smic_e: WriteSmicE) -> None:
    write_smic_e([(1, "s1_ne_01", 110, 120, 100, 115, "negative")])
    folder = write_smic_e([(11, "s11_ne_01", 8, 12, 5, 10, "negative")], camera="NIR")
    (clip,) = read(folder, "smic_e_nir").clips
    assert (clip.subject, clip.fps) == ("s11", 25.0)


def test_text_in_place_of_a_number_is_refused_with_its_row(write_smic_e: WriteSmicE) -> None:
    with pytest.raises(DatasetError, match=r"row 2: FirstF .*'x'"):
        read(write_smic_e([(1, "s1_ne_01", 110, 120, "x", 115, "negative")]))


def test_a_missing_long_clip_is_refused(write_smic_e: WriteSmicE) -> None:
    folder = write_smic_e([(1, "s1_ne_01", 110, 120, 100, 115, "negative")])
    (folder / "HS_long").rename(folder / "elsewhere")
    with pytest.raises(DatasetError, match=r"smic/s01/s1_ne_01: .*image<N>\.jpg"):
        read(folder)


def test_a_folder_without_the_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"SMIC-HS-E: .*SMIC-HS-E_annotation\*\.xlsx"):
        read(tmp_path / "smic")


def test_the_short_and_the_long_release_cannot_be_in_one_data_set(write_smic_e: WriteSmicE) -> None:
    folder = write_smic_e([(1, "s1_ne_01", 110, 120, 100, 115, "negative")])
    touch_frames(folder / "HS/s1/micro/negative/s1_ne_01", "image{:06d}.bmp", range(110, 121))
    with pytest.raises(DatasetError, match=r"smic/s01/s1_ne_01 .*twice.*clips\.corpora"):
        read(folder, corpora=("smic_hs", "smic_e_hs"))


NOTE = "frames counted from 1 on, as the files are, not from FirstF 100"


def test_numbers_that_are_on_disk_are_not_shifted(write_smic_e: WriteSmicE) -> None:
    folder = write_smic_e([(1, "s1_ne_01", 110, 120, 100, 115, "negative")], start=90)
    (clip,) = read(folder).clips
    assert (clip.onset, clip.apex, clip.offset, clip.notes) == (110, 115, 120, "")


def test_shifted_numbers_get_a_note(write_smic_e: WriteSmicE) -> None:
    (clip,) = read(write_smic_e([(1, "s1_ne_01", 110, 120, 100, 115, "negative")], start=1)).clips
    assert (clip.onset, clip.apex, clip.offset, clip.notes) == (11, 16, 21, NOTE)


def test_files_from_1_on_are_shifted_although_the_camera_s_numbers_are_among_them(write_smic_e: WriteSmicE) -> None:
    (clip,) = read(write_smic_e([(1, "s1_ne_01", 15, 25, 11, 20, "negative")], start=1)).clips
    assert (clip.onset, clip.apex, clip.offset) == (5, 10, 15)
    assert "FirstF 11" in clip.notes


def test_the_frames_of_a_video_are_numbered_from_1(write_smic_e: WriteSmicE) -> None:
    folder = write_smic_e([(1, "s1_ne_01", 110, 120, 100, 115, "negative")])
    place = folder / "HS_long/SMIC-HS-E/s01/s1_ne_01"
    shutil.rmtree(place)
    video = cv2.VideoWriter(f"{place}.avi", cv2.VideoWriter.fourcc(*"MJPG"), 100.0, (64, 64))
    for number in range(40):
        video.write(texture(64, 64, number))
    video.release()
    (clip,) = read(folder).clips
    assert (clip.onset, clip.apex, clip.offset, clip.notes) == (11, 16, 21, NOTE)


def test_a_slash_means_that_apex_or_offset_is_missing(write_smic_e: WriteSmicE) -> None:
    rows: list[Row] = [
        (1, "s1_ne_01", 110, 120, 100, "/", "negative"),
        (1, "s1_ne_02", 110, "/", 100, None, "negative"),
    ]
    listing = read(write_smic_e(rows))
    assert [clip.apex_source for clip in listing.clips] == ["midpoint"]
    assert listing.dropped == {"SMIC-E gives no offset and no long clip": 1}


def test_a_faulty_row_can_be_excluded(write_smic_e: WriteSmicE) -> None:
    rows: list[Row] = [(1, "s1_ne_01", 110, 120, 100, 115, "negative"), (1, "s1_ne_02", "x", 9, 1, 5, "negative")]
    folder = write_smic_e(rows)
    with pytest.raises(DatasetError, match=r"row 3: OnsetF .*'x'"):
        read(folder)
    assert [clip.name for clip in read(folder, exclude=("smic/s01/s1_ne_02",)).clips] == ["s1_ne_01"]


def test_a_clip_of_another_subject_is_a_fault(write_smic_e: WriteSmicE) -> None:
    with pytest.raises(DatasetError, match=r"'2' .*s1_ne_01"):
        read(write_smic_e([(2, "s1_ne_01", 110, 120, 100, 115, "negative")]))


def test_numbers_are_not_shifted_if_the_first_files_are_lost(write_smic_e: WriteSmicE) -> None:
    folder = write_smic_e([(1, "s1_ne_01", 110, 120, 100, 115, "negative")])
    for number in (100, 101, 112):
        (folder / f"HS_long/SMIC-HS-E/s01/s1_ne_01/image{number:06d}.jpg").unlink()
    (clip,) = read(folder).clips
    assert (clip.onset, clip.apex, clip.offset, clip.notes) == (110, 115, 120, "")
