"""Plan the sample video: what each person does at which time.

A person shows micro-expressions, macro-expressions and nothing, blinks, talks and moves the head a little. Times are in
frames. Strengths are in face units of the skin that moves most.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from microfacial.datasets.synthetic.clips import draw_expression
from microfacial.datasets.synthetic.expressions import EXPRESSIONS
from microfacial.datasets.synthetic.geometry import FACE_HEIGHT, FACE_WIDTH, Bump, displace
from microfacial.datasets.synthetic.motion import smoothstep
from microfacial.datasets.synthetic.people import DemoPlan, draw_person
from microfacial.datasets.synthetic.randomness import draw_between, make_generator

Pose = tuple[float, float, float]

_CLASSES = {"happiness": "positive", "disgust": "negative", "repression": "negative", "surprise": "surprise"}
_MICRO_S, _MACRO_S = (0.2, 0.5), (0.8, 3.0)
_MICRO_UNITS, _MACRO_UNITS = (1.2, 2.5), (3.5, 7.0)
_RISE_OF_MICRO, _RISE_S = (0.35, 0.6), (0.25, 0.45)
_GAP_S, _TALK_S, _BLINK_S, _BLINK_GAP_S, _HEAD_S = (1.5, 4.0), (2.0, 5.0), (0.15, 0.3), (2.0, 6.0), (1.5, 4.0)
_SYLLABLE_S = (0.15, 0.3)
_HEAD: Pose = (4.0, 3.0, 0.012)  # largest shifts in face units, and tangent of half the largest turn
_ACTS: tuple[Literal["micro", "macro", "talk"], ...] = ("micro", "micro", "macro", "talk")


@dataclass(frozen=True, kw_only=True)
class FilmedExpression:
    """One expression in the sample video.

    Attributes:
        onset: number of the first frame with the expression.
        apex: number of the frame with the strongest expression.
        offset: number of the last frame with the expression.
        label: class: negative, positive or surprise.
        kind: micro or macro.
        motion: motion of the skin at the apex.
        hold: number of frames after the apex in which the expression stays.
    """

    onset: int
    apex: int
    offset: int
    label: str
    kind: Literal["micro", "macro"]
    motion: tuple[Bump, ...]
    hold: int

    def strength(self, frame: int) -> float:
        """Return the share of the motion that a frame shows, 0 to 1."""
        start = self.apex + self.hold
        rise = smoothstep((frame - self.onset + 1) / (self.apex - self.onset + 1))
        return rise * (1.0 - smoothstep((frame - start) / (self.offset + 1 - start)))


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A short movement that comes and goes: a blink, or a syllable.

    Attributes:
        first: number of the first frame.
        frames: number of frames.
        amount: strength in its middle, with any unit.
        turn: share of the second direction of the movement, -1 to 1.
    """

    first: int
    frames: int
    amount: float
    turn: float = 0.0

    def strength(self, frame: int) -> float:
        """Return the strength in a frame, 0 outside of the beat."""
        return self.amount * smoothstep(1.0 - abs(2.0 * (frame - self.first + 1) / (self.frames + 1) - 1.0))


@dataclass(frozen=True, kw_only=True)
class PersonPlan:
    """What one person does.

    Attributes:
        number: number of the person in the plan of the data set.
        expressions: expressions, in order of time.
        blinks: blinks. Their unit is the face unit by which lids drop.
        syllables: openings of the mouth, in face units.
        head: frame numbers, ascending, and the pose of the head in each. In between it moves smoothly.
    """

    number: int
    expressions: tuple[FilmedExpression, ...]
    blinks: tuple[Beat, ...]
    syllables: tuple[Beat, ...]
    head: tuple[tuple[int, Pose], ...]

    def pose(self, frame: int) -> Pose:
        """Return the pose of the head in a frame."""
        for (first, start), (last, end) in pairwise(self.head):
            if first <= frame <= last:
                share = smoothstep((frame - first) / (last - first))
                x, y, turn = (a + share * (b - a) for a, b in zip(start, end, strict=True))
                return x, y, turn
        return self.head[-1][1]


def plan_person(plan: DemoPlan, number: int, frames: int, fps: float) -> PersonPlan:
    """Draw what a person does in a video.

    Args:
        plan: plan of the data set, which gives the person and the seed.
        number: number of the person.
        frames: number of frames of the video. Frames are numbered from 1.
        fps: frames per second.

    Returns:
        The plan. It depends only on the arguments.
    """
    rng = make_generator(plan.seed, number, 1 << 24)
    expressions: list[FilmedExpression] = []
    syllables: list[Beat] = []
    start = 1 + round(fps)
    while start < frames:
        act = _ACTS[rng.integers(len(_ACTS))]
        if act == "talk":
            end = start + round(fps * draw_between(rng, *_TALK_S))
            syllables += _draw_syllables(rng, start, end, fps)
        else:
            expression = _draw_filmed(rng, plan, number, act, start, fps)
            expressions.append(expression)
            end = expression.offset
        start = end + round(fps * draw_between(rng, *_GAP_S))
    last = frames - round(0.5 * fps)  # the video ends with a face at rest
    return PersonPlan(
        number=number,
        expressions=tuple(expression for expression in expressions if expression.offset <= last),
        blinks=tuple(_draw_blinks(rng, frames, fps)),
        syllables=tuple(syllables),
        head=tuple(_draw_head(rng, frames, fps)),
    )


def _draw_filmed(
    rng: np.random.Generator, plan: DemoPlan, number: int, kind: Literal["micro", "macro"], onset: int, fps: float
) -> FilmedExpression:
    """Draw one expression."""
    emotion = tuple(name for name in EXPRESSIONS if name in _CLASSES)[rng.integers(len(_CLASSES))]
    motion = draw_expression(rng, draw_person(plan, number), emotion)[1]
    points = np.mgrid[0:FACE_WIDTH:4, 0:FACE_HEIGHT:4].astype(np.float64)
    largest = float(np.hypot(*displace(points, motion)).max())
    is_micro = kind == "micro"
    gain = draw_between(rng, *(_MICRO_UNITS if is_micro else _MACRO_UNITS)) / largest
    seconds = draw_between(rng, *(_MICRO_S if is_micro else _MACRO_S))
    rise = draw_between(rng, *_RISE_OF_MICRO) * seconds if is_micro else draw_between(rng, *_RISE_S)
    fall = seconds - rise if is_micro else draw_between(rng, *_RISE_S)
    length = max(4, int(seconds * fps))  # a micro-expression is never longer than its limit
    apex = onset + min(max(1, round(rise * fps)), length - 2)
    return FilmedExpression(
        onset=onset,
        apex=apex,
        offset=onset + length - 1,
        label=_CLASSES[emotion],
        kind=kind,
        motion=tuple(bump.scaled(gain) for bump in motion),
        hold=max(0, length - 1 - (apex - onset) - round(fall * fps)),
    )


def _draw_syllables(rng: np.random.Generator, start: int, end: int, fps: float) -> Iterator[Beat]:
    first = start
    while first < end:
        length = max(3, round(fps * draw_between(rng, *_SYLLABLE_S)))
        yield Beat(first=first, frames=length, amount=draw_between(rng, 2.0, 7.0), turn=draw_between(rng, -1.0, 1.0))
        first += length


def _draw_blinks(rng: np.random.Generator, frames: int, fps: float) -> Iterator[Beat]:
    first = round(fps * draw_between(rng, *_BLINK_GAP_S))
    while first < frames:
        length = max(3, round(fps * draw_between(rng, *_BLINK_S)))
        yield Beat(first=first, frames=length, amount=draw_between(rng, 8.0, 11.0))
        first += length + round(fps * draw_between(rng, *_BLINK_GAP_S))


def _draw_head(rng: np.random.Generator, frames: int, fps: float) -> Iterator[tuple[int, Pose]]:
    frame = 1
    while True:
        x, y, turn = (draw_between(rng, -most, most) for most in _HEAD)
        yield frame, (x, y, turn)
        if frame > frames:
            return
        frame += round(fps * draw_between(rng, *_HEAD_S))
