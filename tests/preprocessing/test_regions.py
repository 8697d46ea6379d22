from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from microfacial.errors import ConfigError, DatasetError
from microfacial.preprocessing.alignment import mean_face
from microfacial.preprocessing.regions import (
    FACE_SCHEMES,
    MAP_SCHEMES,
    RegionSchemeName,
    face_boxes,
    map_boxes,
    scheme_region_names,
)
from microfacial.records import Box

SIZE_PX = 224


def facs() -> dict[str, Box]:
    return dict(
        zip(scheme_region_names("facs-8", on_map=False), face_boxes("facs-8", mean_face(SIZE_PX), SIZE_PX), strict=True)
    )


def middle(box: Box) -> tuple[float, float]:
    """Return row and column."""
    top, left, bottom, right = box
    return (top + bottom) / 2, (left + right) / 2


def test_the_tables_have_exactly_the_schemes_of_the_type() -> None:
    assert {*FACE_SCHEMES, *MAP_SCHEMES} == set(get_args(RegionSchemeName))


@pytest.mark.parametrize("side", ["left", "right"])
def test_brow_eye_cheek_and_mouth_follow_from_top_to_bottom(side: str) -> None:
    boxes = facs()
    rows = [middle(boxes[name])[0] for name in (f"{side} brow", f"{side} eye", f"{side} cheek", "mouth")]
    assert rows == sorted(rows)
    assert middle(boxes["left eye"])[0] < middle(boxes["nose"])[0] < middle(boxes["mouth"])[0]


@pytest.mark.parametrize("region", ["eye", "brow", "cheek"])
def test_left_is_the_images_left_and_mirrors_right(region: str) -> None:
    top, left, bottom, right = facs()[f"left {region}"]
    assert right <= SIZE_PX / 2 + 1
    assert (top, SIZE_PX - right, bottom, SIZE_PX - left) == pytest.approx(facs()[f"right {region}"], abs=1)


def test_nose_and_mouth_lie_on_the_midline() -> None:
    assert middle(facs()["nose"])[1] == middle(facs()["mouth"])[1] == pytest.approx(SIZE_PX / 2, abs=0.5)


def test_the_regions_of_mission_span_both_sides() -> None:
    boxes = facs()
    eyes, eyebrows, mouth = face_boxes("mission", mean_face(SIZE_PX), SIZE_PX)
    assert eyes == (*boxes["left eye"][:3], boxes["right eye"][3])
    assert eyebrows == (*boxes["left brow"][:3], boxes["right brow"][3])
    assert mouth == boxes["mouth"]


def points_by_hand() -> NDArray[np.float64]:
    """Return landmarks whose eyes are 96 px apart, from column 40 to 168 and row 50 to 70. The brows lie in row 30."""
    points = np.full((468, 2), 100.0)
    points[[33, 133, 362, 263]] = [[40, 60], [72, 60], [136, 60], [168, 60]]
    points[[159, 145, 386, 374]] = [[56, 50], [56, 70], [152, 50], [152, 70]]
    points[[46, 53, 52, 65, 55, 276, 283, 282, 295, 285], 1] = 30
    points[2, 1] = 120  # base of the nose
    return points


def test_a_box_is_the_bounds_of_its_points_plus_the_padding_clipped_to_the_square() -> None:
    """By hand: the padding is 0.14 · 96 = 13.44. Half of the way from brows to nose is row 75.5."""
    eyes = face_boxes("mission", points_by_hand(), SIZE_PX)[0]
    assert eyes == (round(50.5 - 13.44), round(40.5 - 13.44), round(70.5 + 13.44), round(168.5 + 13.44))
    assert face_boxes("mission", points_by_hand() - [35, 45], SIZE_PX)[0][:2] == (0, 0)


def test_the_box_of_the_eyes_has_the_lower_lid_although_glasses_shift_the_landmarks_up() -> None:
    """By hand: landmarks of the eyes 15 px too high end the padded box in row 68.94, above the lower lid in row 70."""
    points = points_by_hand()
    points[[33, 133, 362, 263, 159, 145, 386, 374], 1] -= 15
    assert face_boxes("mission", points, SIZE_PX)[0][2] == round(30.5 + 0.5 * (120 - 30))
    assert [box[2] for box in face_boxes("facs-8", points, SIZE_PX)[:2]] == [round(30.5 + 0.5 * (120 - 30))] * 2


@pytest.mark.parametrize("scheme", FACE_SCHEMES)
@pytest.mark.parametrize("size_px", [28, 56, SIZE_PX])
def test_boxes_lie_inside_the_square_and_are_not_thin(scheme: RegionSchemeName, size_px: int) -> None:
    for top, left, bottom, right in face_boxes(scheme, mean_face(size_px), size_px):
        assert 0 <= top <= bottom - 4
        assert 0 <= left <= right - 4
        assert max(bottom, right) <= size_px


def test_a_region_off_the_square_is_refused_by_name() -> None:
    with pytest.raises(DatasetError, match=r"mouth.*\b4 px.*\b224 px"):
        face_boxes("mission", mean_face(SIZE_PX) + np.array([0, 120]), SIZE_PX)


@pytest.mark.parametrize("scheme", MAP_SCHEMES)
def test_boxes_on_maps_lie_inside_them_in_the_schemes_order(scheme: RegionSchemeName) -> None:
    boxes = map_boxes(scheme, 28)
    assert len(boxes) == len(scheme_region_names(scheme, on_map=True))
    assert all(0 <= top < bottom <= 28 and 0 <= left < right <= 28 for top, left, bottom, right in boxes)


@pytest.mark.parametrize(
    ("scheme", "on_map", "message"),
    [
        ("grid-28", False, r"faces\.regions: grid-28.*mission or facs-8"),
        ("facs-8", True, r"faces\.regions: facs-8.*mission or grid-28"),
    ],
)
def test_a_scheme_of_the_other_kind_of_image_is_refused(scheme: RegionSchemeName, on_map: bool, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scheme_region_names(scheme, on_map=on_map)
