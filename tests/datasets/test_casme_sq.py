from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from fakes import touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.datasets.annotations import Annotation, FaultyRow
from microfacial.datasets.casme_sq import open_casme_sq
from microfacial.datasets.clips import find_video
from microfacial.datasets.long_videos import list_annotated_events
from microfacial.datasets.validation import find_releases
from microfacial.errors import DatasetError

VIDEO = "rawpic/s15/15_0401girlcrashing"
Row = Sequence[Any]
WriteCasmeSq = Callable[..., Path]
MICRO = "micro-expression"
SUBJECTS = ((15, "s15", 1), (23, "s23", 7))
VIDEOS = (("0401", "anger1"), (502, "happy1"))  # a code may be a number, which has lost its zero


@pytest.fixture
def write_casme_sq(tmp_path: Path) -> WriteCasmeSq:
    """Return a function that writes CAS(ME)^2: a table without a header, two sheets with codes, and frames."""

    def write(
        rows: Sequence[Row],
        video: str = "s15/15_0401girlcrashing",
        name: str = "CAS(ME)^2code_final(Updated).xlsx",
        codes: Sequence[Sequence[Row]] = (SUBJECTS, VIDEOS),
        form: str = "img{}.jpg",
    ) -> Path:
        folder = tmp_path / "casme_sq"
        book = Workbook()
        for row in rows:
            book.worksheets[0].append(list(row))
        for number, sheet in enumerate(codes):
            page = book.create_sheet(f"codes {number}")
            for cells in sheet:
                page.append(list(cells))
        touch_frames(folder / "rawpic" / video, form, range(1, 30))
        book.save(folder / name)
        return folder

    return write


def read(root: Path, scheme: str = "casme_sq-4") -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("casme_sq",), root=str(root.parent), scheme=scheme))


def row(subject: int = 1, video: str = "anger1_2", offset: int = 12, kind: str = MICRO, emotion: str = "others") -> Row:
    return [subject, video, 5, 9, offset, "4+7", emotion, kind, "anger"]


def test_the_codes_lead_to_the_folder_of_the_video(write_casme_sq: WriteCasmeSq) -> None:
    (clip,) = read(write_casme_sq([row()])).clips
    assert clip.id == "casme_sq/s15/anger1_2"
    assert clip.frame(9) == "casme_sq/rawpic/s15/15_0401girlcrashing/img9.jpg"
    assert (clip.onset, clip.apex, clip.offset, clip.fps) == (5, 9, 12, 30.0)
    assert (clip.action_units, clip.emotion, clip.label) == ("4+7", "others", "others")


def test_frame_numbers_may_be_padded(write_casme_sq: WriteCasmeSq) -> None:
    (clip,) = read(write_casme_sq([row()], form="img{:03d}.jpg")).clips
    assert clip.frame(9) == "casme_sq/rawpic/s15/15_0401girlcrashing/img009.jpg"


def test_a_video_may_lie_in_the_folder_of_another_subject(write_casme_sq: WriteCasmeSq) -> None:
    root = write_casme_sq([row(7, "happy1_1")], video="s19/23_0502funnyerrors")
    (clip,) = read(root).clips
    assert (clip.subject, clip.frames) == ("s23", "casme_sq/rawpic/s19/23_0502funnyerrors/img{}.jpg")
    touch_frames(root / "rawpic/s23/23_0502funnyerrors", "img{}.jpg", range(1, 30))
    assert read(root).clips[0].frames == "casme_sq/rawpic/s23/23_0502funnyerrors/img{}.jpg"


def test_an_offset_that_was_not_seen_becomes_the_apex(write_casme_sq: WriteCasmeSq) -> None:
    (clip,) = read(write_casme_sq([row(offset=0)])).clips
    assert (clip.apex, clip.offset, clip.apex_source) == (9, 9, "annotated")
    assert "the table gives no offset, took the apex 9" in clip.notes


def test_macro_expressions_are_left_out_and_other_types_are_refused(write_casme_sq: WriteCasmeSq) -> None:
    macro = row(video="anger1_1", kind="macro-expression")
    assert read(write_casme_sq([row(), macro])).dropped == {"macro-expression": 1}
    (faulty,) = open_casme_sq(write_casme_sq([row(kind="blink")])).rows
    assert isinstance(faulty, FaultyRow)
    assert "row 1" in faulty.reason
    assert "'blink'" in faulty.reason


@pytest.mark.parametrize(("subject", "video", "unknown"), [(99, "anger1_2", "'99'"), (1, "joy1_2", "'joy1'")])
def test_a_subject_or_video_without_a_code_is_a_faulty_row(
    write_casme_sq: WriteCasmeSq, subject: int, video: str, unknown: str
) -> None:
    (faulty,) = open_casme_sq(write_casme_sq([row(subject, video)])).rows
    assert isinstance(faulty, FaultyRow)
    assert unknown in faulty.reason


def test_a_table_without_the_sheets_of_codes_is_refused(write_casme_sq: WriteCasmeSq) -> None:
    root = write_casme_sq([row()], codes=(SUBJECTS,))
    with pytest.raises(DatasetError, match=r"code_final\(Updated\)\.xlsx: has 2 of three sheets"):
        open_casme_sq(root)


@pytest.mark.parametrize("folder", ["../../outside", "/outside", ""])
def test_a_code_that_leads_outside_is_refused(write_casme_sq: WriteCasmeSq, folder: str) -> None:
    root = write_casme_sq([row()], codes=(((15, folder, 1),), VIDEOS))
    with pytest.raises(DatasetError, match="sheet 2"):
        open_casme_sq(root)


def test_others_are_no_class_in_three_classes(write_casme_sq: WriteCasmeSq) -> None:
    rows = [row(video=f"anger1_{n}", emotion=word) for n, word in enumerate(["negative", "positive", "others"])]
    listing = read(write_casme_sq(rows), "casme_sq-3")
    assert [clip.label for clip in listing.clips] == ["negative", "positive"]
    assert listing.dropped == {"others": 1}


@pytest.mark.parametrize("name", ["CAS(ME)^2code_final.xlsx", "code_final.xlsx", "labels.xlsx"])
def test_doctor_recognises_the_release_by_name_and_by_clip_names(write_casme_sq: WriteCasmeSq, name: str) -> None:
    assert [release.corpus for release in find_releases(write_casme_sq([row()], name=name))] == ["casme_sq"]


def test_a_formula_without_a_value_is_no_blank_apex(write_casme_sq: WriteCasmeSq) -> None:
    subject, video, onset, _, *others = row()
    (faulty,) = open_casme_sq(write_casme_sq([[subject, video, onset, "=4+5", *others]])).rows
    assert isinstance(faulty, FaultyRow)
    assert "'=4+5'" in faulty.reason


def test_a_video_replaces_the_folder_of_frames_and_other_files_do_not(write_casme_sq: WriteCasmeSq) -> None:
    root = write_casme_sq([row()], video="s23/23_0502funnyerrors")
    (root / "rawpic/s15").mkdir()
    for name in ("15_0401girlcrashing.zip", "15_0401girlcrashing.avi"):
        (root / "rawpic/s15" / name).touch()
    (annotation,) = open_casme_sq(root).rows
    assert isinstance(annotation, Annotation)
    assert find_video(root / VIDEO) == root / "rawpic/s15/15_0401girlcrashing.avi"
    with pytest.raises(DatasetError, match=r"15_0401girlcrashing\.avi"):  # it is no video, but it is read as one
        read(root)


def test_both_kinds_of_expressions_are_the_truth_for_spotting(write_casme_sq: WriteCasmeSq) -> None:
    folder = write_casme_sq([row(), row(video="anger1_3", offset=0, kind="macro-expression")])
    micro, macro = list_annotated_events("casme_sq", folder)
    assert (micro.video, micro.kind, micro.label, micro.person) == (VIDEO, "micro", "others", "s15")
    assert (macro.video, macro.kind, macro.onset, macro.offset) == (VIDEO, "macro", 5, 9)


@pytest.mark.parametrize(
    ("codes", "values"),
    [
        (((*SUBJECTS, (19, "s19", 1)), VIDEOS), ("sheet 2", "s15", "s19")),
        (((*SUBJECTS, (15, "s15", 9)), VIDEOS), ("sheet 2", "s15", "9")),
        ((SUBJECTS, (*VIDEOS, ("0502", "anger1"))), ("sheet 3", "0401", "0502")),
    ],
)
def test_a_code_with_two_meanings_is_refused(
    write_casme_sq: WriteCasmeSq, codes: Sequence[Sequence[Row]], values: tuple[str, ...]
) -> None:
    with pytest.raises(DatasetError) as caught:
        open_casme_sq(write_casme_sq([row()], codes=codes))
    assert all(value in str(caught.value) for value in values)


def test_the_same_code_may_be_listed_twice(write_casme_sq: WriteCasmeSq) -> None:
    codes = ((*SUBJECTS, SUBJECTS[0]), (*VIDEOS, VIDEOS[0], ("0999", ""), ("", "a"), ("", "b"), ("0401", "Anger1")))
    assert len(read(write_casme_sq([row()], codes=codes)).clips) == 1


def test_the_extension_of_a_video_may_be_in_upper_case(write_casme_sq: WriteCasmeSq) -> None:
    root = write_casme_sq([row()], video="s15/15_0502other")
    (root / "rawpic/s15/15_0401girlcrashing.AVI").touch()
    assert find_video(root / VIDEO) == root / "rawpic/s15/15_0401girlcrashing.AVI"


@pytest.mark.parametrize("place", ["s15", "s19"])
def test_two_folders_of_one_video_are_a_fault(write_casme_sq: WriteCasmeSq, place: str) -> None:
    root = write_casme_sq([row()], video=f"{place}/15_0401girlcrashing")
    write_casme_sq([row()], video=f"{place}/15_0401 copy")
    with pytest.raises(DatasetError, match=rf"row 1: .*{place}/15_0401 copy .*{place}/15_0401girlcrashing"):
        read(root)


def test_a_video_beside_its_folder_of_frames_is_no_second_folder(write_casme_sq: WriteCasmeSq) -> None:
    root = write_casme_sq([row()])
    (root / f"{VIDEO}.avi").touch()
    assert read(root).clips[0].frames == f"casme_sq/{VIDEO}/img{{}}.jpg"


def test_a_hidden_sheet_before_the_others_is_not_read(write_casme_sq: WriteCasmeSq) -> None:
    root = write_casme_sq([row()])
    (table,) = root.glob("*.xlsx")
    book = load_workbook(table)
    old = book.create_sheet("old", 0)
    old.append(list(row(offset=11)))
    old.sheet_state = book.worksheets[2].sheet_state = "hidden"
    book.active = 1
    book.save(table)
    assert [clip.offset for clip in read(root).clips] == [12]
