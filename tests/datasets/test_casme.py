from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from fakes import touch_frames
from microfacial.datasets import ClipsConfig, Listing, list_clips
from microfacial.datasets.validation import find_releases
from microfacial.errors import AbsentError, DatasetError

HEADER = ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "Onset", "Total", "AU", "Emotion"]
Row = tuple[int, str, int, int | str, int | str, int, str]
WriteCasme = Callable[..., Path]


@pytest.fixture
def write_casme(tmp_path: Path) -> WriteCasme:
    """Return a function that writes CASME: the table, and the frames of each clip."""

    def write(
        rows: Sequence[Row], form: str = "{}", variant: str = "Cropped", name: str = "CASME-coded-20190721.xlsx"
    ) -> Path:
        folder = tmp_path / "casme"
        book = Workbook()
        book.worksheets[0].append(HEADER)
        for subject, clip, onset, first, last, offset, emotion in rows:
            cells = [subject, clip, None, onset, first, last, offset, None, 150.0, 316.6, "4+7", emotion]
            book.worksheets[0].append(cells)
            prefix = "reg_" if variant == "Cropped" else ""
            place = folder / variant / f"sub{subject:02d}" / clip
            touch_frames(place, f"{prefix}{clip}-{form}.jpg", range(onset, offset + 1))
        book.save(folder / name)
        return folder

    return write


def read(root: Path) -> Listing:
    return list_clips(ClipsConfig(name="t", corpora=("casme",), root=str(root.parent), scheme="casme-4"))


@pytest.mark.parametrize(("form", "file"), [("{}", "reg_EP01_12-99.jpg"), ("{:03d}", "reg_EP01_12-099.jpg")])
def test_frame_numbers_may_be_padded(write_casme: WriteCasme, form: str, file: str) -> None:
    (clip,) = read(write_casme([(1, "EP01_12", 98, 100, 101, 103, "tense")], form)).clips
    assert clip.frame(99) == f"casme/Cropped/sub01/EP01_12/{file}"
    assert (clip.id, clip.numbers, clip.fps, clip.cropped) == ("casme/sub01/EP01_12", tuple(range(98, 104)), 60.0, True)


def test_the_apex_is_the_first_frame_of_the_apex_phase(write_casme: WriteCasme) -> None:
    rows: list[Row] = [(1, "EP01_5", 3, 5, "\\", 9, "disgust"), (12, "EP02_7", 3, "\\", "\\", 9, "surprise")]
    known, unknown = read(write_casme(rows)).clips
    assert (known.apex, known.apex_source) == (5, "annotated")
    assert (unknown.subject, unknown.apex, unknown.apex_source) == ("sub12", 6, "midpoint")


def test_raw_frames_are_read_if_there_are_no_crops(write_casme: WriteCasme) -> None:
    (clip,) = read(write_casme([(1, "EP01_5", 3, 5, 6, 9, "tense")], variant="CASME_raw_selected")).clips
    assert clip.frames == "casme/CASME_raw_selected/sub01/EP01_5/EP01_5-{}.jpg"
    assert not clip.cropped


def test_rare_emotions_are_no_classes_and_unknown_ones_are_refused(write_casme: WriteCasme) -> None:
    rows: list[Row] = [(1, f"EP01_{n}", 3, 5, 6, 9, word) for n, word in enumerate(["tense", "happiness", "fear"])]
    assert read(write_casme(rows)).dropped == {"happiness": 1, "fear": 1}
    with pytest.raises(DatasetError, match="'bored'"):
        read(write_casme([(1, "EP01_5", 3, 5, 6, 9, "bored")]))


def test_the_old_excel_file_of_the_release_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "CASME-coded-20190721.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    (found,) = find_releases(tmp_path)
    assert found.corpus == "casme"
    assert isinstance(found.release, DatasetError)
    assert not isinstance(found.release, AbsentError)
    assert all(text in str(found.release) for text in ("CASME-coded-20190721.xls", ".xlsx"))


@pytest.mark.parametrize("name", ["CASME-coded-20190721.xlsx", "codes.xlsx"])
def test_doctor_recognises_the_release_by_name_and_by_columns(write_casme: WriteCasme, name: str) -> None:
    root = write_casme([(1, "EP01_5", 3, 5, 6, 9, "tense")], name=name)
    assert [release.corpus for release in find_releases(root)] == ["casme"]
