"""The demo on disk has the layout of CASME II, and its bytes are the same everywhere."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
from openpyxl import load_workbook

from microfacial.datasets.synthetic import write
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.datasets.synthetic.release_records import SheetRow, Table
from microfacial.datasets.synthetic.tables import CASME2_TABLE
from microfacial.datasets.synthetic.write import write_demo, write_release
from microfacial.errors import DatasetError

TINY = DemoPlan(identities=4, clips_per_identity=3, others=1, frames=(7, 9), width_px=140)
TINY_MD5 = "6c77b39cd9b747b1f2f8993db8c48b6f"  # with the versions in constraints.txt

# Instruction sets beyond the baseline for which numpy has separate code paths: those of x86, then those of ARM
EXTENSIONS = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR ASIMDHP ASIMDDP ASIMDFHM SVE"


def md5_of_tree(folder: Path) -> str:
    """Return the checksum of all names and bytes below a folder."""
    digest = hashlib.md5()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny demo."""
    folder = tmp_path_factory.mktemp("data") / "demo"
    write_demo(folder, TINY)
    return folder


@pytest.fixture(scope="module")
def rows(demo: Path) -> list[tuple[Any, ...]]:
    """All cells of the first sheet, with the header."""
    return list(load_workbook(demo / CASME2_TABLE.path).worksheets[0].iter_rows(values_only=True))


# --- table and frames ---


def test_the_header_has_ten_columns_of_which_two_are_blank(rows: list[tuple[Any, ...]]) -> None:
    assert rows[0][:7] == ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None)
    assert rows[0][7:] == ("Action Units", "Estimated Emotion", "Objective Classes")
    assert all(row[2] is None and row[6] is None for row in rows)


def test_subjects_are_text_with_two_digits(rows: list[tuple[Any, ...]], demo: Path) -> None:
    assert {row[0] for row in rows[1:]} == {"01", "02", "03", "04"}
    assert load_workbook(demo / CASME2_TABLE.path).worksheets[0]["A2"].number_format == "@"


def test_the_second_and_third_sheets_are_empty(demo: Path) -> None:
    book = load_workbook(demo / CASME2_TABLE.path)
    assert book.sheetnames == ["Sheet1", "Sheet2", "Sheet3"]
    assert [sheet.max_row for sheet in book.worksheets[1:]] == [1, 1]


def test_exactly_one_apex_is_a_slash(rows: list[tuple[Any, ...]]) -> None:
    assert [row[4] for row in rows[1:] if not isinstance(row[4], int)] == ["/"]


def test_the_frame_files_are_the_annotated_frames_without_padding(rows: list[tuple[Any, ...]], demo: Path) -> None:
    for subject, name, _, onset, _, offset, *_ in rows[1:]:
        files = {path.name for path in (demo / "Cropped" / f"sub{subject}" / name).iterdir()}
        assert files == {f"reg_img{number}.jpg" for number in range(onset, offset + 1)}


def test_every_person_has_a_clip_with_the_frame_numbers_99_and_100(rows: list[tuple[Any, ...]]) -> None:
    assert {row[0] for row in rows[1:] if row[3] <= 99 and row[5] >= 100} == {"01", "02", "03", "04"}


def test_frames_are_in_colour_and_have_the_planned_size(demo: Path) -> None:
    image = cv2.imread(str(next(demo.rglob("reg_img*.jpg"))))
    assert image is not None
    assert image.shape == (170, 140, 3)
    assert (DemoPlan().height_px, DemoPlan().width_px) == (340, 280)


# --- bytes ---


def test_the_bytes_of_a_tiny_demo_have_a_fixed_checksum(demo: Path) -> None:
    assert md5_of_tree(demo) == TINY_MD5


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_as_one(demo: Path, tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", TINY, processes=2)
    assert md5_of_tree(tmp_path / "demo") == md5_of_tree(demo)


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_processors_extensions(demo: Path, tmp_path: Path) -> None:
    """Without these instruction sets, numpy and libjpeg run other code. Every result must stay the same."""
    code = (
        "import sys; from pathlib import Path;"
        f"from {write.__name__} import write_demo; from {DemoPlan.__module__} import DemoPlan;"
        f"write_demo(Path(sys.argv[1]), {TINY!r})"
    )
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": EXTENSIONS, "JSIMD_FORCENONE": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "demo")]
    subprocess.run(command, check=True, env=plain, capture_output=True)
    assert md5_of_tree(tmp_path / "demo") == md5_of_tree(demo)


# --- refused and stopped runs ---


def test_an_existing_folder_is_refused_and_unchanged(demo: Path) -> None:
    before = md5_of_tree(demo)
    with pytest.raises(DatasetError, match=str(demo)):
        write_demo(demo, TINY)
    assert md5_of_tree(demo) == before


def test_a_plan_with_more_persons_than_the_corpus_has_subjects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"SMIC.*\b16\b.*\b17\b"):
        write_release("smic_hs", tmp_path / "smic", replace(TINY, identities=17))
    assert not list(tmp_path.iterdir())


def test_a_stopped_run_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_table: Table, _rows: Iterable[SheetRow]) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "build_workbook", stop)
    with pytest.raises(KeyboardInterrupt):
        write_demo(tmp_path / "demo", replace(TINY, identities=1, clips_per_identity=1, others=0))
    assert not list(tmp_path.iterdir())
