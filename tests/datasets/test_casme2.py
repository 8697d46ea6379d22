import re
import shutil
from pathlib import Path
from typing import Literal

import cv2
import pytest
from openpyxl import Workbook, load_workbook

from fakes import CASME2_HEADER, WriteCasme2, texture, touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.errors import DatasetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the empty folder of the release, in the root folder of the corpora."""
    path = tmp_path / "casme2"
    path.mkdir()
    return path


def read(root: Path, **settings: object) -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("casme2",), root=str(root.parent), scheme="casme2-4", **settings))  # type: ignore[arg-type]


def test_text_subjects_blank_columns_and_numeric_action_units_are_read(write_casme2: WriteCasme2) -> None:
    root = write_casme2(
        [("01", "EP02_01f", 97, 100, 104, 12, "happiness"), ("02", "EP09f", 5, 7, 9, "L4+9", "Disgust")]
    )
    first, second = read(root).clips
    assert (first.id, first.action_units, first.label) == ("casme2/sub01/EP02_01f", "12", "happiness")
    assert (second.id, second.action_units, second.label) == ("casme2/sub02/EP09f", "L4+9", "disgust")
    assert (first.onset, first.apex, first.offset) == (97, 100, 104)


def test_frames_are_sorted_by_number_not_by_name(write_casme2: WriteCasme2) -> None:
    (clip,) = read(write_casme2([("01", "EP01_01", 98, 100, 102, 12, "happiness")])).clips
    assert clip.numbers == (98, 99, 100, 101, 102)
    assert clip.frame(100) == "casme2/Cropped/sub01/EP01_01/reg_img100.jpg"


@pytest.mark.parametrize("apex", ["/", 10, 99])
def test_a_missing_or_impossible_apex_becomes_the_midpoint_with_a_note(
    write_casme2: WriteCasme2, apex: int | str
) -> None:
    (clip,) = read(write_casme2([("01", "EP01_01", 10, apex, 16, 12, "happiness")])).clips
    assert (clip.apex, clip.apex_source) == (13, "midpoint")
    assert "midpoint 13" in clip.notes


def test_a_setting_replaces_annotated_apexes_by_midpoints(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "EP01_01", 10, 11, 16, 12, "happiness")])
    clips = {apex: read(root, apex=apex).clips[0] for apex in ("annotated", "midpoint")}
    assert (clips["annotated"].apex, clips["annotated"].apex_source) == (11, "annotated")
    assert (clips["midpoint"].apex, clips["midpoint"].apex_source) == (13, "midpoint")


@pytest.mark.parametrize(
    ("apex", "missing_apex", "spots"),
    [
        ("annotated", "midpoint", False),
        ("annotated", "spotted", True),
        ("midpoint", "spotted", False),
        ("spotted", "midpoint", True),
    ],
)
def test_spotting_is_used_only_if_a_setting_requests_it(
    apex: Literal["annotated", "midpoint", "spotted"], missing_apex: Literal["midpoint", "spotted"], spots: bool
) -> None:
    config = ClipsConfig(
        name="t", root="", corpora=("casme2",), scheme="casme2-4", apex=apex, missing_apex=missing_apex
    )
    assert config.spots == spots


def test_similar_clip_names_stay_distinct(write_casme2: WriteCasme2) -> None:
    rows = [("07", name, 1, 2, 4, 12, "happiness") for name in ("EP06_02_01", "EP06_02_02", "EP06_02", "EP06_02f")]
    assert len(read(write_casme2(rows)).clips) == 4


def test_emotions_outside_the_scheme_are_left_out_and_counted(write_casme2: WriteCasme2) -> None:
    listing = read(write_casme2([("01", "a", 1, 2, 4, 12, "happiness"), ("01", "b", 1, 2, 4, 12, "others")]))
    assert [clip.name for clip in listing.clips] == ["a"]
    assert listing.dropped == {"others": 1}


def test_an_unknown_label_is_refused_with_its_clip(write_casme2: WriteCasme2) -> None:
    with pytest.raises(DatasetError, match=r"casme2/sub01/a: .*'joy'.*clips\.exclude"):
        read(write_casme2([("01", "a", 1, 2, 4, 12, "joy")]))


def test_the_nearest_frame_replaces_a_missing_key_frame_with_a_note(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 10, 14, 20, 12, "happiness")])
    (root / "Cropped/sub01/a/reg_img20.jpg").unlink()
    (clip,) = read(root).clips
    assert clip.offset == 19
    assert clip.notes == "offset frame 20 is missing, took 19"


def test_a_missing_key_frame_without_a_near_frame_is_refused(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 10, 14, 20, 12, "happiness")])
    for number in range(16, 21):
        (root / f"Cropped/sub01/a/reg_img{number}.jpg").unlink()
    with pytest.raises(DatasetError, match=r"casme2/sub01/a: offset: .*frame 20 .*10–15.*15"):
        read(root)


def test_an_annotation_without_frames_is_refused_unless_excluded(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 2, 4, 12, "happiness"), ("01", "b", 1, 2, 4, 12, "disgust")])
    for frame in (root / "Cropped/sub01/b").iterdir():
        frame.unlink()
    with pytest.raises(DatasetError, match=r"casme2/sub01/b: .*reg_img<N>\.jpg"):
        read(root)
    assert len(read(root, exclude=("casme2/sub01/b",)).clips) == 1


def test_an_interval_that_ends_before_it_starts_is_refused(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 4, 5, 9, 12, "happiness")])
    root = write_casme2([("01", "a", 9, 5, 4, 12, "happiness")])
    with pytest.raises(DatasetError, match=r"casme2/sub01/a: offset 4 .*onset 9"):
        read(root)


def test_a_clip_that_is_annotated_twice_is_refused(write_casme2: WriteCasme2) -> None:
    with pytest.raises(DatasetError, match=r"casme2/sub01/a .*twice"):
        read(write_casme2([("01", "a", 1, 2, 4, 12, "happiness")] * 2))


def test_a_folder_without_the_sheet_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"CASME2-coding-\*\.xlsx in .*params\.yaml"):
        read(folder)


def test_a_text_file_in_place_of_the_sheet_is_refused(folder: Path) -> None:
    (folder / "CASME2-coding-20190701.xlsx").write_text("not a spreadsheet")
    with pytest.raises(DatasetError, match=r"CASME2-coding-20190701\.xlsx .*not a readable spreadsheet"):
        read(folder)


def test_a_truncated_spreadsheet_is_refused(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 2, 4, 12, "happiness")])
    sheet = root / "CASME2-coding-20190701.xlsx"
    sheet.write_bytes(sheet.read_bytes()[:2000])
    with pytest.raises(DatasetError, match=r"CASME2-coding-20190701\.xlsx .*not a readable spreadsheet"):
        read(root)


@pytest.mark.parametrize("apex", ["2.5", "inf", "#N/A?"])
def test_an_apex_that_is_not_a_whole_number_is_refused(write_casme2: WriteCasme2, apex: str) -> None:
    with pytest.raises(DatasetError, match=rf"row 2: ApexFrame .*{re.escape(apex)}"):
        read(write_casme2([("01", "a", 1, apex, 4, 12, "happiness")]))


def test_a_row_without_a_subject_is_refused_and_not_dropped(write_casme2: WriteCasme2) -> None:
    with pytest.raises(DatasetError, match=r"row 3: .*Subject .*Filename"):
        read(write_casme2([("01", "a", 1, 2, 4, 12, "happiness"), ("", "b", 1, 2, 4, 12, "disgust")]))


def test_a_phase_without_inner_frames_gets_a_note(write_casme2: WriteCasme2) -> None:
    (clip,) = read(write_casme2([("01", "a", 1, 2, 4, 12, "happiness")])).clips
    assert clip.notes == "no frame between onset and apex"


def test_text_in_place_of_a_frame_number_is_refused_with_its_row(write_casme2: WriteCasme2) -> None:
    with pytest.raises(DatasetError, match=r"row 2: ApexFrame .*'x'"):
        read(write_casme2([("01", "a", 1, "x", 4, 12, "happiness")]))


def test_demo_clips_have_the_corpus_demo(tiny_demo: Path) -> None:
    config = ClipsConfig(name="t", root=str(tiny_demo.parent), corpora=("demo",), scheme="casme2-4")
    assert {clip.corpus for clip in list_clips(config).clips} == {"demo"}


# --- the two sheets ---


def write_sheet(path: Path, emotion: str, notes: int = 0, *, objective: bool = True) -> None:
    """Write a sheet with one clip, sub01/a, and notes above its header. The sheet of 2019 has objective classes."""
    book = Workbook()
    sheet = book.worksheets[0]
    for number in range(notes):
        sheet.append([f"note {number}"])
    sheet.append([*CASME2_HEADER, "Estimated Emotion", *(["Objective Classes"] if objective else [])])
    sheet.append(["01", "a", None, 1, 2, 4, None, 12, emotion, *([1] if objective else [])])
    book.save(path)


@pytest.mark.parametrize(("year", "objective"), [("20140508", False), ("20190701", True)])
@pytest.mark.parametrize("notes", [0, 2])
def test_either_sheet_is_read_with_or_without_notes_above_its_header(
    write_casme2: WriteCasme2, year: str, objective: bool, notes: int
) -> None:
    root = write_casme2([("01", "a", 1, 2, 4, 12, "happiness")])
    (root / "CASME2-coding-20190701.xlsx").unlink()
    write_sheet(root / f"CASME2-coding-{year}.xlsx", "disgust", notes, objective=objective)
    assert [clip.label for clip in read(root).clips] == ["disgust"]


def test_the_later_of_both_sheets_is_read(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 2, 4, 12, "happiness")])
    write_sheet(root / "CASME2-coding-20140508.xlsx", "disgust", objective=False)
    assert [clip.label for clip in read(root).clips] == ["happiness"]


def test_a_message_gives_the_row_number_of_the_spreadsheet(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 2, 4, 12, "happiness")])
    write_sheet(root / "CASME2-coding-20200101.xlsx", "disgust", notes=5)
    book = load_workbook(root / "CASME2-coding-20200101.xlsx")
    book.worksheets[0]["F7"] = "end"
    book.save(root / "CASME2-coding-20200101.xlsx")
    with pytest.raises(DatasetError, match=r"row 7: OffsetFrame .*'end'"):
        read(root)


def test_an_empty_sheet_is_refused(folder: Path) -> None:
    Workbook().save(folder / "CASME2-coding-20190701.xlsx")
    with pytest.raises(DatasetError, match=r"20190701.*'Filename'"):
        read(folder)


# --- the kinds of frames ---


@pytest.mark.parametrize("variant", ["CASME2_RAW", "CASME2-RAW", "CASME2_RAW_selected"])
def test_raw_frames_are_read_if_there_are_no_cropped_ones(write_casme2: WriteCasme2, variant: str) -> None:
    root = write_casme2([("01", "a", 98, 100, 102, 12, "happiness")])
    touch_frames(root / variant / "sub01/a", "img{}.jpg", range(90, 110))
    assert read(root).clips[0].frames == "casme2/Cropped/sub01/a/reg_img{}.jpg"
    shutil.rmtree(root / "Cropped")
    (clip,) = read(root).clips
    assert clip.frames == f"casme2/{variant}/sub01/a/img{{}}.jpg"
    assert clip.numbers == (98, 99, 100, 101, 102)


def test_a_video_may_stand_in_place_of_a_folder_of_frames(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 2, 4, 6, 12, "happiness")])
    frames = [texture(85, 70, number) for number in range(1, 7)]
    shutil.rmtree(root / "Cropped")
    (root / "CASME2_RAW/sub01").mkdir(parents=True)
    video = cv2.VideoWriter(str(root / "CASME2_RAW/sub01/a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 200, (70, 85))
    for frame in frames:
        video.write(frame)
    video.release()
    (clip,) = read(root).clips
    assert (clip.frames, clip.numbers, clip.apex) == ("casme2/CASME2_RAW/sub01/a.avi", (2, 3, 4, 5, 6), 4)


def test_stray_files_among_subjects_and_frames_are_ignored(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 2, 4, 12, "happiness")])
    (root / "Cropped/sub01/Desktop - Shortcut.lnk").touch()
    (root / "Cropped/sub01/a/reg_img03.jpg").touch()
    (root / "Cropped/sub01/a/Thumbs.db").touch()
    assert read(root).clips[0].numbers == (1, 2, 3, 4)


# --- MEGC2019 ---


def test_megc2019_uses_the_labels_of_2014_and_counts_them_with_the_reason(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("24", "EP07_01", 1, 2, 4, 12, "surprise"), ("24", "EP01_08", 1, 2, 4, 12, "surprise")])
    assert len(read(root).clips) == 2
    config = ClipsConfig(name="t", corpora=("casme2",), root=str(root.parent), scheme="megc2019-3")
    listing = list_clips(config)
    assert [clip.name for clip in listing.clips] == ["EP01_08"]
    (dropped,) = listing.dropped
    assert dropped.startswith("sadness (emotion surprise corrected to sadness: MEGC2019 uses")


def test_an_excluded_clip_is_counted_and_an_unknown_id_is_refused(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness"), ("01", "b", 1, 3, 5, 12, "happiness")])
    assert read(root, exclude=("casme2/sub01/a",)).dropped == {"excluded casme2/sub01/a": 1}
    with pytest.raises(DatasetError, match=r"clips\.exclude .*casme2/sub1/a"):
        read(root, exclude=("casme2/sub1/a",))


def test_a_faulty_row_can_be_excluded(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, "x", 5, 12, "happiness"), ("01", "b", 1, 3, 5, 12, "happiness")])
    assert [clip.name for clip in read(root, exclude=("casme2/sub01/a",)).clips] == ["b"]


def test_an_empty_folder_of_crops_does_not_hide_the_raw_frames(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    shutil.rmtree(root / "Cropped")
    (root / "Cropped").mkdir()
    touch_frames(root / "CASME2_RAW/sub01/a", "img{}.jpg", range(1, 6))
    (clip,) = read(root).clips
    assert (clip.frames, clip.cropped) == ("casme2/CASME2_RAW/sub01/a/img{}.jpg", False)


def test_a_sheet_in_a_subfolder_is_not_read(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    (root / "tables").mkdir()
    (root / "CASME2-coding-20190701.xlsx").rename(root / "tables/CASME2-coding-20190701.xlsx")
    with pytest.raises(DatasetError, match=r"CASME2-coding-\*\.xlsx"):
        read(root)


def test_a_repeated_column_is_refused_with_its_name(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    path = root / "CASME2-coding-20190701.xlsx"
    book = load_workbook(path)
    book.worksheets[0]["G1"] = "OnsetFrame"
    book.save(path)
    with pytest.raises(DatasetError, match=r"column OnsetFrame .*twice"):
        read(root)


@pytest.mark.parametrize("extension", [".JPG", ".png", ".Jpeg"])
def test_frames_may_have_any_extension_of_an_image(write_casme2: WriteCasme2, extension: str) -> None:
    root = write_casme2([("01", "a", 1, 3, 5, 12, "happiness")])
    for frame in (root / "Cropped/sub01/a").iterdir():
        frame.rename(frame.with_suffix(extension))
    (clip,) = read(root).clips
    assert clip.frame(3) == f"casme2/Cropped/sub01/a/reg_img3{extension}"
    assert clip.numbers == (1, 2, 3, 4, 5)


def test_a_missing_folder_is_named_with_the_folders_beside_it(write_casme2: WriteCasme2) -> None:
    root = write_casme2([("01", "EP01_01", 98, 100, 102, 12, "happiness"), ("01", "EP02_01", 1, 2, 3, 12, "happiness")])
    shutil.rmtree(root / "Cropped" / "sub01" / "EP01_01")
    with pytest.raises(DatasetError, match=r"no folder .*sub01/EP01_01 .*sub01 has EP02_01\)"):
        read(root)


def test_a_sheet_with_a_header_only_is_said_to_have_no_rows(tmp_path: Path, write_casme2: WriteCasme2) -> None:
    (tmp_path / "casme2").mkdir()
    root = write_casme2([])
    with pytest.raises(DatasetError, match=r"CASME2-coding-\S+\.xlsx: the sheet has .* no rows"):
        read(root)
