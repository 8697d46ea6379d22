from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from microfacial.datasets.action_units import UNIT_NAMES
from microfacial.datasets.drawn_motion.draw import draw_motion
from microfacial.datasets.drawn_motion.emotions import EMOTIONS
from microfacial.datasets.drawn_motion.fields import draw_bumps, draw_errors, draw_head_motion
from microfacial.datasets.drawn_motion.random_numbers import RandomNumbers
from microfacial.datasets.drawn_motion.skin import UNITS
from microfacial.datasets.drawn_motion.strengths import draw_strengths, draw_units
from microfacial.datasets.drawn_motion.variation import TYPICAL_VARIATION, Variation
from microfacial.models.prior import load_prior
from microfacial.models.unit_description import MovedUnit, describe_units
from microfacial.records import ONSET_APEX

STANDARD_FACE = Variation(centre=0, radius=0, direction_rad=0, place=0, scale=0)


def drawn(unit: int, left: float, right: float) -> np.ndarray:
    """Motion of one unit on the standard face, `(1, 2, 28, 28)`: its strength on the person's left and right."""
    strengths = torch.zeros(1, 1, len(UNITS), 3)
    strengths[0, 0, UNITS.index(unit)] = torch.tensor([max(left, right), left, right])
    return draw_bumps(strengths, 28, STANDARD_FACE, RandomNumbers(torch.Generator().manual_seed(0)))[:, 0].numpy()


def side_of(unit: int, maps: np.ndarray) -> str:
    (clip,) = describe_units(maps, least=0)
    return {moved.unit: moved.side for moved in clip}[unit]


@pytest.mark.parametrize("unit", [2, 4, 9, 12, 15])
def test_the_side_is_the_persons_side(unit: int) -> None:
    left = drawn(unit, 1, 0)
    assert (
        np.abs(left[..., 14:]).sum() > 2 * np.abs(left[..., :14]).sum()
    )  # the person's left is on the picture's right
    assert side_of(unit, left) == "left"
    assert side_of(unit, drawn(unit, 0, 1)) == "right"
    assert side_of(unit, drawn(unit, 1, 1)) == "both"
    assert side_of(unit, drawn(unit, 1, 0.9)) == "both"


def test_the_mirror_image_exchanges_sides_only() -> None:
    rows = torch.arange(60) % 9
    maps = draw_motion(rows, torch.Generator().manual_seed(3), 28).flow[:, 0].numpy()
    mirrored = np.ascontiguousarray(maps[..., ::-1]) * np.array([-1, 1], np.float32)[:, None, None]
    swap = {"left": "right", "right": "left", "both": "both"}
    sides = set()
    for clip, other in zip(describe_units(maps), describe_units(mirrored), strict=True):
        assert {(unit.unit, swap[unit.side]) for unit in clip} == {(unit.unit, unit.side) for unit in other}
        assert [u.probability for u in clip] == pytest.approx([u.probability for u in other], abs=1e-6)
        sides |= {unit.side for unit in clip}
    assert sides == {"left", "right", "both"}


def test_most_sides_of_varied_faces_are_right_and_hardly_any_are_swapped() -> None:
    clips, random = 600, RandomNumbers(torch.Generator().manual_seed(3))
    units = draw_units(torch.arange(clips) % len(EMOTIONS), random)
    strengths = draw_strengths(units, [ONSET_APEX], replace(TYPICAL_VARIATION, one_sided=0), random)
    side = torch.randint(0, 3, units.shape, generator=torch.Generator().manual_seed(4))  # both, left, right
    strengths[:, 0, :, 1] *= side != 2
    strengths[:, 0, :, 2] *= side != 1
    skin = draw_bumps(strengths, 28, TYPICAL_VARIATION, random)
    rest = draw_head_motion(clips, 1, 28, TYPICAL_VARIATION, random)
    maps = (skin + rest + draw_errors(clips, 1, 28, TYPICAL_VARIATION, random))[:, 0].numpy()
    counts = np.zeros((3, 3))
    for row, described in enumerate(describe_units(maps, least=0.3)):
        for moved in described:
            column = UNITS.index(moved.unit)
            if units[row, column] and moved.unit not in (17, 24, 25, 26):
                counts[side[row, column], ("both", "left", "right").index(moved.side)] += 1
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert shares[0, 0] > 0.9
    assert min(shares[1, 1], shares[2, 2]) > 0.45
    assert max(shares[1, 2], shares[2, 1]) < 0.01


@pytest.mark.parametrize("unit", [17, 24, 25, 26])
def test_units_on_the_midline_have_no_side(unit: int) -> None:
    maps = drawn(unit, 1, 1)
    maps[..., :14] = 0
    assert side_of(unit, maps) == "both"


def test_units_are_sorted_and_limited_by_their_probability() -> None:
    maps = np.concatenate([drawn(12, 1, 1), drawn(4, 1, 1)])
    every, probable = describe_units(maps, least=0), describe_units(maps)
    expected = load_prior().unit_probabilities(maps)
    for clip, moved, probabilities in zip(every, probable, expected, strict=True):
        assert {unit.unit: unit.probability for unit in clip} == dict(
            zip(load_prior().units, probabilities, strict=True)
        )
        assert all(first.probability >= second.probability for first, second in pairwise(clip))
        assert moved == tuple(unit for unit in clip if unit.probability >= 0.5)
    assert [clip[0].unit for clip in probable] == [12, 4]


def test_a_unit_unpacks_into_number_probability_and_side() -> None:
    unit, probability, side = MovedUnit(4, 0.8, "left")
    assert (unit, probability, side) == (4, 0.8, "left")


def test_no_clips_give_no_descriptions() -> None:
    assert describe_units(np.zeros((0, 2, 28, 28), np.float32)) == []


def test_every_unit_of_the_prior_has_a_name() -> None:
    assert set(load_prior().units) <= set(UNIT_NAMES)
    assert UNIT_NAMES[12] == "lip corner puller"
