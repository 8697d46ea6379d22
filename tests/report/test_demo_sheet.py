import shutil
from pathlib import Path

import numpy as np
import pytest

from microfacial.errors import DatasetError
from microfacial.report.demo_sheet import draw_demo_sheet


def test_the_page_shows_three_clips_of_each_person(tiny_demo: Path) -> None:
    page = draw_demo_sheet(tiny_demo)
    assert page.dtype == np.uint8
    assert page.shape[1:] == (3 * (3 * 128 + 12), 3)
    assert 500 < page.shape[0] < 1000
    first_clip = page[40:190, 6:390]
    assert (first_clip != 255).any(axis=2).all(axis=1).all()  # three pictures side by side, without a gap


def test_the_page_is_marked_synthetic(tiny_demo: Path) -> None:
    title = draw_demo_sheet(tiny_demo)[:30].astype(int)
    assert (title[..., 2] - title[..., 0] > 100).any()  # red letters


def test_a_missing_frame_is_named(tiny_demo: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_demo, tmp_path / "demo")
    for path in tmp_path.rglob("reg_img*.jpg"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"reg_img\d+\.jpg"):
        draw_demo_sheet(tmp_path / "demo")


def test_missing_annotations_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"\.xlsx"):
        draw_demo_sheet(tmp_path)
