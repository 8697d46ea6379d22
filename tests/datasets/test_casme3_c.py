from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from fakes import touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.datasets.action_units import ActionUnit, parse_action_units
from microfacial.datasets.validation import find_releases

Row = tuple[int, int, int, int, str, str]
WriteCasme3C = Callable[..., Path]


@pytest.fixture
def write_casme3_c(tmp_path: Path) -> WriteCasme3C:
    """Return a function that writes part C of CAS(ME)^3: the table, and the frames of whole videos."""

    def write(rows: Sequence[Row], place: str = "part_C/{:02d}/a", name: str = "CAS(ME)3_part_C_ME.xlsx") -> Path:
        folder = tmp_path / "casme3"
        book = Workbook()
        book.worksheets[0].append(["sub", "count", "onset", "offset", "au", "emotion"])
        for cells in rows:
            book.worksheets[0].append(cells)
            for kind, form in (("color", "{}.jpg"), ("depth", "{}.png")):
                touch_frames(folder / place.format(cells[0]) / kind, form, range(1, 120))
        book.save(folder / name)
        return folder

    return write


def read(root: Path) -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("casme3_c",), root=str(root.parent), scheme="casme3-4"))


def test_a_clip_has_the_midpoint_and_the_unpadded_colour_frames(write_casme3_c: WriteCasme3C) -> None:
    (clip,) = read(write_casme3_c([(1, 3, 98, 102, "4", "negative")])).clips
    assert clip.id == "casme3/01/3"
    assert clip.frame(100) == "casme3/part_C/01/a/color/100.jpg"
    assert (clip.numbers, clip.apex, clip.apex_source) == ((98, 99, 100, 101, 102), 100, "midpoint")


@pytest.mark.parametrize(
    ("place", "folder"), [("part_C/part_C/{:02d}/a", "part_C/part_C/12/a"), ("part_C/{:02d}/video", "part_C/12/video")]
)
def test_nested_folders_and_other_names_of_the_video_are_read(
    write_casme3_c: WriteCasme3C, place: str, folder: str
) -> None:
    (clip,) = read(write_casme3_c([(12, 1, 9, 20, "4", "positive")], place)).clips
    assert clip.frames == f"casme3/{folder}/color/{{}}.jpg"


@pytest.mark.parametrize("units", ["4,7", "4\uff0c7"])
def test_commas_join_action_units(write_casme3_c: WriteCasme3C, units: str) -> None:
    (clip,) = read(write_casme3_c([(1, 1, 9, 20, units, "others")])).clips
    assert parse_action_units(clip.action_units) == (ActionUnit(number=4), ActionUnit(number=7))


@pytest.mark.parametrize("name", ["cas(me)3_part_c_me_v2.xlsx", "crime.xlsx"])
def test_doctor_recognises_the_release_by_name_and_by_columns(write_casme3_c: WriteCasme3C, name: str) -> None:
    root = write_casme3_c([(1, 1, 9, 20, "4", "others")], name=name)
    assert [release.corpus for release in find_releases(root)] == ["casme3_c"]
    assert [release.corpus for release in find_releases(root.parent)] == ["casme3_c"]


def test_part_a_beside_it_is_another_release(write_casme3_c: WriteCasme3C) -> None:
    root = write_casme3_c([(1, 1, 9, 20, "4", "others")])
    book = Workbook()
    book.worksheets[0].title = "label"
    book.worksheets[0].append(["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion"])
    book.worksheets[0].append(["spNO.1", "a", 3, 5, 9, "4", "happy"])
    book.save(root / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx")
    touch_frames(root / "part_A/spNO.1/a/color", "{}.jpg", range(1, 12))
    config = ClipsConfig(name="t", corpora=("casme3", "casme3_c"), root=str(root.parent), scheme="casme3-4")
    assert [clip.id for clip in list_clips(config).clips] == ["casme3/01/1", "casme3/spNO.1/a_3"]
    assert [release.corpus for release in find_releases(root)] == ["casme3", "casme3_c"]
