"""Counts in releases of CASME, CAS(ME)^2 and part C of CAS(ME)^3 that are as long as the real ones."""

from pathlib import Path

import census
import census_casme
from microfacial.datasets.annotations import Annotation
from microfacial.datasets.casme import open_casme

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
