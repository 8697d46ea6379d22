from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from fakes import touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.datasets.long_videos import list_annotated_events
from microfacial.errors import DatasetError

HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]
Row = tuple[str, str, int, int, int, str]
WriteCasme3 = Callable[[Sequence[Row]], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the empty folder of the release, in the root folder of the corpora."""
    path = tmp_path / "casme3"
    path.mkdir()
    return path


@pytest.fixture
def write_casme3(folder: Path) -> WriteCasme3:
    """Return a function that writes part A of CAS(ME)^3: the table, and colour and depth frames of whole videos."""

    def write(rows: Sequence[Row]) -> Path:
        book = Workbook()
        sheet = book.worksheets[0]
        sheet.title = "label"
        sheet.append(HEADER)
        for subject, video, onset, apex, offset, emotion in rows:
            sheet.append([subject, video, onset, apex, offset, "4+7", "VII", emotion])
            for kind, form in (("color", "{}.jpg"), ("depth", "{}.png")):
                touch_frames(folder / "part_A" / subject / video.lower() / kind, form, range(1, offset + 3))
        book.save(folder / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx")
        return folder

    return write


def read(root: Path, scheme: str = "casme3-4", **settings: object) -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("casme3",), root=str(root.parent), scheme=scheme, **settings))  # type: ignore[arg-type]


def test_clips_of_one_video_are_named_after_their_onset(write_casme3: WriteCasme3) -> None:
    root = write_casme3([("spNO.1", "a", 3, 5, 9, "happy"), ("spNO.1", "a", 98, 100, 102, "sad")])
    first, second = read(root).clips
    assert (first.id, second.id) == ("casme3/spNO.1/a_3", "casme3/spNO.1/a_98")
    assert (first.label, second.label) == ("positive", "negative")


def test_a_clip_has_the_unpadded_frames_from_onset_to_offset(write_casme3: WriteCasme3) -> None:
    (clip,) = read(write_casme3([("spNO.1", "a", 98, 100, 102, "happy")])).clips
    assert clip.numbers == (98, 99, 100, 101, 102)
    assert clip.frame(100) == "casme3/part_A/spNO.1/a/color/100.jpg"
    assert (clip.action_units, clip.fps) == ("4+7", 30.0)


def test_a_video_is_found_in_upper_and_lower_case(write_casme3: WriteCasme3) -> None:
    root = write_casme3([("spNO.1", "J", 1, 2, 4, "happy"), ("spNO.1", "j", 7, 8, 9, "happy")])
    assert [clip.id for clip in read(root).clips] == ["casme3/spNO.1/j_1", "casme3/spNO.1/j_7"]
    (root / "part_A/spNO.1/j").rename(root / "part_A/spNO.1/J")
    assert {clip.frames for clip in read(root).clips} == {"casme3/part_A/spNO.1/J/color/{}.jpg"}


def test_an_apex_on_the_onset_becomes_the_midpoint(write_casme3: WriteCasme3) -> None:
    (clip,) = read(write_casme3([("spNO.1", "a", 10, 10, 16, "happy")])).clips
    assert (clip.apex, clip.apex_source) == (13, "midpoint")


def test_a_missing_offset_is_refused_unless_the_clip_is_excluded(write_casme3: WriteCasme3) -> None:
    root = write_casme3([("spNO.40", "e", 5, 7, 0, "happy"), ("spNO.40", "e", 20, 22, 25, "happy")])
    with pytest.raises(DatasetError, match=r"casme3/spNO\.40/e_5: offset 0 .*onset 5"):
        read(root)
    assert [clip.name for clip in read(root, exclude=("casme3/spNO.40/e_5",)).clips] == ["e_20"]


def test_both_spellings_of_others_are_one_emotion(write_casme3: WriteCasme3) -> None:
    root = write_casme3(
        [("spNO.1", "a", 1, 2, 4, "others"), ("spNO.1", "a", 5, 6, 8, "Others"), ("spNO.1", "b", 1, 2, 4, "happy")]
    )
    assert [clip.label for clip in read(root).clips] == ["others", "others", "positive"]
    assert read(root, "casme3-3").dropped == {"others": 2}


def test_a_clip_that_is_annotated_twice_is_refused(write_casme3: WriteCasme3) -> None:
    with pytest.raises(DatasetError, match=r"casme3/spNO\.1/a_1 .*twice"):
        read(write_casme3([("spNO.1", "a", 1, 2, 4, "happy")] * 2))


def test_an_unknown_label_is_refused(write_casme3: WriteCasme3) -> None:
    with pytest.raises(DatasetError, match=r"casme3/spNO\.1/a_1: .*'happiness'"):
        read(write_casme3([("spNO.1", "a", 1, 2, 4, "happiness")]))


def test_missing_frames_are_refused(write_casme3: WriteCasme3) -> None:
    root = write_casme3([("spNO.1", "a", 1, 2, 4, "happy")])
    for frame in (root / "part_A/spNO.1/a/color").iterdir():
        frame.unlink()
    with pytest.raises(DatasetError, match=r"casme3/spNO\.1/a_1: .*/a/color .*<N>\.jpg"):
        read(root)


def test_a_folder_without_the_table_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"CAS\(ME\)\^3: .*params\.yaml"):
        read(folder)


def test_the_second_clip_with_the_same_onset_is_named_after_its_offset_too(write_casme3: WriteCasme3) -> None:
    root = write_casme3([("spNO.1", "A", 120, 125, 130, "happy"), ("spNO.1", "a", 120, 125, 135, "sad")])
    first, second = read(root).clips
    assert (first.name, second.name) == ("a_120", "a_120_135")
    assert first.frames == second.frames == "casme3/part_A/spNO.1/a/color/{}.jpg"


def test_films_of_several_subjects_are_several_videos(write_casme3: WriteCasme3) -> None:
    folder = write_casme3([("spNO.1", "a", 3, 5, 9, "happy"), ("spNO.2", "a", 3, 5, 9, "sad")])
    videos = [event.video for event in list_annotated_events("casme3", folder)]
    assert videos == ["part_A/spNO.1/a/color", "part_A/spNO.2/a/color"]


@pytest.mark.parametrize("scheme", [None, "casme3-4"])
def test_the_truth_for_spotting_is_corrected(write_casme3: WriteCasme3, scheme: str | None) -> None:
    folder = write_casme3([("spNO.40", "e", 1812, 1830, 0, "happy")])
    (event,) = list_annotated_events("casme3", folder, scheme)
    assert (event.onset, event.apex, event.offset) == (1812, 1830, 1845)


def test_rows_that_repeat_others_or_end_before_they_start_are_left_out(
    write_casme3: WriteCasme3, caplog: pytest.LogCaptureFixture
) -> None:
    row = ("spNO.1", "a", 3, 5, 9, "happy")
    folder = write_casme3([row, row, ("spNO.1", "a", 30, 31, 12, "happy")])
    assert len(list_annotated_events("casme3", folder)) == 1
    assert "2 rows" in caplog.text


def test_two_folders_of_one_video_are_a_fault(write_casme3: WriteCasme3) -> None:
    root = write_casme3([("spNO.1", "a", 3, 5, 9, "happy")])
    place = root / "part_A/spNO.1"
    touch_frames(place / "A/color", "{}.jpg", range(1, 12))
    if (place / "a").samefile(place / "A"):
        pytest.skip("the file system does not distinguish upper and lower case")
    with pytest.raises(DatasetError, match=r"row 2: .*spNO\.1 .*A and a"):
        read(root)
