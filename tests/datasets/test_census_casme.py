"""Counts in releases of CASME, CAS(ME)^2 and part C of CAS(ME)^3 that are as long as the real ones."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import census
import census_casme
from microfacial.datasets import ClipsConfig, list_clips
from microfacial.datasets.annotations import Annotation, SkippedRow
from microfacial.datasets.casme import open_casme
from microfacial.datasets.casme_sq import open_casme_sq
from microfacial.datasets.label_schemes import SCHEMES
from microfacial.datasets.synthetic.layouts import LAYOUTS
from microfacial.datasets.synthetic.tables import CASME_SQ_SUBJECTS, CASME_SQ_TABLE
from microfacial.datasets.synthetic.write import write_table

# --- CASME ---


def test_casme_has_193_rows_and_clips_with_padded_and_unpadded_frame_numbers(tmp_path: Path) -> None:
    folder = census.write_census("casme", tmp_path / "casme", census_casme.casme_rows())
    release = open_casme(folder)
    assert len(release.rows) == census_casme.CASME_ROWS
    clips = [release.make_clip(row, "", 3) for row in release.rows if isinstance(row, Annotation)]
    assert len(clips) == census_casme.CASME_ROWS
    padded = ["{:03d}" in clip.frames for clip in clips]
    assert padded == [place >= census_casme.CASME_PADDED_FROM for place in range(len(clips))]
    assert {(clip.numbers, clip.apex, clip.fps) for clip in clips} == {((97, 98, 99, 100, 101), 99, 60.0)}


# --- CAS(ME)^3, part C ---


@pytest.mark.parametrize(("scheme", "total"), [("casme3-3", 145), ("casme3-4", 165)])
def test_part_c_of_casme3_has_the_published_counts(tmp_path: Path, scheme: str, total: int) -> None:
    census.write_census("casme3_c", tmp_path / "casme3", census_casme.casme3_c_rows())
    clips = list_clips(ClipsConfig(name="t", root=str(tmp_path), corpora=("casme3_c",), scheme=scheme)).clips
    counts = {label: count for label, count in census_casme.CASME3_C.items() if label in SCHEMES[scheme].classes}
    assert Counter(clip.label for clip in clips) == counts
    assert len(clips) == total
    assert {clip.apex_source for clip in clips} == {"midpoint"}


# --- CAS(ME)^2 ---


def test_casme_sq_has_57_micro_expressions_beside_300_macro_expressions(tmp_path: Path) -> None:
    rows = census_casme.casme_sq_rows()
    census.write_census("casme_sq", tmp_path, rows)
    layout = replace(LAYOUTS["casme_sq"], table=replace(CASME_SQ_TABLE, below=census_casme.casme_sq_macro_cells()))
    write_table(tmp_path, layout, rows)
    release = open_casme_sq(tmp_path)
    assert Counter(map(type, release.rows)) == {Annotation: 57, SkippedRow: 300}
    clips = [release.make_clip(row, "", 0) for row in release.rows if isinstance(row, Annotation)]
    assert Counter(clip.emotion for clip in clips) == Counter(row.emotion for row in rows)
    assert {clip.numbers for clip in clips} == {(97, 98, 99, 100, 101)}


def test_casme_sq_has_22_subjects() -> None:
    assert len(set(CASME_SQ_SUBJECTS)) == 22
