"""Counts in releases of DFME, 4DME and SAMM Long Videos that are as long as the real ones."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from openpyxl import Workbook

import census
import census_later
from microfacial.datasets.annotations import Annotation, SkippedRow
from microfacial.datasets.clips import classify
from microfacial.datasets.dfme import open_dfme
from microfacial.datasets.fourdme import open_4dme
from microfacial.datasets.label_schemes import SCHEMES
from microfacial.datasets.samm_lv import open_samm_lv
from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.tables import SAMM_LV_TABLE
from microfacial.datasets.synthetic.write import write_table

# --- DFME ---


@pytest.fixture(scope="module")
def dfme(tmp_path_factory: pytest.TempPathFactory) -> list[Annotation]:
    """The rows of a release with all three tables. It has no frames, because 13,000 files would take long to write."""
    folder = tmp_path_factory.mktemp("dfme")
    for name, rows in census_later.dfme_cells().items():
        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        for cells in rows:
            sheet.append(cells)
        book.save(folder / f"{name}.xlsx")
    return [row for row in open_dfme(folder).rows if isinstance(row, Annotation)]


def test_dfme_has_2629_clips_of_259_subjects_in_seven_classes(dfme: list[Annotation]) -> None:
    assert Counter(classify(row, SCHEMES["dfme-7"])[1] for row in dfme) == census_later.DFME
    assert len({row.id for row in dfme}) == 2629
    assert len({row.subject for row in dfme}) == 259


def test_each_clip_of_dfme_has_its_own_frame_rate(dfme: list[Annotation]) -> None:
    assert Counter(row.fps for row in dfme) == census_later.DFME_FPS


def test_almost_half_of_the_clips_of_dfme_start_at_frame_zero(dfme: list[Annotation]) -> None:
    assert Counter(row.onset for row in dfme) == {0: 1240, 3: 1389}


# --- 4DME ---


def test_4dme_has_267_rows_of_which_two_have_exchanged_action_units(tmp_path: Path) -> None:
    rows = census_later.fourdme_rows()
    release = open_4dme(census.write_census("4dme", tmp_path, rows))
    found = [row for row in release.rows if isinstance(row, Annotation)]
    assert len(found) == census_later.FOURDME_ROWS
    units = [row.action_units.removesuffix("+AU4(k)") for row in found]
    assert units[143:147] == ["144", "146", "145", "147"]
    changed = [place for place, row in enumerate(found) if row.notes]
    assert changed == [144, 145]
    assert "tvaranka/meb" in found[144].notes[0]


@pytest.mark.parametrize("name", ["4DME_Labelling_Micro_release v2.xlsx", "4DME_Labelling_Micro.xlsx"])
def test_another_version_of_the_table_of_4dme_is_not_corrected(tmp_path: Path, name: str) -> None:
    folder = census.write_census("4dme", tmp_path, census_later.fourdme_rows())
    (folder / "4DME_Labelling_Micro_release v1.xlsx").rename(folder / name)
    assert not any(row.notes for row in open_4dme(folder).rows if isinstance(row, Annotation))


# --- SAMM Long Videos ---


def test_long_videos_of_samm_have_159_micro_expressions_beside_343_macro_expressions(tmp_path: Path) -> None:
    rows = census_later.samm_lv_rows()
    table = replace(SAMM_LV_TABLE, below=census_later.samm_lv_macro_cells())
    write_table(tmp_path, replace(LAYOUTS["samm_lv"], table=table), rows)
    release = open_samm_lv(tmp_path)
    assert Counter(map(type, release.rows)) == {Annotation: 159, SkippedRow: 343}
    annotations = [row for row in release.rows if isinstance(row, Annotation)]
    labels = {row.id: classify(row, SCHEMES["samm-5"])[1] for row in annotations}
    kept = [row for row in annotations if labels[row.id]]
    assert Counter(labels[row.id] for row in kept) == {
        "anger": 57,
        "others": 26,
        "happiness": 26,
        "surprise": 15,
        "contempt": 12,
    }
    assert len({row.subject for row in kept}) == 27
