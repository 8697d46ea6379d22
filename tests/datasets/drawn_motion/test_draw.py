from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from microfacial.datasets.drawn_motion.draw import draw_motion
from microfacial.datasets.drawn_motion.emotions import EMOTIONS, emotions_of_class
from microfacial.datasets.drawn_motion.fields import (
    EYES_X,
    EYES_Y,
    HEIGHT_PER_UNIT,
    WIDTH_PER_UNIT,
    draw_bumps,
    draw_edges,
)
from microfacial.datasets.drawn_motion.random_numbers import RandomNumbers
from microfacial.datasets.drawn_motion.skin import BLINK, SKIN_MOTION, UNITS
from microfacial.datasets.drawn_motion.strengths import draw_strengths, draw_units
from microfacial.datasets.drawn_motion.variation import TYPICAL_VARIATION, Variation
from microfacial.datasets.label_schemes import SCHEMES
from microfacial.datasets.synthetic.geometry import EYE_LINE, MIDLINE, Bump, displace
from microfacial.records import ONSET_APEX, PHASE_WINDOWS

NAMES = list(EMOTIONS)
STILL = Variation(  # every face is the standard face, and nothing but the units of the emotion moves
    strength=0,
    asymmetry=0,
    one_sided=0,
    stray_units=0,
    centre=0,
    radius=0,
    direction_rad=0,
    place=0,
    scale=0,
    blinks=0,
    gazes=0,
    head=(-30, 0),
    noise=(-30, 0),
    pixel_noise=0,
    texture=0,
    fading_edges=0,
)


def random(seed: int = 0) -> RandomNumbers:
    return RandomNumbers(torch.Generator().manual_seed(seed))


def emotion_rows(name: str, count: int = 200) -> Tensor:
    return torch.full((count,), NAMES.index(name))


def unit_strength(unit: int, left: float, right: float) -> Tensor:
    """Strengths of one clip and window in which one unit moves."""
    strengths = torch.zeros(1, 1, len(UNITS), 3)
    strengths[0, 0, UNITS.index(unit)] = torch.tensor([max(left, right), left, right])
    return strengths


@pytest.mark.parametrize("unit", UNITS)
def test_the_field_of_a_unit_is_the_sum_of_its_bumps(unit: int) -> None:
    size = 56
    drawn = draw_bumps(unit_strength(unit, 1.0, 0.0), size, STILL, random())[0, 0].numpy()
    places = (np.arange(size) + 0.5) / size
    x = MIDLINE + (places - EYES_X) / WIDTH_PER_UNIT
    y = EYE_LINE + (places - EYES_Y) / HEIGHT_PER_UNIT
    expected = displace(np.stack(np.meshgrid(x, y)), SKIN_MOTION[unit])
    most = sum(np.hypot(bump.dx, bump.dy) for bump in SKIN_MOTION[unit])
    assert drawn == pytest.approx(expected, abs=0.015 * most)


def test_the_right_side_mirrors_the_left_side() -> None:
    left = draw_bumps(unit_strength(12, 1.0, 0.0), 28, STILL, random())
    right = draw_bumps(unit_strength(12, 0.0, 1.0), 28, STILL, random())
    mirrored = left.flip(-1) * torch.tensor([-1.0, 1.0])[:, None, None]
    assert torch.allclose(right, mirrored, atol=1e-6)


def test_both_eyes_turn_to_the_same_side() -> None:
    gaze = draw_bumps(unit_strength(61, 1.0, 1.0), 28, STILL, random())[0, 0]
    assert torch.allclose(gaze, gaze.flip(-1), atol=1e-6)
    assert gaze[0].min() >= 0


def test_a_face_that_differs_is_still_nearly_symmetric() -> None:
    """Bumps of the two sides move together, or smiles would be lopsided."""
    strengths = unit_strength(12, 1.0, 1.0).expand(400, -1, -1, -1)
    field = draw_bumps(strengths, 28, replace(STILL, centre=8.0), random())[:, 0, 1]
    assert (field - field.flip(-1)).square().mean() < 0.5 * 2 * field.var(0).mean()


@pytest.mark.parametrize("name", EMOTIONS)
def test_each_clip_shows_a_unit_that_defines_its_emotion(name: str) -> None:
    units = draw_units(emotion_rows(name), random())
    defining = [UNITS.index(unit) for unit in EMOTIONS[name].defining]
    assert units[:, defining].any(1).all()
    impossible = [index for index, unit in enumerate(UNITS) if unit not in EMOTIONS[name].units]
    assert not units[:, impossible].any()


def test_units_are_as_frequent_as_the_table_says() -> None:
    units = draw_units(emotion_rows("happiness", 20_000), random()).float().mean(0)
    assert units[UNITS.index(6)] == pytest.approx(EMOTIONS["happiness"].units[6], abs=0.01)
    assert units[UNITS.index(12)] == 1  # the only unit that defines happiness


def test_every_unit_and_emotion_of_the_tables_can_be_drawn() -> None:
    for emotion in EMOTIONS.values():
        assert set(emotion.units) <= set(UNITS)
        assert set(emotion.defining) <= set(emotion.units)
        assert all(0 < probability <= 1 for probability in emotion.units.values())
    assert all(isinstance(bump, Bump) for bumps in SKIN_MOTION.values() for bump in bumps)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_classes_of_every_scheme_are_emotions_or_groups_of_them(scheme: str) -> None:
    for name in SCHEMES[scheme].classes:
        shares = emotions_of_class(name)
        assert sum(shares.values()) == pytest.approx(1)
        assert set(shares) <= set(EMOTIONS)


def test_an_unknown_class_has_no_emotions() -> None:
    assert emotions_of_class("boredom") == {}


def test_the_windows_of_both_phases_add_up_and_the_face_returns() -> None:
    windows = (ONSET_APEX, *PHASE_WINDOWS)
    strengths = draw_strengths(draw_units(emotion_rows("anger"), random()), windows, STILL, random(1))
    assert torch.allclose(strengths[:, 0], strengths[:, 1] + strengths[:, 2], atol=1e-6)
    assert (strengths[:, :3].sum((2, 3)) > 0).all()
    assert (strengths[:, 3:].sum((2, 3)) < 0).all()  # the expression fades after the apex
    assert (strengths.sum((2, 3))[:, 1:].sum(1) >= 0).all()  # but the face is not fully at rest at the offset


def test_a_blink_closes_or_opens_the_lids_and_is_not_a_unit_of_the_emotion() -> None:
    moves = draw_units(emotion_rows("happiness", 500), random())
    strengths = draw_strengths(moves, (ONSET_APEX,), replace(STILL, blinks=1.0), random(1))
    lids = strengths[:, 0, UNITS.index(BLINK)]
    assert (lids > 0).any()
    assert (lids < 0).any()
    assert torch.equal(lids[:, 1], lids[:, 2])
    assert not moves[:, UNITS.index(BLINK)].any()


def test_one_sided_units_move_one_side() -> None:
    moves = draw_units(emotion_rows("happiness", 500), random())
    strengths = draw_strengths(moves, (ONSET_APEX,), replace(STILL, one_sided=1.0), random(1))
    smile = strengths[:, 0, UNITS.index(12)]
    assert ((smile[:, 1] == 0) != (smile[:, 2] == 0)).all()
    assert 0.4 < (smile[:, 1] == 0).float().mean() < 0.6


@pytest.mark.parametrize(
    ("size", "windows"), [(7, (ONSET_APEX,)), (28, PHASE_WINDOWS), (61, (ONSET_APEX, "apex>offset"))]
)
def test_any_resolution_and_windows(size: int, windows: tuple[str, ...]) -> None:
    drawn = draw_motion(torch.arange(len(NAMES)), torch.Generator().manual_seed(0), size, windows)
    assert drawn.flow.shape == (len(NAMES), len(windows), 2, size, size)
    assert drawn.flow.isfinite().all()
    assert drawn.units.shape == (len(NAMES), len(UNITS))


def test_motion_in_pixels_grows_with_the_resolution() -> None:
    small, large = (
        draw_motion(emotion_rows("surprise", 8), torch.Generator().manual_seed(0), size, variation=STILL).flow
        for size in (28, 56)
    )
    assert torch.nn.functional.avg_pool2d(large[:, 0], 2) == pytest.approx(2 * small[:, 0].numpy(), abs=0.02)


def test_the_same_seed_draws_the_same_motion() -> None:
    first, second, other = (
        draw_motion(emotion_rows("fear", 4), torch.Generator().manual_seed(seed), 28).flow for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_nothing_moves_in_an_empty_batch() -> None:
    drawn = draw_motion(torch.zeros(0, dtype=torch.int64), torch.Generator().manual_seed(0), 28)
    assert drawn.flow.shape == (0, 1, 2, 28, 28)


def test_flow_fades_towards_edges_only() -> None:
    factors = draw_edges(300, 28, replace(TYPICAL_VARIATION, fading_edges=1.0), random())
    assert (factors[:, :, :, 8:20, 8:20] == 1).all()
    assert (factors[..., 0] < 0.01).any()
    assert torch.equal(draw_edges(5, 28, STILL, random()), torch.ones(5, 1, 1, 28, 28))
