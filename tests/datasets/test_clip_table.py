from pathlib import Path

from fakes import make_clip
from microfacial.datasets.clip_table import read_clips, write_clips


def test_clips_are_read_as_they_were_written(tmp_path: Path) -> None:
    clip = make_clip(
        emotion="Happy",
        label="happiness",
        action_units="L2+26",
        frames="a b/reg_img{}.jpg",
        numbers=(98, 99, 100, 103),
        onset=98,
        apex=100,
        offset=103,
        apex_source="midpoint",
        notes='no apex, "took" the midpoint 100',
    )
    write_clips(tmp_path / "clips.csv", [clip])
    assert read_clips(tmp_path / "clips.csv") == (clip,)
    assert "98-100 103-103" in (tmp_path / "clips.csv").read_text()
