"""Any content of an annotation table gives rows, faults as rows, or one error of the project, and nothing else."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from fakes import touch_frames
from microfacial.datasets import DATASETS, CorpusName
from microfacial.datasets.annotations import Annotation, FaultyRow, Release, SkippedRow
from microfacial.datasets.validation import check_release
from microfacial.errors import DatasetError
from microfacial.records import Clip

SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TABLES: dict[CorpusName, tuple[str, list[str], list[Any]]] = {  # name, header and a good row
    "casme": (
        "CASME-coded-2019.xlsx",
        ["Subject", "Filename", "OnsetF", "ApexF1", "ApexF2", "OffsetF", "AU", "Emotion"],
        [1, "EP01_5", 1, 3, "\\", 5, "4+7", "tense"],
    ),
    "casme2": (
        "CASME2-coding-2019.xlsx",
        ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"],
        ["01", "EP02_01f", 1, 3, 5, "4+7", "disgust"],
    ),
    "samm": (
        "SAMM_Micro_FACS_Codes_v2.xlsx",
        ["Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion"],
        ["006", "006_1_2", 1, 3, 5, "A/L12", "Anger"],
    ),
    "casme3": (
        "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion"],
        ["spNO.1", "a", 1, 3, 5, "AD31", "sad"],
    ),
    "casme3_c": (
        "CAS(ME)3_part_C_ME.xlsx",
        ["sub", "count", "onset", "offset", "au", "emotion"],
        [1, 2, 1, 5, "4,7", "negative"],
    ),
    "4dme": (
        "4DME_Labelling_Micro_release v1.xlsx",
        ["sub_ID", "fold_name", "Emotion", "Onset", "Apex", "Offset", "AUs"],
        ["S13", "S13_1st_001", "Surprise+Positive", 1, 3, 5, "AU4(k)+L7"],
    ),
    "dfme": (
        "training_full_with_AU.xlsx",
        ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Emotion", "EmotionId", "Fps", "AU"],
        ["sub0001", "sub0001_01", 1, 3, 5, "fear", 3, 500, "M58"],
    ),
    "mmew": (
        "MMEW_Micro_Exp.xlsx",
        ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion"],
        [13, "S13-07-001", 1, 3, 5, "M58", "fear"],
    ),
    "smic_e_hs": (
        "SMIC-HS-E_annotation_2019.xlsx",
        ["Subject", "Filename", "OnsetF", "ApexF", "OffsetF", "FirstF", "Emotion"],
        [1, "s1_ne_01", 1, 3, 5, 1, "negative"],
    ),
}
FRAMES = {
    "casme": "Cropped/sub01/EP01_5/reg_EP01_5-{}.jpg",
    "casme2": "Cropped/sub01/EP02_01f/reg_img{}.jpg",
    "samm": "SAMM/006/006_1_2/006_{:04d}.jpg",
    "casme3": "part_A/spNO.1/a/color/{}.jpg",
    "casme3_c": "part_C/01/a/color/{}.jpg",
    "4dme": "gray_micro/S13/S13_1st_001/Frame_{:09d}.jpg",
    "dfme": "train_data/sub0001_01/{:05d}.png",
    "mmew": "MMEW_Final/Micro_Expression/fear/S13-07-001/{}.jpg",
    "smic_e_hs": "HS_long/SMIC-HS-E/s01/s1_ne_01/image{:06d}.jpg",
}

text = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=12)
junk = st.one_of(
    st.none(),
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.booleans(),
    st.datetimes(),
    text,
    st.sampled_from(
        ["..", "../../x", "/etc", "a\\b", "C:", "1_000", "nan", "0x10", "１２", "{}", "/", "12.0", "#N/A", "=1/0"]
    ),
)


def write(folder: Path, corpus: CorpusName, rows: Sequence[Sequence[Any]], header: Sequence[Any]) -> bytes:
    write_book(folder / TABLES[corpus][0], {"Sheet": [header, *rows]})
    return (folder / TABLES[corpus][0]).read_bytes()


def write_book(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for cells in rows:
            sheet.append(list(cells))
    book.save(path)


def read(folder: Path, corpus: CorpusName, tables: Sequence[str] = ()) -> Release | DatasetError:
    """Return the release after a check of all of its rows, or the error that refuses it in one line."""
    outcome = open_or_refuse(folder, corpus)
    if isinstance(outcome, DatasetError):
        assert len(str(outcome).splitlines()) == 1
        assert any(name in str(outcome) for name in tables or [TABLES[corpus][0]])
        return outcome
    assert all(isinstance(row, Annotation | FaultyRow | SkippedRow) for row in outcome.rows)
    for row in check_release(outcome, 3, _read_nothing):
        assert all(len(remark.text.splitlines()) == 1 for remark in row.remarks)
        if row.clip is not None:
            assert 0 <= row.clip.onset < row.clip.apex <= row.clip.offset
            assert ".." not in Path(row.clip.frames).parts
    return outcome


def open_or_refuse(folder: Path, corpus: CorpusName) -> Release | DatasetError:
    try:
        return DATASETS[corpus].open_release(folder)
    except DatasetError as error:
        return error


def _read_nothing(clip: Clip) -> None:
    """Accept the frames of any clip."""


@pytest.fixture(params=TABLES)
def release(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[CorpusName, Path]:
    """A corpus and a folder with the frames of its good row."""
    pattern = tmp_path / FRAMES[request.param]
    touch_frames(pattern.parent, pattern.name, range(1, 6))
    return request.param, tmp_path


def test_the_good_row_gives_a_clip(release: tuple[CorpusName, Path]) -> None:
    corpus, folder = release
    _, header, row = TABLES[corpus]
    write(folder, corpus, [row], header)
    opened = read(folder, corpus)
    assert isinstance(opened, Release)
    (checked,) = check_release(opened, 3, _read_nothing)
    assert checked.clip is not None
    assert (checked.clip.onset, checked.clip.apex, checked.clip.offset) == (1, 3, 5)


@pytest.mark.slow
@given(data=st.data())
@SETTINGS
def test_any_cells_give_rows_and_faults(release: tuple[CorpusName, Path], data: st.DataObject) -> None:
    corpus, folder = release
    _, header, row = TABLES[corpus]
    cells = st.tuples(*(st.one_of(st.just(cell), junk) for cell in row))
    rows = data.draw(st.lists(cells, max_size=4))
    write(folder, corpus, rows, header)
    outcome = read(folder, corpus)
    assert isinstance(outcome, Release) or "no rows" in str(outcome)  # nothing below the header, or only empty cells


@pytest.mark.slow
@given(data=st.data())
@SETTINGS
def test_any_header_gives_rows_or_one_error(release: tuple[CorpusName, Path], data: st.DataObject) -> None:
    corpus, folder = release
    _, header, row = TABLES[corpus]
    names = data.draw(st.lists(st.one_of(st.sampled_from(header), junk), max_size=9))
    write(folder, corpus, [row], names)
    read(folder, corpus)


@given(
    content=st.binary(max_size=200),
    prefix=st.sampled_from([b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<"]),
)
@SETTINGS
def test_any_bytes_are_refused(tmp_path: Path, content: bytes, prefix: bytes) -> None:
    (tmp_path / TABLES["casme2"][0]).write_bytes(prefix + content)
    assert isinstance(read(tmp_path, "casme2"), DatasetError)


def _replace(content: bytes, place: float, length: int, new: bytes) -> bytes:
    start = int(place * len(content))
    return content[:start] + new + content[start + length :]


def _replace_in_part(book: bytes, part: int, edit: Callable[[bytes], bytes]) -> bytes:
    with ZipFile(io.BytesIO(book)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = sorted(parts)[part % len(parts)]
    changed = io.BytesIO()
    with ZipFile(changed, "w") as archive:
        for key, content in parts.items():
            archive.writestr(key, edit(content) if key == name else content)
    return changed.getvalue()


@pytest.mark.slow
@given(
    part=st.integers(-1, 20),
    place=st.floats(0, 1),
    length=st.integers(0, 40),
    new=st.one_of(
        st.binary(max_size=10),
        st.sampled_from([b"", b"nan", b"1e999", b"-1", b"XFD1048576", b'r="99999999999"', b"<c/>", b'" t="s']),
    ),
)
@settings(SETTINGS, max_examples=50)
def test_a_damaged_workbook_gives_rows_or_one_error(
    tmp_path: Path, part: int, place: float, length: int, new: bytes
) -> None:
    _, header, row = TABLES["casme2"]
    book = write(tmp_path, "casme2", [row, row], header)

    def edit(content: bytes) -> bytes:
        return _replace(content, place, length, new)

    damaged = edit(book) if part < 0 else _replace_in_part(book, part, edit)
    (tmp_path / TABLES["casme2"][0]).write_bytes(damaged)
    read(tmp_path, "casme2")


CASME_SQ: dict[str, list[list[Any]]] = {
    "annotation": [["1", "anger1_1", 1, 3, 5, "4+7", "anger", "micro-expression", "anger"]],
    "subjects": [["x", "s15", "1"]],
    "videos": [["0101", "anger1"]],
}
SAMM_LV = ["Subject", "Filename", "Onset", "Apex", "Offset", "Action Units", "Type"]
SAMM_LV_NAMES = ("SAMM_LongVideos_V1_Release.xlsx", TABLES["samm"][0])


@pytest.mark.slow
@given(data=st.data())
@SETTINGS
def test_any_cells_in_the_three_sheets_of_casme_sq(tmp_path: Path, data: st.DataObject) -> None:
    touch_frames(tmp_path / "rawpic/s15/15_0101anger1", "img{}.jpg", range(1, 6))
    sheets = {
        title: data.draw(st.lists(st.tuples(*(st.one_of(st.just(cell), junk) for cell in row)), max_size=3))
        for title, (row,) in CASME_SQ.items()
    }
    write_book(tmp_path / "CAS(ME)^2code_final.xlsx", sheets)
    read(tmp_path, "casme_sq", ["CAS(ME)^2code_final.xlsx"])
    write_book(tmp_path / "CAS(ME)^2code_final.xlsx", CASME_SQ)
    assert isinstance(read(tmp_path, "casme_sq"), Release)


@pytest.mark.slow
@given(data=st.data())
@SETTINGS
def test_any_cells_in_the_two_tables_of_samm_long_videos(tmp_path: Path, data: st.DataObject) -> None:
    _, samm_header, samm_row = TABLES["samm"]
    touch_frames(tmp_path / "SAMM_longvideos/006_1", "006_1_{:04d}.jpg", range(1, 6))

    def draw(row: Sequence[Any]) -> list[tuple[Any, ...]]:
        return data.draw(st.lists(st.tuples(*(st.one_of(st.just(cell), junk) for cell in row)), max_size=3))

    rows = draw(["006", "006_1_2", 1, 3, 5, "4", "Micro - 1/2"])
    write_book(tmp_path / SAMM_LV_NAMES[0], {"FACS_Movement_Only": [SAMM_LV, *rows]})
    write_book(tmp_path / SAMM_LV_NAMES[1], {"Sheet": [samm_header, *draw(samm_row)]})
    read(tmp_path, "samm_lv", SAMM_LV_NAMES)
