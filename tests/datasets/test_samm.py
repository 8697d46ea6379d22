from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from fakes import touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.errors import DatasetError

HEADER = [
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Duration",
    "Micro",
    "Action Units",
    "Estimated Emotion",
    "Objective Classes",
    "Notes",
]
Row = tuple[str, str, int, int, int, str]
WriteSamm = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the empty folder of the release, in the root folder of the corpora."""
    path = tmp_path / "samm"
    path.mkdir()
    return path


@pytest.fixture
def write_samm(folder: Path) -> WriteSamm:
    """Return a function that writes SAMM: notes above the header, text subjects, a formula, and padded frames."""

    def write(rows: Sequence[Row], notes: int = 13, form: str = "{:04d}", variant: str = "SAMM") -> Path:
        book = Workbook()
        book.worksheets[0].title = "READ ME"
        sheet = book.create_sheet("MICRO_ONLY")
        for number in range(notes):
            sheet.append([f"Note {number}: Filename is subject, emotion and clip"])
        sheet.append(HEADER)
        for line, (subject, name, onset, apex, offset, emotion) in enumerate(rows, notes + 2):
            duration = f"=SUM(F{line}-D{line})+1"
            sheet.append([subject, name, 1, onset, apex, offset, duration, "Micro - 1/2", "12+15 ", emotion, 1, None])
            touch_frames(folder / variant / subject / name, f"{subject}_{form}.jpg", range(onset, offset + 1))
        book.save(folder / "SAMM_Micro_FACS_Codes_v2.xlsx")
        return folder

    return write


def read(root: Path, scheme: str = "samm-5") -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("samm",), root=str(root.parent), scheme=scheme))


@pytest.mark.parametrize("notes", [0, 1, 13])
def test_the_header_is_found_below_notes(write_samm: WriteSamm, notes: int) -> None:
    (clip,) = read(write_samm([("006", "006_1_2", 1000, 1004, 1010, "Anger")], notes=notes)).clips
    assert (clip.id, clip.label, clip.action_units) == ("samm/006/006_1_2", "anger", "12+15")
    assert (clip.onset, clip.apex, clip.offset, clip.fps) == (1000, 1004, 1010, 200.0)


@pytest.mark.parametrize(
    ("form", "first"),
    [("{:04d}", "006_0998.jpg"), ("{:05d}", "006_00998.jpg"), ("{}", "006_998.jpg")],
)
def test_frames_keep_their_zero_padding(write_samm: WriteSamm, form: str, first: str) -> None:
    (clip,) = read(write_samm([("006", "006_1_2", 998, 1000, 1003, "Anger")], form=form)).clips
    assert clip.frame(998) == f"samm/SAMM/006/006_1_2/{first}"
    assert clip.numbers == (998, 999, 1000, 1001, 1002, 1003)


def test_a_number_may_have_more_digits_than_the_padding(write_samm: WriteSamm) -> None:
    root = write_samm([("006", "006_1_2", 998, 10001, 10002, "Anger")])
    (clip,) = read(root).clips
    assert (root.parent / clip.frame(998)).exists()
    assert (root.parent / clip.frame(10002)).exists()


def test_subjects_are_padded_to_three_digits(write_samm: WriteSamm) -> None:
    root = write_samm([("006", "006_1_2", 1, 2, 4, "Anger")])
    book = Workbook()
    book.worksheets[0].append(HEADER)
    book.worksheets[0].append([6, "006_1_2", 1, 1, 2, 4, None, None, 12, "Anger", 1, None])
    book.save(root / "SAMM_Micro_FACS_Codes_v2.xlsx")
    assert [clip.subject for clip in read(root).clips] == ["006"]


def test_cropped_frames_are_preferred_to_whole_frames(write_samm: WriteSamm) -> None:
    row = ("006", "006_1_2", 1, 2, 4, "Anger")
    write_samm([row])
    (clip,) = read(write_samm([row], variant="SAMM_CROP")).clips
    assert clip.frames == "samm/SAMM_CROP/006/006_1_2/006_{:04d}.jpg"


def test_two_impossible_apexes_are_corrected_with_a_note(write_samm: WriteSamm) -> None:
    rows: list[Row] = [
        ("028", "028_4_1", 1090, 1143, 1134, "Other"),
        ("032", "032_3_1", 4896, 1930, 4970, "Anger"),
    ]
    first, second = read(write_samm(rows)).clips
    assert (first.apex, first.apex_source, second.apex, second.apex_source) == (1105, "annotated", 4945, "annotated")
    assert first.notes.startswith("apex 1143 corrected to 1105: ")
    assert "other public tables have 1124" in first.notes


def test_a_sheet_with_another_apex_stays_unchanged(write_samm: WriteSamm) -> None:
    (clip,) = read(write_samm([("028", "028_4_1", 1090, 1110, 1134, "Other")])).clips
    assert (clip.apex, clip.notes) == (1110, "")


def test_emotions_outside_the_scheme_are_left_out_and_counted(write_samm: WriteSamm) -> None:
    rows: list[Row] = [("006", "006_1_2", 1, 2, 4, "Other"), ("006", "006_1_3", 1, 2, 4, "Fear")]
    root = write_samm(rows)
    assert [(clip.label, clip.emotion) for clip in read(root).clips] == [("others", "others")]
    assert read(root).dropped == {"fear": 1}
    assert [clip.label for clip in read(root, "megc2019-3").clips] == ["negative"]
    assert read(root, "megc2019-3").dropped == {"others": 1}


def test_an_unknown_label_is_refused(write_samm: WriteSamm) -> None:
    with pytest.raises(DatasetError, match=r"samm/006/006_1_2: .*'joy'"):
        read(write_samm([("006", "006_1_2", 1, 2, 4, "Joy")]))


def test_an_annotation_without_frames_is_refused(write_samm: WriteSamm) -> None:
    root = write_samm([("006", "006_1_2", 1, 2, 4, "Anger")])
    for frame in (root / "SAMM/006/006_1_2").iterdir():
        frame.unlink()
    with pytest.raises(DatasetError, match=r"samm/006/006_1_2: .*006_<N>\.jpg"):
        read(root)


def test_a_folder_with_two_patterns_of_frame_names_is_refused(write_samm: WriteSamm) -> None:
    root = write_samm([("006", "006_1_2", 1, 2, 4, "Anger")])
    (root / "SAMM/006/006_1_2/007_0001.jpg").touch()
    with pytest.raises(DatasetError, match=r"006_1_2 .*006_<N>\.jpg .*007_<N>\.jpg"):
        read(root)


def test_a_sheet_without_the_header_is_refused(folder: Path) -> None:
    book = Workbook()
    book.worksheets[0].append(["notes only"])
    book.save(folder / "SAMM_Micro_FACS_Codes_v2.xlsx")
    with pytest.raises(DatasetError, match=r"SAMM_Micro_FACS_Codes_v2\.xlsx: .*'Filename'"):
        read(folder)


def test_a_sheet_without_a_column_is_refused(folder: Path) -> None:
    book = Workbook()
    book.worksheets[0].append([column for column in HEADER if column != "Apex Frame"])
    book.save(folder / "SAMM_Micro_FACS_Codes_v2.xlsx")
    with pytest.raises(DatasetError, match=r"SAMM_Micro_FACS_Codes_v2\.xlsx: .*Apex Frame .*Subject, Filename"):
        read(folder)


def test_the_file_name_of_the_later_release_is_found(write_samm: WriteSamm) -> None:
    root = write_samm([("006", "006_1_2", 1, 2, 4, "Anger")], notes=1)
    (root / "SAMM_Micro_FACS_Codes_v2.xlsx").rename(root / "SAMM_20181215_Micro_FACS_Codes_v2.xlsx")
    assert len(read(root).clips) == 1


def test_a_folder_without_the_sheet_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"SAMM: .*SAMM\*Micro_FACS_Codes_v\*\.xlsx .*params\.yaml"):
        read(folder)


def test_an_empty_folder_of_crops_does_not_hide_the_whole_frames(write_samm: WriteSamm) -> None:
    root = write_samm([("006", "006_1_2", 1000, 1004, 1010, "Anger")])
    (root / "SAMM_CROP").mkdir()
    (clip,) = read(root).clips
    assert (clip.frames, clip.cropped) == ("samm/SAMM/006/006_1_2/006_{}.jpg", False)


def test_frames_may_have_an_upper_case_extension(write_samm: WriteSamm) -> None:
    root = write_samm([("006", "006_1_2", 1000, 1004, 1010, "Anger")])
    for frame in (root / "SAMM/006/006_1_2").iterdir():
        frame.rename(frame.with_suffix(".JPG"))
    assert read(root).clips[0].frames == "samm/SAMM/006/006_1_2/006_{}.JPG"


def test_a_subject_may_be_a_number_with_decimals(write_samm: WriteSamm) -> None:
    release = write_samm([("006", "006_1_2", 1, 3, 5, "Anger")])
    book = load_workbook(release / "SAMM_Micro_FACS_Codes_v2.xlsx")
    book["MICRO_ONLY"].cell(book["MICRO_ONLY"].max_row, 1).value = "6.0"
    book.save(release / "SAMM_Micro_FACS_Codes_v2.xlsx")
    assert [clip.id for clip in read(release).clips] == ["samm/006/006_1_2"]


@pytest.mark.parametrize("name", ["006_1_2", "S006_1_2"])
def test_a_clip_of_another_subject_is_a_fault(write_samm: WriteSamm, name: str) -> None:
    with pytest.raises(DatasetError, match=rf"'007' .*{name}"):
        read(write_samm([("007", name, 1, 3, 5, "Anger")]))
