"""Synthetic releases of the corpora that came later: their quirks, and what the doctor reports about them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.release_records import SheetRow
from microfacial.pipeline.doctor import CheckResult
from microfacial.pipeline.release_check import RemarkGroup, examine_releases

CORPORA = ("4dme", "casme", "casme3_c", "casme_sq", "dfme", "samm_lv")

Release = Callable[[str], Path]


def rows(folder: Path, corpus: str) -> list[tuple[Any, ...]]:
    """Return the cells of the table, without the rows above it."""
    table = LAYOUTS[corpus].table
    assert table is not None
    above = len(table.above) + bool(table.header)
    return list(load_workbook(folder / table.path)[table.sheet].iter_rows(min_row=above + 1, values_only=True))


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_doctor_finds_only_sound_clips(release: Release, corpus: str) -> None:
    results = list(examine_releases(release(corpus)))
    assert [str(result) for result in results if not result.sound] == []
    (summary,) = (
        result for result in results if isinstance(result, CheckResult) and result.subject.startswith(f"{corpus} in ")
    )
    skipped = corpus in ("casme_sq", "samm_lv")  # a macro-expression
    assert summary.detail.startswith(f"{11 + skipped} rows, 11 give a clip")
    dropped = [line for group in results if isinstance(group, RemarkGroup) for line in group.lines]
    assert any("macro-expression" in line for line in dropped) == skipped


def test_frame_numbers_of_casme_are_padded_for_every_second_subject(release: Release) -> None:
    folder = release("casme") / "Cropped"
    names = {place.name: next(place.glob("*/*-*99.jpg")).name.rpartition("-")[2] for place in folder.iterdir()}
    assert names == {"sub01": "99.jpg", "sub02": "099.jpg", "sub03": "99.jpg"}
    assert {row[5] for row in rows(release("casme"), "casme")} > {"\\"}


def test_a_table_of_casme_sq_has_no_header_but_two_sheets_of_codes(release: Release) -> None:
    folder = release("casme_sq")
    book = load_workbook(folder / "CAS(ME)^2code_final(Updated).xlsx")
    first, codes, videos = (list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets)
    assert first[0][:2] == (1, "disgust1_1")
    assert [row[4] for row in first].count(0) == 1
    assert codes[0] == (15, "s15", 1)
    assert videos[0] == ("0101", "disgust1")


def test_commas_join_the_action_units_of_part_c_of_casme3(release: Release) -> None:
    assert not any("+" in str(row[4]) for row in rows(release("casme3_c"), "casme3_c"))
    table = LAYOUTS["casme3_c"].table
    assert table is not None
    row = SheetRow(subject=1, name="1", emotion="", onset=1, apex=None, offset=5, frames=range(6), action_units="4+7")
    assert [table.cells(row, line)[4] for line in (2, 3)] == ["4,7", "4\uff0c7"]


def test_frames_of_dfme_count_from_zero_and_rates_differ(release: Release) -> None:
    found = rows(release("dfme"), "dfme")
    assert {row[2] for row in found} == {0}
    assert {row[7] for row in found} == {200, 300, 500}
    assert (release("dfme") / f"train_data/{found[0][1]}/00000.png").exists()


def test_a_long_video_of_samm_holds_two_clips(release: Release) -> None:
    folder = release("samm_lv")
    first, second = rows(folder, "samm_lv")[:2]
    assert (first[1], second[1]) == ("006_1_1", "006_1_2")
    numbers = sorted(int(path.stem.rpartition("_")[2]) for path in (folder / "SAMM_longvideos/006_1").iterdir())
    assert numbers == list(range(1, second[5] + 4))
