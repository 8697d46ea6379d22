from pathlib import Path

import pytest

from microfacial.datasets.folders import find_frames, find_pattern
from microfacial.errors import DatasetError


def test_padded_and_unpadded_names_have_different_patterns(tmp_path: Path) -> None:
    (tmp_path / "img007.png").touch()
    (tmp_path / "img010.png").touch()
    assert find_pattern(tmp_path, (".png",), default="") == "img{:03d}.png"
    assert find_frames(tmp_path, "img{:03d}.png") == (7, 10)
    assert find_frames(tmp_path, "img{}.png") == ()


def test_frame_numbers_with_two_paddings_are_refused(tmp_path: Path) -> None:
    for name in ("006_0016.jpg", "006_00010.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match=r"006_0016\.jpg .*006_00010\.jpg"):
        find_pattern(tmp_path, (".jpg",), default="")
