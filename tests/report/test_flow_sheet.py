from dataclasses import replace

import cv2
import numpy as np
import pytest

from fakes import make_clip, texture
from microfacial.errors import StorageError
from microfacial.preprocessing.flow import WINDOWS
from microfacial.records import ONSET_APEX, Box, Face, Image
from microfacial.report.flow_sheet import ClipView, SheetFacts, draw_flow_sheet

SIDE = 56
TILES = {"onset": 254, "apex": 488, "flow": 722, "strain": 956}  # left edges; the first row begins at 198
TOP, TILE = 198, 224
BOX = (7, 14, 21, 42)
FACTS = SheetFacts(data_set="set", windows=WINDOWS, unit="px", regions=("eyes",), head_motion="similarity")
MAP_FACTS = replace(FACTS, windows=(ONSET_APEX,), unit="stretched")


def make_view(**changes: object) -> ClipView:
    """Return a clip whose upper left quarter moves right by 1 px until the apex, and then back."""
    flow = np.zeros((5, 2, SIDE, SIDE), np.float16)
    flow[0, 0, : SIDE // 2, : SIDE // 2] = 1.0
    flow[3, 0, : SIDE // 2, : SIDE // 2] = -1.0
    crops = np.stack([texture(SIDE, SIDE, seed) for seed in (0, 1)])
    clip, face = make_clip(**changes), make_face(BOX)
    return ClipView(clip=clip, face=face, crops=crops, flow=flow)


def make_face(*boxes: Box) -> Face:
    return Face(clip="c/s/n", transform=np.eye(2, 3), boxes=boxes, source="landmarks", confidence=0.93)


def make_map_view() -> ClipView:
    view = make_view(onset=0, apex=0, offset=0, numbers=(0,))
    levels = np.zeros((1, 3, 28, 28), np.float16)
    levels[0, 1, 14:] = 100
    crops = np.stack([texture(28, 28)] * 2)
    return replace(view, face=make_face((0, 0, 14, 14)), crops=crops, flow=levels)


def tile(page: Image, name: str) -> Image:
    return page[TOP : TOP + TILE, TILES[name] : TILES[name] + TILE]


def ink_below(page: Image, name: str) -> int:
    """Count the pixels that are not white in the line below a picture."""
    line = page[TOP + TILE + 2 : TOP + TILE + 18, TILES[name] : TILES[name] + TILE]
    return int((line < 200).any(axis=2).sum())


def test_a_page_shows_crops_flow_and_strain_of_each_clip() -> None:
    view = make_view()
    page = draw_flow_sheet([view], FACTS, 1, 1)
    enlarged = cv2.resize(view.crops[1], (TILE, TILE), interpolation=cv2.INTER_NEAREST)
    assert (tile(page, "apex") == enlarged).all()
    assert tile(page, "flow")[9, 9].tolist() == [0, 0, 255]  # red, in BGR: to the right
    assert tile(page, "flow")[-9, -9].tolist() == [255, 255, 255]
    edge = TILE // 2  # strain is high at the edge of the moving skin
    assert tile(page, "strain")[20, edge].sum() > 500 > 50 > tile(page, "strain")[20, 20].sum()
    assert all(ink_below(page, name) > 50 for name in TILES)


def test_each_clip_adds_the_same_height_to_the_page() -> None:
    view = make_view()
    heights = [draw_flow_sheet([view] * count, FACTS, 1, 1).shape[0] for count in (1, 2, 3)]
    assert heights[2] - heights[1] == heights[1] - heights[0] > TILE


def test_the_box_of_a_region_is_outlined() -> None:
    view = make_view()
    boxed, plain = (draw_flow_sheet([replace(view, face=make_face(box))], FACTS, 1, 1) for box in (BOX, (0, 0, 56, 56)))
    changed = (tile(boxed, "onset") != tile(plain, "onset")).any(axis=2)
    inner = changed[8:-8, 8:-8]  # without the edge of the box on the other page
    rows, columns = inner[60:].any(axis=1).nonzero()[0] + 68, inner[60:].any(axis=0).nonzero()[0] + 8
    assert rows.max() == pytest.approx(21 * 4 - 1, abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((14 * 4, 42 * 4 - 1), abs=1)


def test_phases_are_drawn_in_order_with_the_scale_of_the_clip() -> None:
    page = draw_flow_sheet([make_view()], FACTS, 1, 1)
    lefts, tops = (1190, 1296), (TOP, TOP + 128)
    corners = [page[top + 8, left + 8].tolist() for top in tops for left in lefts]
    white, cyan_side = [255, 255, 255], [255, 197, 0]
    assert corners[0] == corners[1] == corners[3] == white
    assert corners[2] == pytest.approx(cyan_side, abs=3)  # to the left


def test_published_maps_are_drawn_without_phases() -> None:
    page = draw_flow_sheet([make_map_view()], MAP_FACTS, 1, 1)
    flow = page[TOP : TOP + TILE, TILES["apex"] : TILES["apex"] + TILE]  # there is no apex, so flow is in its column
    assert flow[-9, -1].tolist() == pytest.approx([0, 234, 255], abs=2)  # yellow, in BGR: down
    assert (page[TOP:, TILES["strain"] :] == 255).all()


def test_only_synthetic_clips_are_marked_synthetic() -> None:
    warned = [
        _has_warning(draw_flow_sheet([make_view(corpus=corpus)], FACTS, 1, 1)) for corpus in ("demo", "demo-samm", "c")
    ]
    assert warned == [True, True, False]


def _has_warning(page: Image) -> bool:
    corner = page[:170, :236].astype(int)
    return bool((corner[..., 2] - corner[..., 0] > 100).any())  # red letters


def test_equal_pages_have_equal_pixels() -> None:
    first, second = (draw_flow_sheet([make_view(notes="costs $5, or $6")], FACTS, 1, 1) for _ in range(2))
    assert (first == second).all()


def test_the_error_about_flow_that_is_not_finite_names_the_clip() -> None:
    view = make_view()
    view.flow[2, 0, 5, 5] = np.nan
    with pytest.raises(StorageError, match="c/s/n: 1 "):
        draw_flow_sheet([view], FACTS, 1, 1)
