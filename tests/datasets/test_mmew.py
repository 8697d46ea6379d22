from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from fakes import touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.errors import DatasetError

HEADER = [
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
    "remarks",
]
Row = tuple[int | str, str, int, int, int, str]
WriteMmew = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the empty folder of the release, in the root folder of the corpora."""
    path = tmp_path / "mmew"
    path.mkdir()
    return path


@pytest.fixture
def write_mmew(folder: Path) -> WriteMmew:
    """Return a function that writes MMEW: the table, frames by emotion and clip, and macro-expressions."""

    def write(rows: Sequence[Row], table: str = "MMEW_Micro_Exp.xlsx") -> Path:
        book = Workbook()
        sheet = book.worksheets[0]
        sheet.append(HEADER)
        for subject, name, onset, apex, offset, emotion in rows:
            sheet.append([subject, name, onset, apex, offset, "4", emotion, None])
            frames = folder / "MMEW_Final/Micro_Expression" / emotion.lower() / name
            touch_frames(frames, "{}.jpg", range(1, offset + 1))
        touch_frames(folder / "MMEW_Final/Macro_Expression/S01/anger", "S01-07-{:03d}.jpg", range(1, 3))
        (folder / table).parent.mkdir(exist_ok=True)
        book.save(folder / table)
        return folder

    return write


def read(root: Path) -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("mmew",), root=str(root.parent), scheme="mmew-4"))


def test_the_subject_is_read_from_the_name_of_the_clip(write_mmew: WriteMmew) -> None:
    (clip,) = read(write_mmew([(13, "S13-07-001", 1, 8, 12, "Surprise")])).clips
    assert (clip.id, clip.label, clip.fps) == ("mmew/S13/S13-07-001", "surprise", 90.0)


def test_frames_are_numbered_from_1_without_padding(write_mmew: WriteMmew) -> None:
    (clip,) = read(write_mmew([(13, "S13-07-001", 1, 8, 12, "surprise")])).clips
    assert clip.numbers == tuple(range(1, 13))
    assert clip.frame(12) == "mmew/MMEW_Final/Micro_Expression/surprise/S13-07-001/12.jpg"


def test_a_clip_whose_frames_are_in_two_folders_is_a_fault(write_mmew: WriteMmew) -> None:
    folder = write_mmew([(13, "S13-07-001", 1, 8, 12, "Surprise")])
    touch_frames(folder / "MMEW_Final/Micro_Expression/zzz_backup/S13-07-001", "{}.jpg", range(1, 13))
    with pytest.raises(DatasetError, match=r"S13-07-001 are in several folders .*surprise, zzz_backup"):
        read(folder)


@pytest.mark.parametrize("table", ["MMEW_Micro_Exp_v2.xlsx", "MMEW_Final/MMEW_Micro_Exp.xlsx"])
def test_the_table_may_be_version_2_or_be_in_the_folder_of_the_frames(write_mmew: WriteMmew, table: str) -> None:
    assert len(read(write_mmew([(13, "S13-07-001", 1, 8, 12, "surprise")], table)).clips) == 1


def test_emotions_outside_the_scheme_are_left_out_and_counted(write_mmew: WriteMmew) -> None:
    listing = read(write_mmew([(1, "S01-07-001", 1, 2, 4, "others"), (1, "S01-02-001", 1, 2, 4, "fear")]))
    assert [clip.label for clip in listing.clips] == ["others"]
    assert listing.dropped == {"fear": 1}


def test_an_unknown_label_is_refused(write_mmew: WriteMmew) -> None:
    with pytest.raises(DatasetError, match=r"mmew/S01/S01-07-001: .*'repression'"):
        read(write_mmew([(1, "S01-07-001", 1, 2, 4, "repression")]))


def test_an_invalid_clip_name_is_refused(write_mmew: WriteMmew) -> None:
    with pytest.raises(DatasetError, match=r"row 2: 'clip1' "):
        read(write_mmew([(1, "clip1", 1, 2, 4, "others")]))


def test_missing_frames_are_refused(write_mmew: WriteMmew) -> None:
    root = write_mmew([(1, "S01-07-001", 1, 2, 4, "others")])
    for frame in (root / "MMEW_Final/Micro_Expression/others/S01-07-001").iterdir():
        frame.unlink()
    with pytest.raises(DatasetError, match=r"mmew/S01/S01-07-001: .*<N>\.jpg"):
        read(root)


def test_a_folder_without_the_table_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"MMEW: .*MMEW_Micro_Exp\*\.xlsx .*params\.yaml"):
        read(folder)


def test_a_clip_of_another_subject_is_a_fault(write_mmew: WriteMmew) -> None:
    with pytest.raises(DatasetError, match=r"row 2: .*'03' .*S13-07-001"):
        read(write_mmew([(3, "S13-07-001", 1, 8, 12, "surprise")]))


def test_one_subject_has_one_name(write_mmew: WriteMmew) -> None:
    rows: list[Row] = [
        ("S1", "S01-03-001", 1, 8, 12, "surprise"),
        ("1.0", "S1-03-002", 1, 8, 12, "disgust"),
        (1, "S001-03-003", 1, 8, 12, "others"),
    ]
    assert {clip.subject for clip in read(write_mmew(rows)).clips} == {"S01"}


def test_a_folder_of_another_emotion_than_that_of_the_table_is_a_fault(write_mmew: WriteMmew) -> None:
    folder = write_mmew([(13, "S13-07-001", 1, 8, 12, "Disgust")])
    frames = folder / "MMEW_Final/Micro_Expression"
    (frames / "disgust").rename(frames / "clips")  # it is no emotion
    assert len(read(folder).clips) == 1
    (frames / "clips").rename(frames / "Anger")  # an emotion that the scheme leaves out
    with pytest.raises(DatasetError, match=r"row 2: .*S13-07-001 is 'disgust'.*Anger"):
        read(folder)
