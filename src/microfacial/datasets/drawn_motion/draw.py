"""Draw batches of flow of faces that do not exist."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from microfacial.datasets.drawn_motion.fields import (
    HEIGHT_PER_UNIT,
    WIDTH_PER_UNIT,
    draw_bumps,
    draw_edges,
    draw_errors,
    draw_head_motion,
)
from microfacial.datasets.drawn_motion.random_numbers import RandomNumbers
from microfacial.datasets.drawn_motion.strengths import draw_strengths, draw_units
from microfacial.datasets.drawn_motion.variation import TYPICAL_VARIATION, Variation
from microfacial.records import ONSET_APEX


@dataclass(frozen=True, kw_only=True)
class DrawnMotion:
    """Flow of N clips in W windows.

    Attributes:
        flow: motion to the right and down, `(N, W, 2, S, S)` float32, in pixels of the square.
        units: whether each of the units `UNITS` was drawn as part of the emotion, `(N, U)` bool. Weak stray units and
            blinks are in the flow, but are false here.
    """

    flow: Tensor
    units: Tensor


def draw_motion(
    emotions: Tensor,
    generator: torch.Generator,
    size_px: int,
    windows: Sequence[str] = (ONSET_APEX,),
    variation: Variation = TYPICAL_VARIATION,
) -> DrawnMotion:
    """Draw one clip for each emotion. Each clip shows another person.

    Args:
        emotions: index of each clip's emotion in `EMOTIONS`, `(N,)` int64, on the device of the generator.
        generator: source of all randomness. The same seed draws the same motion on the same kind of device.
        size_px: side of the square, S.
        windows: names of the windows: two of the key frames onset, rise, apex, fall and offset, such as onset>apex.
        variation: how much the motion varies.

    Returns:
        The drawn motion.
    """
    random = RandomNumbers(generator)
    clips = len(emotions)
    units = draw_units(emotions, random)
    strengths = draw_strengths(units, windows, variation, random)
    skin = draw_bumps(strengths, size_px, variation, random)
    rest = draw_head_motion(clips, len(windows), size_px, variation, random)
    errors = draw_errors(clips, len(windows), size_px, variation, random)
    moved = (skin + rest + errors) * draw_edges(clips, size_px, variation, random)
    per_unit = torch.tensor([WIDTH_PER_UNIT, HEIGHT_PER_UNIT], device=moved.device)[:, None, None]
    return DrawnMotion(flow=moved * per_unit * size_px, units=units)
