"""Draw the clips of each person: emotion, key frames, expression and head motion."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from microfacial.datasets.synthetic.expressions import ACTION_UNITS, is_central, place_on_face
from microfacial.datasets.synthetic.geometry import Bump
from microfacial.datasets.synthetic.people import DemoPlan, Habit, Person, draw_person
from microfacial.datasets.synthetic.randomness import draw_between, make_generator

_EMOTIONS = {"h": "happiness", "d": "disgust", "s": "surprise", "r": "repression"}

# Emotions of each person's clips, one letter per clip. As in CASME II, they are uneven (disgust is most frequent), and
# nobody shows all four.
_EMOTIONS_BY_PERSON = (
    "dhdrdh",
    "sdshsd",
    "rdrhdr",
    "hdhdhd",
    "dsdsds",
    "rdhrdh",
    "sdrdsd",
    "hdsdhs",
    "drdhdr",
    "srdsdr",
)


@dataclass(frozen=True, kw_only=True)
class DemoClip:
    """One synthetic clip: its row in the annotation sheet, and everything that moves in it.

    Attributes:
        subject: Number of the person.
        name: Name of the clip, unique among the clips of the person.
        emotion: Emotion that the clip shows.
        onset: Number of the first frame.
        apex: Number of the frame with the strongest expression.
        offset: Number of the last frame.
        apex_known: Whether the sheet gives the apex. It has `/` instead for one clip of the data set.
        action_units: Action units as in the sheet: a number for a single one, else text such as `4+L14`.
        expression: Motion of the skin at the apex.
        lids: Motion of the eyelids that lowers them by one face unit.
        pose: Pose at the onset: shift to the right and down in face units, and the tangent of half the clockwise turn.
        drift: Change of the pose from onset to offset, in the same units.
        bend: How uneven the drift is: 0 for constant speed, positive if it is faster at first.
        blink: Number of the frame in which the lids are lowest; None without a blink.
        light: Change of the light from onset to offset: relative gain, then grey levels at the right and bottom edges.
        noise: Seed of the sensor noise.
    """

    subject: int
    name: str
    emotion: str
    onset: int
    apex: int
    offset: int
    apex_known: bool
    action_units: int | str
    expression: tuple[Bump, ...]
    lids: tuple[Bump, ...]
    pose: tuple[float, float, float]
    drift: tuple[float, float, float]
    bend: float
    blink: int | None
    light: tuple[float, float, float]
    noise: int

    @property
    def subject_name(self) -> str:
        """Text in the first column of the sheet."""
        return f"{self.subject:02d}"


def plan_clips(plan: DemoPlan) -> tuple[DemoClip, ...]:
    """Draw all clips of a data set.

    Args:
        plan: Plan of the data set.

    Returns:
        Clips in the order of the persons' numbers. The first `plan.others` persons also have one clip of the class
        `others`, as their last.
    """
    return tuple(_draw_clips(plan))


def _draw_clips(plan: DemoPlan) -> Iterator[DemoClip]:
    for number in range(1, plan.identities + 1):
        person = draw_person(plan, number)
        for index, emotion in enumerate(_list_emotions(plan, number)):
            yield _draw_clip(plan, person, index, emotion)


def _list_emotions(plan: DemoPlan, number: int) -> list[str]:
    """Return the emotions of the clips of person `number`."""
    letters = _EMOTIONS_BY_PERSON[(number - 1) % len(_EMOTIONS_BY_PERSON)]
    emotions = [_EMOTIONS[letters[index % len(letters)]] for index in range(plan.clips_per_identity)]
    return emotions + ["others"] * (number <= plan.others)


def _draw_clip(plan: DemoPlan, person: Person, index: int, emotion: str) -> DemoClip:
    """Draw one clip. The first clip of each person contains the frame numbers 99 and 100."""
    rng = make_generator(plan.seed, person.number, index)
    length = int(rng.integers(plan.frames[0], plan.frames[1] + 1))
    onset = 101 - length // 2 if index == 0 else int(rng.integers(20, 260))
    apex = onset + int((0.34 + 0.34 * float(rng.random())) * (length - 1))
    coded_units, expression = draw_expression(rng, person, emotion)
    return DemoClip(
        subject=person.number,
        name=f"EP{2 + 2 * index + int(rng.integers(2)):02d}_{int(rng.integers(1, 13)):02d}"
        + "f" * int(rng.integers(2)),
        emotion=emotion,
        onset=onset,
        apex=apex,
        offset=onset + length - 1,
        apex_known=(person.number, index) != (min(4, plan.identities), 1),
        action_units=_format_units(coded_units, person.habit),
        expression=expression,
        lids=tuple(place_on_face(ACTION_UNITS[45], person.warp)),
        pose=(draw_between(rng, -3, 3), draw_between(rng, -3, 3), draw_between(rng, -0.008, 0.008)),
        drift=(draw_between(rng, -1.5, 1.5), draw_between(rng, -1.5, 1.5), draw_between(rng, -0.0026, 0.0026)),
        bend=draw_between(rng, -0.6, 0.6),
        blink=onset + int(rng.integers(length)) if rng.integers(4) == 0 else None,
        light=(draw_between(rng, -0.02, 0.02), draw_between(rng, -3, 3), draw_between(rng, -3, 3)),
        noise=int(rng.integers(1, 1 << 62)),
    )


def draw_expression(rng: np.random.Generator, person: Person, emotion: str) -> tuple[list[int], tuple[Bump, ...]]:
    """Draw the action units that a coder notes for one clip, and the motion of the skin at the apex.

    The motion contains the person's extra action unit, which a coder may miss, and a weak stray one, which no coder
    notes.

    Args:
        rng: Source of randomness.
        person: Person who shows the emotion.
        emotion: A key of `EXPRESSIONS`.
    """
    habit = person.habit
    mix = habit.mixes[emotion]
    strength = draw_between(rng, 0.5, 1.4)
    gains = {unit: strength * gain * habit.gains[unit] * draw_between(rng, 0.75, 1.25) for unit, gain in mix.items()}
    extra_gain = habit.extra_gain * strength * draw_between(rng, 0.5, 1.5)
    gains[habit.extra_unit] = gains.get(habit.extra_unit, 0.0) + extra_gain
    coded_units = sorted(gains if rng.integers(2) else mix)
    stray_unit = tuple(ACTION_UNITS)[rng.integers(len(ACTION_UNITS) - 1)]
    gains[stray_unit] = gains.get(stray_unit, 0.0) + draw_between(rng, 0.0, 0.5)
    half = (bump.rotated(habit.half_tangent).scaled(gains[unit]) for unit in gains for bump in ACTION_UNITS[unit])
    return coded_units, tuple(place_on_face(half, person.warp, habit.left_gain, habit.right_gain))


def _format_units(units: list[int], habit: Habit) -> int | str:
    """Return the cell of the sheet: a number for a single action unit, else text. L or R marks a one-sided motion."""
    left_only = habit.left_gain > 2.5 * habit.right_gain
    right_only = habit.right_gain > 2.5 * habit.left_gain
    side = "L" if left_only else "R" if right_only else ""
    if len(units) == 1 and not side:
        return units[0]
    return "+".join(f"{unit}" if is_central(unit) else f"{side}{unit}" for unit in units)
