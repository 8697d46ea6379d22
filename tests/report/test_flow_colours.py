"""Colours of flow. The expected ones are the pure colours on the wheel of Baker et al."""

import colorsys

import numpy as np
import pytest

from microfacial.errors import StorageError
from microfacial.records import Image
from microfacial.report.flow_colours import colour_flow, colour_strain, colour_wheel, robust_maximum


def colour(right: float, down: float, full_colour: float = 1.0) -> tuple[int, int, int]:
    """Return red, green and blue of one motion."""
    flow = np.array([right, down], np.float32).reshape(2, 1, 1)
    blue, green, red = colour_flow(flow, full_colour)[0, 0].tolist()
    return red, green, blue


def hue_degrees(angle_degrees: float) -> float:
    angle = np.radians(angle_degrees)
    red, green, blue = colour(np.cos(angle), np.sin(angle))
    return 360 * colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)[0]


def test_right_is_red_down_yellow_left_cyan_up_violet() -> None:
    assert colour(1, 0) == (255, 0, 0)
    assert hue_degrees(15 / 55 * 360) == pytest.approx(60, abs=0.5)  # the wheel has 15 of 55 steps from red to yellow
    assert hue_degrees(25 / 55 * 360) == pytest.approx(180, abs=0.5)  # cyan is at step 25, left at 27.5
    assert hue_degrees(90) == pytest.approx(55, abs=0.5)
    assert hue_degrees(180) == pytest.approx(180 + 60 * 2.5 / 11, abs=0.5)
    assert hue_degrees(270) == pytest.approx(240 + 60 * 5.25 / 13, abs=0.5)


@pytest.mark.parametrize("angle", range(0, 360, 15))
def test_opposite_directions_have_about_opposite_hues(angle: int) -> None:
    apart = (hue_degrees(angle) - hue_degrees(angle + 180)) % 360
    assert apart == pytest.approx(180, abs=40)


def test_hue_does_not_jump_at_any_direction() -> None:
    angles = np.radians(np.arange(0, 360, 1.0))
    colours = colour_flow(np.stack([np.cos(angles), np.sin(angles)])[:, None], 1.0)[0].astype(int)
    assert np.abs(colours - np.roll(colours, 1, axis=0)).max() <= 18  # 255 over the shortest sixth, 4 steps of 55


def test_skin_that_does_not_move_is_white() -> None:
    assert colour(0, 0) == (255, 255, 255)


def test_saturation_grows_with_length_up_to_full_colour() -> None:
    assert colour(1, 0, full_colour=2) == (255, 128, 128)
    assert colour(2, 0, full_colour=2) == colour(9, 0, full_colour=2) == (255, 0, 0)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(wrong: float) -> None:
    flow = np.zeros((2, 3, 3), np.float32)
    flow[1, 2, 0] = wrong
    with pytest.raises(StorageError, match="flow: 1 "):
        colour_flow(flow, 1.0)
    with pytest.raises(StorageError, match="strain: 1 "):
        colour_strain(flow[1], 1.0)


def test_the_wheel_has_the_colours_of_the_flow() -> None:
    side = 101
    wheel = colour_wheel(side)
    for across, down in ((0.6, 0.0), (-0.4, 0.2), (0.0, -0.8), (0.5, 0.5)):
        row, column = (round((share + 1) / 2 * side - 0.5) for share in (down, across))
        shown: Image = wheel[row, column, ::-1]
        assert shown.tolist() == pytest.approx(colour(across, down), abs=8)  # pixel centres are up to half a px away
    assert wheel[0, 0].tolist() == wheel[50, 50].tolist() == [255, 255, 255]


def test_strain_becomes_brighter_up_to_full_colour() -> None:
    brightness = colour_strain(np.array([[0, 0.25, 0.5, 0.75, 1.0, 3.0]]), 1.0).astype(int).sum(axis=2)[0]
    assert (np.diff(brightness[:5]) > 0).all()
    assert brightness[5] == brightness[4]
    assert brightness[0] < 20


def test_a_few_outliers_do_not_set_the_scale() -> None:
    values = np.full(1000, 0.5)
    values[:5] = 40
    assert robust_maximum(values, 0.2) == 0.5
    assert robust_maximum(values, 0.8) == 0.8
