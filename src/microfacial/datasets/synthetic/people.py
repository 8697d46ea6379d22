"""The plan of a synthetic data set, and its persons."""

from dataclasses import dataclass

import numpy as np

from microfacial.datasets.synthetic.expressions import ACTION_UNITS, EXPRESSIONS
from microfacial.datasets.synthetic.geometry import FACE_WIDTH, Bump, make_bump
from microfacial.datasets.synthetic.randomness import draw_between, make_generator

_HABITUAL_UNITS = (4, 7, 10, 14, 17, 2)  # a person adds one of these action units to every expression


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """The size of a synthetic data set. The defaults are the demo of the project.

    Attributes:
        identities: Number of persons.
        clips_per_identity: Number of clips of each person, without those of the class `others`.
        others: Number of clips of the class `others`. The first persons have one each.
        frames: Shortest and longest clip, in frames, both included. At least 4.
        width_px: Width of the face, a multiple of 14. Its height follows (280 x 340).
        seed: Seed of all randomness.
    """

    identities: int = 10
    clips_per_identity: int = 6
    others: int = 2
    frames: tuple[int, int] = (24, 34)
    width_px: int = FACE_WIDTH
    seed: int = 6

    @property
    def height_px(self) -> int:
        """Height of the face, in pixels."""
        return self.width_px * 17 // 14

    @property
    def unit(self) -> float:
        """Pixels per face unit."""
        return self.width_px / FACE_WIDTH


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How one person moves.

    Attributes:
        mixes: For each emotion, the action units that show it, with their weights.
        gains: Gain of each action unit.
        left_gain: Gain of the person's left half of the face.
        right_gain: Gain of the person's right half of the face.
        half_tangent: Tangent of half the angle by which the direction of all motion is turned clockwise.
        extra_unit: Action unit that the person adds to every expression.
        extra_gain: Gain of that action unit.
    """

    mixes: dict[str, dict[int, float]]
    gains: dict[int, float]
    left_gain: float
    right_gain: float
    half_tangent: float
    extra_unit: int
    extra_gain: float


@dataclass(frozen=True, kw_only=True)
class Person:
    """One synthetic person.

    Attributes:
        number: Number of the person; 1 is the first.
        warp: Shifts that turn the proportions of the photograph into those of the person.
        mirror: Weight of the mirrored photograph, 0 to 1.
        mouth: How far the smile of the photograph is closed, 0 to 1.
        tint: Gain of the channels blue, green and red.
        curve: Brightness of the middle tones; positive is brighter, negative is darker.
        side_light: Relative slope of the light; positive is brighter on the right.
        pores: Strength of the skin texture.
        habit: How the person moves.
    """

    number: int
    warp: tuple[Bump, ...]
    mirror: float
    mouth: float
    tint: tuple[float, float, float]
    curve: float
    side_light: float
    pores: float
    habit: Habit


def draw_person(plan: DemoPlan, number: int) -> Person:
    """Draw one person. The result depends only on the seed of the plan and the number.

    Args:
        plan: Plan of the data set.
        number: Number of the person; 1 is the first.
    """
    rng = make_generator(plan.seed, number)
    return Person(
        number=number,
        warp=_draw_warp(rng),
        mirror=(0.0, 1.0, 0.3, 0.7, 0.5)[number % 5],
        mouth=draw_between(rng, 0.75, 1.0),
        tint=_draw_tint(rng),
        curve=draw_between(rng, -0.35, 0.25),
        side_light=draw_between(rng, -0.14, 0.14),
        pores=draw_between(rng, 0.8, 1.4),
        habit=_draw_habit(rng),
    )


def _draw_tint(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw a complexion between cool and warm. Green hardly varies, because more would look like a colour filter."""
    warmth, level = draw_between(rng, -0.07, 0.07), draw_between(rng, 0.9, 1.02)
    return level * (1.0 - warmth), level * draw_between(rng, 0.985, 1.01), level * (1.0 + 0.6 * warmth)


def _draw_warp(rng: np.random.Generator) -> tuple[Bump, ...]:
    """Draw the shifts that give the photograph the proportions of another face. The result is nearly symmetric."""
    eye_x, eye_y, brow, cheek = (draw_between(rng, -limit, limit) for limit in (5, 4, 5, 9))
    nose, mouth_x, mouth_y, chin = (draw_between(rng, -limit, limit) for limit in (6, 6, 5, 9))
    half = (
        make_bump(54, 118, 42, 34, eye_x, eye_y),
        make_bump(55, 90, 44, 18, 0.0, brow),
        make_bump(96, 215, 44, 60, cheek, 0.0),
        make_bump(54, 214, 24, 26, mouth_x, mouth_y),
    )
    central = (
        make_bump(0, 178, 34, 30, draw_between(rng, -2, 2), nose),
        make_bump(0, 300, 60, 34, draw_between(rng, -2, 2), chin),
    )
    pairs = [(bump, bump.mirrored().scaled(draw_between(rng, 0.75, 1.25))) for bump in half]
    return tuple(bump for pair in pairs for bump in pair) + central


def _draw_habit(rng: np.random.Generator) -> Habit:
    lopsided = draw_between(rng, -0.65, 0.65)
    return Habit(
        mixes={emotion: mixes[rng.integers(3)] for emotion, mixes in EXPRESSIONS.items()},
        gains={unit: draw_between(rng, 0.7, 1.3) for unit in ACTION_UNITS},
        left_gain=1.0 + lopsided,
        right_gain=1.0 - lopsided,
        half_tangent=draw_between(rng, -0.3, 0.3),
        extra_unit=_HABITUAL_UNITS[rng.integers(len(_HABITUAL_UNITS))],
        extra_gain=draw_between(rng, 0.5, 1.1),
    )
