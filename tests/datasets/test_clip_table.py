from pathlib import Path
from typing import Any

import pytest

from fakes import make_clip
from microfacial.datasets.clip_table import read_clips, write_clips
from microfacial.errors import StorageError
from microfacial.records import frame_path


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


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"fps": 1e308}, "1e\\+308"),
        ({"fps": 0.5}, "0.5"),
        ({"onset": 0}, " 0"),
        ({"offset": 10**9}, "1000000000"),
        ({"numbers": (1, 2, 3, 9)}, " 5"),
    ],
)
def test_impossible_rates_and_moments_without_a_frame_are_refused(
    tmp_path: Path, changes: dict[str, Any], place: str
) -> None:
    write_clips(tmp_path / "clips.csv", [make_clip(**changes)])
    with pytest.raises(StorageError, match=rf"clips\.csv.*line 2.*{place}"):
        read_clips(tmp_path / "clips.csv")


def test_a_clip_without_a_frame_rate_is_read(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", [make_clip(fps=0.0)])
    assert read_clips(tmp_path / "clips.csv")[0].fps == 0


def test_frame_numbers_have_at_most_99_digits() -> None:
    assert frame_path("{:099d}.png", 7) == f"{'0' * 98}7.png"
    assert frame_path("{:0100d}.png", 7) == "{:0100d}.png"
