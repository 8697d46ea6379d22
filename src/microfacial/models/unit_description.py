"""Describe the action units of a face in words for people: which ones moved, how probably, and on which side.

    maps (n, C, s, s) ─▶ motion prior ─▶ probability of each unit
                      ├▶ half on the left of the picture + its mirror image ──▶ motion prior ─┐
                      └▶ half on the right of the picture + its mirror image ─▶ motion prior ─┴▶ side of each unit

A unit moves one side if the evidence for it in one half of the face is much stronger than in the other half.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.drawn_motion.skin import SKIN_MOTION
from microfacial.datasets.synthetic.geometry import MIDLINE
from microfacial.models.prior import MotionPrior, load_prior

# Least difference between the logits of the two halves for a unit on one side. On 6,000 drawn clips, .94 of the units
# on both sides and .53 of those on one side are then described correctly, and .001 of the latter on the wrong side. If
# one unit in ten is on one side, half of the units that are described so are. With 4, the shares are .88 and .64.
_ONE_SIDED = 5.0

_CENTRAL = {unit for unit, bumps in SKIN_MOTION.items() if all(bump.x == MIDLINE for bump in bumps)}


class MovedUnit(NamedTuple):
    """An action unit that moved in a clip.

    Attributes:
        unit: number of the unit in the Facial Action Coding System.
        probability: probability that it moved, 0 to 1.
        side: side that it moved, `both` if neither was clearly stronger. Left is the person's left, as in annotations.
            Units of the chin and of the lips as a whole have no sides, so they are always `both`.
    """

    unit: int
    probability: float
    side: Literal["left", "right", "both"]


def describe_units(
    maps: NDArray[np.float32], least: float = 0.5, prior: MotionPrior | None = None
) -> list[tuple[MovedUnit, ...]]:
    """Return the action units that moved in each clip, according to the motion prior.

    Args:
        maps: motion to the right, motion down and possibly further channels, `(n, C, s, s)`, in any unit, in the frame
            of drawn faces; see `models.inputs.portrait`. The camera's picture must not be mirrored.
        least: smallest probability of a unit in the result. With 0, all units of the prior are in it.
        prior: the motion prior; None for the one in the package.

    Returns:
        For each of the n clips, the units in descending order of their probabilities.

    Raises:
        StorageError: the weights of the prior are missing or damaged.
    """
    prior = prior or load_prior()
    on_left, on_right = prior.half_scores(maps)
    excess = on_right - on_left  # the right of the picture is the person's left
    return [
        _describe(prior.units, probabilities, differences, least)
        for probabilities, differences in zip(prior.unit_probabilities(maps).tolist(), excess.tolist(), strict=True)
    ]


def _describe(
    units: Sequence[int], probabilities: Sequence[float], excess: Sequence[float], least: float
) -> tuple[MovedUnit, ...]:
    """Return the probable units of one clip. `excess` is positive for more motion on the person's left."""
    moved = []
    for unit, probability, difference in zip(units, probabilities, excess, strict=True):
        one_sided = abs(difference) > _ONE_SIDED and unit not in _CENTRAL
        side: Literal["left", "right"] = "left" if difference > 0 else "right"
        moved.append(MovedUnit(unit, probability, side if one_sided else "both"))
    return tuple(sorted((unit for unit in moved if unit.probability >= least), key=lambda unit: -unit.probability))
