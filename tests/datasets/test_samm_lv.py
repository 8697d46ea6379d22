from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from fakes import touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.datasets.annotations import FaultyRow
from microfacial.datasets.long_videos import list_annotated_events
from microfacial.datasets.samm_lv import open_samm_lv
from microfacial.datasets.validation import find_releases
from microfacial.errors import AbsentError, DatasetError

HEADER = ["Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type", "Action Units"]
SAMM = ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion"]
MICRO = "Micro - 1/2"
VIDEO = "SAMM_longvideos/006_1"
Row = tuple[str, float, float, float, str]
WriteSammLv = Callable[..., Path]


@pytest.fixture
def write_samm_lv(tmp_path: Path) -> WriteSammLv:
    """Return a function that writes SAMM Long Videos: their table, the sheet of SAMM, and the frames of the videos."""

    def write(
        rows: Sequence[Row],
        emotions: Sequence[tuple[str, str]] = (("006_1_2", "Anger"),),
        form: str = "{:04d}",
        name: str = "SAMM_LongVideos_V3_Release.xlsx",
        subject: str = "",
    ) -> Path:
        folder = tmp_path / "samm"
        book = Workbook()
        sheet = book.worksheets[0]
        sheet.title = "FACS_Movement_Only"
        for _ in range(9):
            sheet.append(["a note"])
        sheet.append(HEADER)
        for clip, onset, apex, offset, kind in rows:
            sheet.append([subject or clip[:3], clip, 1, onset, apex, offset, None, kind, "12+15"])
            touch_frames(folder / "SAMM_longvideos" / clip[:5], f"{clip[:5]}_{form}.jpg", range(1, 40))
        book.save(folder / name)
        if emotions:
            book = Workbook()
            book.worksheets[0].append(SAMM)
            for clip, emotion in emotions:
                book.worksheets[0].append([clip[:3], clip, 1, 3, 5, "4", emotion])
            book.save(folder / "SAMM_Micro_FACS_Codes_v2.xlsx")
        return folder

    return write


def read(root: Path) -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("samm_lv",), root=str(root.parent), scheme="samm-5"))


def test_a_clip_of_another_subject_than_in_the_sheet_of_samm_is_a_fault(write_samm_lv: WriteSammLv) -> None:
    (row,) = open_samm_lv(write_samm_lv([("006_1_2", 12, 15, 20, MICRO)], subject="007")).rows
    assert isinstance(row, FaultyRow)
    assert all(subject in row.reason for subject in ("007", "006"))


@pytest.mark.parametrize(("form", "file"), [("{:04d}", "006_1_0012.jpg"), ("{:05d}", "006_1_00012.jpg")])
def test_a_clip_lies_in_its_long_video_and_has_the_emotion_of_samm(
    write_samm_lv: WriteSammLv, form: str, file: str
) -> None:
    (clip,) = read(write_samm_lv([("006_1_2", 9.0, 12.0, 20.0, MICRO)], form=form)).clips
    assert clip.id == "samm/006/006_1_2"
    assert clip.frame(12) == f"samm/SAMM_longvideos/006_1/{file}"
    assert (clip.numbers, clip.apex, clip.fps) == (tuple(range(9, 21)), 12, 200.0)
    assert (clip.emotion, clip.label, clip.action_units) == ("anger", "anger", "12+15")


def test_macro_expressions_are_left_out_and_other_types_are_refused(write_samm_lv: WriteSammLv) -> None:
    root = write_samm_lv([("006_1_2", 9, 12, 20, MICRO), ("006_1_3", 0, 12, 38, "Macro")])
    assert read(root).dropped == {"macro-expression": 1}
    (row,) = open_samm_lv(write_samm_lv([("006_1_2", 9, 12, 20, "blink")])).rows
    assert isinstance(row, FaultyRow)
    assert "row 11: type 'blink'" in row.reason


@pytest.mark.parametrize(
    ("row", "reason"), [(("006_1_7", 9, 12, 20, MICRO), "006_1_7"), (("006_1_2", 9.5, 12, 20, MICRO), "Onset is '9.5'")]
)
def test_a_row_without_an_emotion_or_with_a_fraction_is_faulty(
    write_samm_lv: WriteSammLv, row: Row, reason: str
) -> None:
    (faulty,) = open_samm_lv(write_samm_lv([row])).rows
    assert isinstance(faulty, FaultyRow)
    assert "row 11: " in faulty.reason
    assert reason in faulty.reason


def test_the_sheet_of_samm_is_required(write_samm_lv: WriteSammLv) -> None:
    with pytest.raises(DatasetError, match=r"SAMM_LongVideos_V3_Release\.xlsx: .*SAMM\*Micro_FACS_Codes") as caught:
        open_samm_lv(write_samm_lv([("006_1_2", 9, 12, 20, MICRO)], emotions=()))
    assert not isinstance(caught.value, AbsentError)


@pytest.mark.parametrize("name", ["SAMM_LongVideos_V1_Release.xlsx", "labels.xlsx"])
def test_doctor_recognises_the_release_and_finds_no_short_clips(write_samm_lv: WriteSammLv, name: str) -> None:
    root = write_samm_lv([("006_1_2", 9, 12, 20, MICRO)], name=name)
    assert [release.corpus for release in find_releases(root)] == ["samm_lv"]
    assert [release.corpus for release in find_releases(root.parent)] == ["samm_lv"]
    touch_frames(root / "SAMM/006/006_1_2", "006_{:04d}.jpg", range(1, 6))
    assert [release.corpus for release in find_releases(root)] == ["samm", "samm_lv"]


def test_the_latest_version_is_read(write_samm_lv: WriteSammLv) -> None:
    write_samm_lv([("006_1_2", 9, 12, 20, MICRO)])
    root = write_samm_lv([("006_1_2", 9, 13, 20, MICRO)], name="SAMM_LongVideos_V10_Release.xlsx")
    assert read(root).clips[0].apex == 13


def test_both_kinds_of_expressions_are_the_truth_for_spotting(write_samm_lv: WriteSammLv) -> None:
    folder = write_samm_lv(
        [("006_1_2", 3, 5, 9, MICRO), ("006_1_9", 2, 4, 30, "Macro"), ("006_1_8", 1, 0.5, 2, "Macro")]
    )
    micro, macro = list_annotated_events("samm_lv", folder, "samm-5")
    assert (micro.video, micro.kind, micro.label, micro.onset, micro.offset) == (VIDEO, "micro", "anger", 3, 9)
    assert (macro.video, macro.kind, macro.label, macro.onset, macro.offset) == (VIDEO, "macro", "", 2, 30)


def test_two_emotions_of_one_clip_are_a_fault(write_samm_lv: WriteSammLv) -> None:
    emotions = [("006_1_2", "Anger"), ("006_1_2", "Happiness"), ("006_1_3", "Anger"), ("006_1_3", "Anger")]
    rows = [("006_1_2", 12, 15, 20, MICRO), ("006_1_3", 22, 25, 30, MICRO)]
    faulty, sound = open_samm_lv(write_samm_lv(rows, emotions)).rows
    assert isinstance(faulty, FaultyRow)
    assert all(emotion in faulty.reason for emotion in ("anger", "happiness"))
    assert not isinstance(sound, FaultyRow)
