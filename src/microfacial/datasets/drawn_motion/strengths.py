"""Draw which action units move, how strongly, on which side, and when.

Axes: N clips · W windows · U action units, in the order of `UNITS` · 3 places of a bump: midline, left, right.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from microfacial.datasets.drawn_motion.emotions import EMOTIONS
from microfacial.datasets.drawn_motion.random_numbers import RandomNumbers
from microfacial.datasets.drawn_motion.skin import BLINK, GAZE, UNITS
from microfacial.datasets.drawn_motion.variation import Variation

KEY_FRAMES = ("onset", "rise", "apex", "fall", "offset")
"""Key frames, between which windows lie."""

_STRAY_STRENGTH = (-0.9, 0.5)  # mean and spread of the logarithm
_BLINK_STRENGTH, _GAZE_STRENGTH = 0.9, 0.6  # spread of the logarithm
_CLOSED = (0.15, 0.4, 0.7, 0.4, 0.15)  # relative probability of closed lids in each key frame of a blink


def draw_units(emotions: Tensor, random: RandomNumbers) -> Tensor:
    """Draw the action units that show each emotion. At least one of the units that define it is among them.

    Args:
        emotions: index of each clip's emotion in `EMOTIONS`, `(N,)` int64.
        random: source of random numbers.

    Returns:
        `(N, U)` bool.
    """
    shown, defining = _emotion_tables(emotions)
    moves = random.uniform(*shown.shape) < shown
    # The defining unit of a clip that drew none of them: one at random, in proportion to its probability.
    weights = torch.where(defining, shown, 0.0)
    chances = random.uniform(*shown.shape).clamp(min=1e-9) ** (1 / weights.clamp(min=1e-9))
    added = torch.nn.functional.one_hot(torch.where(defining, chances, -1.0).argmax(1), len(UNITS)).bool()
    return moves | (added & ~(moves & defining).any(1, keepdim=True))


def draw_strengths(moves: Tensor, windows: Sequence[str], variation: Variation, random: RandomNumbers) -> Tensor:
    """Draw the change of each unit over each window, on the midline and on both sides.

    Args:
        moves: units of each clip, `(N, U)` bool.
        windows: names of windows between key frames, such as onset>apex.
        variation: spread of strengths.
        random: source of random numbers.

    Returns:
        Strengths, `(N, W, U, 3)`. A bump of strength 1 moves the skin as in `SKIN_MOTION`.
    """
    clips, units = moves.shape
    spread = torch.exp(variation.strength * random.normal(clips, units))
    stray = random.uniform(clips, units) < variation.stray_units / units
    weak = torch.exp(_STRAY_STRENGTH[0] + _STRAY_STRENGTH[1] * random.normal(clips, units))
    peak = torch.where(moves, spread, torch.where(stray, weak, 0.0))
    blink, gaze = UNITS.index(BLINK), UNITS.index(GAZE)
    peak[:, [blink, gaze]] = 0
    tracks = peak[:, None] * _rise_and_fall(clips, random)[..., None]  # (N, 5, U)
    tracks[..., blink] = _closed_lids(clips, variation, random)
    tracks[..., gaze] = _turned_eyes(clips, variation, random)
    start, end = ([KEY_FRAMES.index(window.split(">")[place]) for window in windows] for place in (0, 1))
    return (tracks[:, end] - tracks[:, start])[..., None] * _sides(clips, variation, random)[:, None]


def _emotion_tables(emotions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probability of each unit, and whether it defines the emotion, both `(N, U)`."""
    shown = torch.tensor([[emotion.units.get(unit, 0.0) for unit in UNITS] for emotion in EMOTIONS.values()])
    defining = torch.tensor([[unit in emotion.defining for unit in UNITS] for emotion in EMOTIONS.values()])
    return shown.to(emotions.device)[emotions], defining.to(emotions.device)[emotions]


def _rise_and_fall(clips: int, random: RandomNumbers) -> Tensor:
    """Return the strength of an expression at the key frames, `(N, 5)`: 0 at the onset, 1 at the apex."""
    rise, fall, offset = (
        0.3 + 0.4 * random.uniform(clips),
        0.4 + 0.4 * random.uniform(clips),
        0.3 * random.uniform(clips),
    )
    return torch.stack([torch.zeros_like(rise), rise, torch.ones_like(rise), fall, offset], dim=1)


def _closed_lids(clips: int, variation: Variation, random: RandomNumbers) -> Tensor:
    """Return how far the lids are closed at the key frames, `(N, 5)`."""
    closes = random.uniform(clips, 1) < variation.blinks
    closed = random.uniform(clips, 5) < torch.tensor(_CLOSED, device=random.device)
    return closes * closed * torch.exp(_BLINK_STRENGTH * random.normal(clips, 1))


def _turned_eyes(clips: int, variation: Variation, random: RandomNumbers) -> Tensor:
    """Return how far the eyes are turned to the right at the key frames, `(N, 5)`."""
    turns = random.uniform(clips, 1) < variation.gazes
    return turns * random.normal(clips, 5) * torch.exp(_GAZE_STRENGTH * random.normal(clips, 1))


def _sides(clips: int, variation: Variation, random: RandomNumbers) -> Tensor:
    """Return the gain of each unit on the midline, left and right, `(N, U, 3)`. Lids and eyes move together."""
    units = len(UNITS)
    ratio = variation.asymmetry * random.normal(clips, units)
    single = random.uniform(clips, units) < variation.one_sided
    first = random.uniform(clips, units) < 0.5
    left = torch.exp(ratio / 2) * ~(single & first)
    right = torch.exp(-ratio / 2) * ~(single & ~first)
    gains = torch.stack([torch.ones_like(left), left, right], dim=2)
    gains[:, [UNITS.index(BLINK), UNITS.index(GAZE)]] = 1
    return gains
