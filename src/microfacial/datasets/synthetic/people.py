"""Draws synthetic clips: people, what they show, and the frames that a camera would record of it.

Every face derives from ONE photograph, `skimage.data.astronaut()` (NASA, public domain): smooth warps, blends
with its mirror image, tone, light and pore texture make the "identities", and known motion fields make the
expressions. The clips exercise the pipeline from frames to report. Scores on them are no measure of
accuracy on people. `releases` writes them to disk in the layouts of the corpora.

The bytes are the same on every processor, because the demo's checksum is part of the project's data version.
Rendering therefore uses integers, comparisons, gathers and elementwise float64 `+ - * /` and `floor`, all of
which IEEE 754 defines to the last bit. Library functions (`exp`, `sin`, `**`), float sums and matrix products
are not so defined and do not occur: bumps are rational, rotations use the half-angle tangent, noise is a sum of
uniform integers.

Units: a face unit is 1/280 of a face's width, so one pixel in the shipped demo; x points right, y down.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from skimage import data

Floats = NDArray[np.float64]

FACE_WIDTH, FACE_HEIGHT = 280, 340
MIDLINE, EYE_LINE = 140.0, 118.0
EMOTIONS = {"h": "happiness", "d": "disgust", "s": "surprise", "r": "repression"}

# Who shows what. Uneven as in CASME II (disgust leads), and nobody shows all four.
CAST = ("dhdrdh", "sdshsd", "rdrhdr", "hdhdhd", "dsdsds", "rdhrdh", "sdrdsd", "hdsdhs", "drdhdr", "srdsdr")


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """What to write; the defaults are the shipped demo.

    `width_px` is a multiple of 14, the height follows (280 x 340). `frames` bounds the length of a clip (4 or more),
    both included. `others` counts extra clips of the class `others`, one each for the first identities.
    """

    identities: int = 10
    clips_per_identity: int = 6
    others: int = 2
    frames: tuple[int, int] = (24, 34)
    width_px: int = FACE_WIDTH
    seed: int = 6

    @property
    def height_px(self) -> int:
        """Height of a frame, in pixels."""
        return self.width_px * 17 // 14

    @property
    def unit(self) -> float:
        """Pixels per face unit."""
        return self.width_px / FACE_WIDTH


@dataclass(frozen=True, kw_only=True)
class View:
    """The part of the face's plane that a camera records, in face units; the default is a crop of the face.

    With `room` the head stands before a wall, which keeps still while the head moves. A `grey` camera records three
    equal channels.
    """

    left: float = 0.0
    top: float = 0.0
    width: float = FACE_WIDTH
    height: float = FACE_HEIGHT
    room: bool = False
    grey: bool = False

    @property
    def margin(self) -> int:
        """Face units around the crop of the face that the view, or head motion, may bring into sight."""
        return 116 if self.room else 12


CROP = View()


def scene(width: float, height: float, *, grey: bool = False) -> View:
    """Return the view of a head before a wall, in a frame of so many face units."""
    left, top = MIDLINE - 0.5 * width, EYE_LINE - 0.46 * height
    return View(left=left, top=top, width=width, height=height, room=True, grey=grey)


@dataclass(frozen=True, kw_only=True)
class Bump:
    """A smooth local shift of skin: (dx, dy) at (x, y), a quarter of it one radius away. In face units."""

    x: float
    y: float
    rx: float
    ry: float
    dx: float
    dy: float

    def mirrored(self) -> "Bump":
        """Return the same shift on the other half of the face."""
        return replace(self, x=2 * MIDLINE - self.x, dx=-self.dx)

    def scaled(self, gain: float) -> "Bump":
        """Return the shift times `gain`."""
        return replace(self, dx=gain * self.dx, dy=gain * self.dy)

    def rotated(self, half_tangent: float) -> "Bump":
        """Return the shift with its direction turned by 2 atan(half_tangent), clockwise on screen."""
        square = half_tangent * half_tangent
        cosine, sine = (1 - square) / (1 + square), 2 * half_tangent / (1 + square)
        return replace(self, dx=cosine * self.dx - sine * self.dy, dy=sine * self.dx + cosine * self.dy)

    def moved(self, dx: float, dy: float) -> "Bump":
        """Return the same shift of skin at another place."""
        return replace(self, x=self.x + dx, y=self.y + dy)


def _bump(side: float, y: float, rx: float, ry: float, dx: float, dy: float) -> Bump:
    """Return a bump `side` units right of the midline."""
    return Bump(x=MIDLINE + side, y=y, rx=rx, ry=ry, dx=dx, dy=dy)


# Action units at amplitude 1, for the half of the face on the right of the picture, which is the person's LEFT;
# a bump on the midline moves both halves.
ACTION_UNITS: dict[int, tuple[Bump, ...]] = {
    1: (_bump(27, 92, 22, 20, 0.0, -1.0),),
    2: (_bump(76, 88, 26, 22, 0.15, -1.0),),
    4: (_bump(25, 95, 24, 22, -0.6, 0.8),),
    5: (_bump(54, 109, 24, 10, 0.0, -0.8),),
    6: (_bump(62, 158, 28, 22, 0.0, -0.8), _bump(54, 130, 24, 10, 0.0, -0.6)),
    7: (_bump(54, 128, 24, 10, 0.0, -0.8), _bump(54, 109, 24, 9, 0.0, 0.5)),
    9: (_bump(22, 166, 18, 24, 0.0, -1.0), _bump(20, 98, 18, 16, -0.3, 0.5)),
    10: (_bump(25, 211, 26, 16, 0.0, -1.0), _bump(28, 182, 16, 16, 0.2, -0.6)),
    12: (_bump(50, 220, 26, 22, 0.7, -0.7), _bump(66, 182, 26, 22, 0.2, -0.5)),
    14: (_bump(50, 221, 20, 18, 1.0, 0.1),),
    15: (_bump(49, 224, 22, 20, 0.1, 1.0),),
    17: (_bump(0, 278, 34, 26, 0.0, -1.0), _bump(0, 239, 30, 14, 0.0, -0.6)),
    24: (_bump(0, 214, 34, 12, 0.0, 0.6), _bump(0, 238, 34, 14, 0.0, -0.8)),
    26: (_bump(0, 242, 38, 22, 0.0, 0.8), _bump(0, 288, 46, 32, 0.0, 1.0)),
    45: (_bump(54, 109, 26, 9, 0.0, 1.0),),
}

# The mixes of action units by which a person may show an emotion; the first is the textbook one.
EXPRESSIONS: dict[str, tuple[dict[int, float], ...]] = {
    "happiness": ({12: 1.0, 6: 0.6}, {12: 1.0}, {6: 0.8, 14: 0.8}),
    "disgust": ({9: 1.0, 4: 0.4}, {4: 1.0, 7: 0.8}, {10: 1.0}),
    "surprise": ({1: 1.0, 2: 1.0}, {1: 0.6, 2: 0.6, 26: 0.7}, {2: 1.0, 5: 0.8}),
    "repression": ({15: 0.9, 17: 0.8}, {14: 1.0}, {7: 0.7, 17: 0.8}),
    "others": ({4: 0.8, 14: 0.5}, {7: 0.9, 17: 0.5}, {24: 1.0}),
}
HABITS = (4, 7, 10, 14, 17, 2)  # action units a person may add to whatever is shown


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How one person moves: which mix for which emotion, how strongly, how lopsided, in which direction."""

    mixes: dict[str, dict[int, float]]
    gains: dict[int, float]
    left: float
    right: float
    half_tangent: float
    extra: int
    extra_gain: float


@dataclass(frozen=True, kw_only=True)
class Person:
    """One synthetic person: geometry, surface and habit.

    `mirror` is the weight of the mirrored photograph, `mouth` how far the photograph's smile is closed (0 to 1).
    `tint` is a gain per channel (blue, green, red), `curve` brightens (> 0) or darkens the middle tones,
    `side_light` is a relative slope of light to the right, `pores` the strength of skin texture.
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


@dataclass(frozen=True, kw_only=True)
class DemoClip:
    """One clip: its row in the sheet, and all that moves in it.

    `onset`, `apex` and `offset` are frame numbers; `apex_known` is false where the sheet has `/`. `expression` is
    the motion at the apex, `lids` a blink by one unit. `pose` at onset and `drift` from there to offset are shifts
    right and down in face units and a half-angle tangent; `bend` makes the drift uneven. `blink` is the frame of
    the deepest blink, if any. `light` is what changes up to offset: a gain, and grey levels to the right and down.
    `noise` is the seed of the sensor noise.
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
        """The text of the sheet's first column."""
        return f"{self.subject:02d}"


def _within(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a uniform number between low and high."""
    return low + (high - low) * float(rng.random())


def _rng(*key: int) -> np.random.Generator:
    """Return the generator of one key, so that no clip depends on the order of work."""
    return np.random.Generator(np.random.PCG64(key))


# --- identities ---


def draw_person(plan: DemoPlan, number: int) -> Person:
    """Draw the person `number` (1, 2, ...)."""
    rng = _rng(plan.seed, number)
    return Person(
        number=number,
        warp=_draw_warp(rng),
        mirror=(0.0, 1.0, 0.3, 0.7, 0.5)[number % 5],
        mouth=_within(rng, 0.75, 1.0),
        tint=_draw_tint(rng),
        curve=_within(rng, -0.35, 0.25),
        side_light=_within(rng, -0.14, 0.14),
        pores=_within(rng, 0.8, 1.4),
        habit=_draw_habit(rng),
    )


def _draw_tint(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw a complexion between cool and warm; green hardly moves, for it would look like a filter."""
    warmth, level = _within(rng, -0.07, 0.07), _within(rng, 0.9, 1.02)
    return level * (1.0 - warmth), level * _within(rng, 0.985, 1.01), level * (1.0 + 0.6 * warmth)


def _draw_warp(rng: np.random.Generator) -> tuple[Bump, ...]:
    """Draw the shifts that turn the photograph's proportions into another face's; nearly symmetric."""
    eye_x, eye_y, brow, cheek = (_within(rng, -a, a) for a in (5, 4, 5, 9))
    nose, mouth_x, mouth_y, chin = (_within(rng, -a, a) for a in (6, 6, 5, 9))
    half = (
        _bump(54, 118, 42, 34, eye_x, eye_y),
        _bump(55, 90, 44, 18, 0.0, brow),
        _bump(96, 215, 44, 60, cheek, 0.0),
        _bump(54, 214, 24, 26, mouth_x, mouth_y),
    )
    whole = (
        _bump(0, 178, 34, 30, _within(rng, -2, 2), nose),
        _bump(0, 300, 60, 34, _within(rng, -2, 2), chin),
    )
    return tuple(b for one in half for b in (one, one.mirrored().scaled(_within(rng, 0.75, 1.25)))) + whole


def _draw_habit(rng: np.random.Generator) -> Habit:
    """Draw a personal way to express."""
    lopsided = _within(rng, -0.65, 0.65)
    return Habit(
        mixes={emotion: mixes[rng.integers(3)] for emotion, mixes in EXPRESSIONS.items()},
        gains={unit: _within(rng, 0.7, 1.3) for unit in ACTION_UNITS},
        left=1.0 + lopsided,
        right=1.0 - lopsided,
        half_tangent=_within(rng, -0.3, 0.3),
        extra=HABITS[rng.integers(len(HABITS))],
        extra_gain=_within(rng, 0.5, 1.1),
    )


# --- clips ---


def plan_clips(plan: DemoPlan) -> tuple[DemoClip, ...]:
    """Draw all clips of the plan, ordered by subject, then by name."""
    people = (draw_person(plan, number) for number in range(1, plan.identities + 1))
    return tuple(clip for identity in people for clip in _draw_clips(plan, identity))


def _draw_clips(plan: DemoPlan, identity: Person) -> list[DemoClip]:
    """Draw the clips of one person."""
    emotions = _cast(plan, identity.number)
    return [_draw_clip(plan, identity, index, emotion) for index, emotion in enumerate(emotions)]


def _cast(plan: DemoPlan, number: int) -> list[str]:
    """Return the emotions of a person's clips."""
    row = CAST[(number - 1) % len(CAST)]
    shown = [EMOTIONS[row[index % len(row)]] for index in range(plan.clips_per_identity)]
    return shown + ["others"] * (number <= plan.others)


def _draw_clip(plan: DemoPlan, identity: Person, index: int, emotion: str) -> DemoClip:
    """Draw one clip; the first clip of each person crosses the frame numbers 99 and 100."""
    rng = _rng(plan.seed, identity.number, index)
    length = int(rng.integers(plan.frames[0], plan.frames[1] + 1))
    onset = 101 - length // 2 if index == 0 else int(rng.integers(20, 260))
    apex = onset + int((0.34 + 0.34 * float(rng.random())) * (length - 1))
    seen, expression = _draw_expression(rng, identity, emotion)
    return DemoClip(
        subject=identity.number,
        name=f"EP{2 + 2 * index + int(rng.integers(2)):02d}_{int(rng.integers(1, 13)):02d}"
        + "f" * int(rng.integers(2)),
        emotion=emotion,
        onset=onset,
        apex=apex,
        offset=onset + length - 1,
        apex_known=(identity.number, index) != (min(4, plan.identities), 1),
        action_units=_code(seen, identity.habit),
        expression=expression,
        lids=tuple(_on_face(ACTION_UNITS[45], identity.warp)),
        pose=(_within(rng, -3, 3), _within(rng, -3, 3), _within(rng, -0.008, 0.008)),
        drift=(_within(rng, -1.5, 1.5), _within(rng, -1.5, 1.5), _within(rng, -0.0026, 0.0026)),
        bend=_within(rng, -0.6, 0.6),
        blink=onset + int(rng.integers(length)) if rng.integers(4) == 0 else None,
        light=(_within(rng, -0.02, 0.02), _within(rng, -3, 3), _within(rng, -3, 3)),
        noise=int(rng.integers(1, 1 << 62)),
    )


def _draw_expression(rng: np.random.Generator, identity: Person, emotion: str) -> tuple[list[int], tuple[Bump, ...]]:
    """Draw what one clip shows: the action units that a coder would see, and the motion at the apex."""
    habit = identity.habit
    mix = habit.mixes[emotion]
    strength = _within(rng, 0.5, 1.4)
    gains = {unit: strength * gain * habit.gains[unit] * _within(rng, 0.75, 1.25) for unit, gain in mix.items()}
    gains[habit.extra] = gains.get(habit.extra, 0.0) + habit.extra_gain * strength * _within(rng, 0.5, 1.5)
    seen = sorted(gains if rng.integers(2) else mix)  # a coder may miss the habit
    stray = tuple(ACTION_UNITS)[rng.integers(len(ACTION_UNITS) - 1)]
    gains[stray] = gains.get(stray, 0.0) + _within(rng, 0.0, 0.5)
    half = (bump.rotated(habit.half_tangent).scaled(gains[unit]) for unit in gains for bump in ACTION_UNITS[unit])
    return seen, tuple(_on_face(half, identity.warp, habit.left, habit.right))


def _on_face(half: Iterable[Bump], warp: tuple[Bump, ...], left: float = 1.0, right: float = 1.0) -> Iterator[Bump]:
    """Yield bumps of the standard face on both halves of a person's face, at that person's landmarks."""
    for bump in half:
        sides = (bump,) if bump.x == MIDLINE else (bump.scaled(left), bump.mirrored().scaled(right))
        for side in sides:
            dx, dy = displace(np.array([side.x, side.y]), warp)
            yield side.moved(float(dx), float(dy))


def _code(units: list[int], habit: Habit) -> int | str:
    """Return the sheet's action-unit cell: a number for a single unit, else text; L or R marks a one-sided show."""
    side = "L" if habit.left > 2.5 * habit.right else "R" if habit.right > 2.5 * habit.left else ""
    if len(units) == 1 and not side:
        return units[0]
    return "+".join(f"{unit}" if _is_central(unit) else f"{side}{unit}" for unit in units)


def _is_central(unit: int) -> bool:
    """Tell whether an action unit has no left and right."""
    return all(bump.x == MIDLINE for bump in ACTION_UNITS[unit])


# --- motion ---


def displace(points: Floats, bumps: tuple[Bump, ...]) -> Floats:
    """Return the shift (2, ...) of the face points (2, ...) by all bumps together, in face units."""
    total = np.zeros_like(points)
    for bump in bumps:
        across, down = (points[0] - bump.x) / bump.rx, (points[1] - bump.y) / bump.ry
        spread = 1.0 + (across * across + down * down)
        weight = 1.0 / (spread * spread)
        total[0] += bump.dx * weight
        total[1] += bump.dy * weight
    return total


def _smoothstep(x: float) -> float:
    """Return the cubic that rises from 0 at 0 to 1 at 1."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


def _intensity(clip: DemoClip, frame: int) -> float:
    """Return the strength of the expression: 0 at onset, 1 at apex, nearly gone at offset."""
    if frame <= clip.apex:
        return _smoothstep((frame - clip.onset) / max(clip.apex - clip.onset, 1))
    return 1.0 - 0.9 * _smoothstep((frame - clip.apex) / (clip.offset - clip.apex))


def _eyelids(clip: DemoClip, frame: int) -> float:
    """Return how far the lids are down, in face units; a blink lasts 25 frames (an eighth of a second)."""
    if clip.blink is None:
        return 0.0
    return 5.0 * _smoothstep(1.0 - abs(frame - clip.blink) / 12.0)


def _time(clip: DemoClip, frame: int) -> float:
    """Return how much of the clip has passed, 0 up to the onset and 1 from the offset on."""
    return min(max((frame - clip.onset) / (clip.offset - clip.onset), 0.0), 1.0)


def _head(clip: DemoClip, frame: int) -> tuple[float, float, float]:
    """Return the head's pose: shift right, shift down (face units) and half-angle tangent."""
    time = _time(clip, frame)
    progress = time + clip.bend * time * (1.0 - time)
    x, y, turn = (start + change * progress for start, change in zip(clip.pose, clip.drift, strict=True))
    return x, y, turn


def continue_motion(clips: Iterable[DemoClip]) -> Iterator[DemoClip]:
    """Yield the clips as parts of one video: each head starts where the one before ended, in steady light."""
    pose = None
    for clip in clips:
        part = replace(clip, pose=clip.pose if pose is None else pose, light=(0.0, 0.0, 0.0))
        pose = _head(part, part.offset)
        yield part


def _frame_points(plan: DemoPlan, view: View) -> Floats:
    """Return the face coordinates (2, H, W) of a frame's pixels."""
    rows, columns = np.indices((round(view.height * plan.unit), round(view.width * plan.unit)))
    return np.stack([columns / plan.unit + view.left, rows / plan.unit + view.top])


def _unpose(points: Floats, pose: tuple[float, float, float]) -> Floats:
    """Map points of the frame to points of the resting head."""
    dx, dy, half_tangent = pose
    square = half_tangent * half_tangent
    cosine, sine = (1.0 - square) / (1.0 + square), 2.0 * half_tangent / (1.0 + square)
    x, y = points[0] - (MIDLINE + dx), points[1] - (170.0 + dy)
    return np.stack([cosine * x + sine * y + MIDLINE, cosine * y - sine * x + 170.0])


def _pose(points: Floats, pose: tuple[float, float, float]) -> Floats:
    """Map points of the resting head to points of the frame; undoes `_unpose`."""
    dx, dy, half_tangent = pose
    centred = _unpose(points, (0.0, 0.0, -half_tangent))
    return np.stack([centred[0] + dx, centred[1] + dy])


def true_motion(
    plan: DemoPlan, clip: DemoClip, frame: int | None = None, *, head: bool = True, view: View = CROP
) -> Floats:
    """Return the motion of each onset pixel up to `frame` (the apex if not given), (2, H, W) in pixels.

    Convention: channel 0 is right, channel 1 down. With `head=False` the drift of the head is left out, which is
    what flow should show after the rigid part is removed. In a view with a room the truth holds on the head.
    """
    frame = clip.apex if frame is None else frame
    start = _frame_points(plan, view)
    pose = _head(clip, frame if head else clip.onset)
    # Rendering looks back: pixel p shows the face at unpose(p) - shift(p). Solve for the p that now shows what
    # `start` showed; the shifts vary so gently over the face that each round of substitution shrinks the error.
    shown = _unpose(start, _head(clip, clip.onset)) - _shift(clip, clip.onset, start)
    end = start
    for _ in range(12):
        end = _pose(shown + _shift(clip, frame, end), pose)
    return (end - start) * plan.unit


def _shift(clip: DemoClip, frame: int, points: Floats) -> Floats:
    """Return how far the skin at the points (2, H, W) of the frame has moved on the head, in face units."""
    expression = _intensity(clip, frame) * displace(points, clip.expression)
    return expression + _eyelids(clip, frame) * displace(points, clip.lids)


# --- the still face ---


def build_face(plan: DemoPlan, identity: Person, view: View = CROP) -> Floats:
    """Return the resting face (H', W', 3), blue first, at twice the frame's resolution and with the view's margin."""
    step = 2 * plan.unit
    rows, columns = (round(step * (length + 2 * view.margin)) for length in (FACE_HEIGHT, FACE_WIDTH))
    y, x = np.indices((rows, columns))
    points = np.stack([x / step - view.margin, y / step - view.margin])
    points = _close_mouth(points - displace(points, identity.warp), identity.mouth)
    photo = np.asarray(data.astronaut(), dtype=np.float64)[:, :, ::-1]  # type: ignore[no-untyped-call]
    face = (1.0 - identity.mirror) * _sample_photo(photo, points)
    face += identity.mirror * _sample_photo(photo, np.stack([2 * MIDLINE - points[0], points[1]]))
    return _surface(face, points, identity, _rng(plan.seed, identity.number, 1 << 20))


def _close_mouth(points: Floats, amount: float) -> Floats:
    """Map the points of a face at rest to those of the photograph, which smiles with its teeth."""
    lowered = tuple(b.scaled(amount) for b in (_bump(52, 216, 24, 20, -5.0, 10.0), _bump(-52, 216, 24, 20, 5.0, 10.0)))
    x, y = points - displace(points, lowered)
    side = (x - MIDLINE) / 54.0
    away = (y - (226.0 - 11.0 * side * side)) / 10.0
    spread = (1.0 + away * away) * (1.0 + side * side * side * side)
    return np.stack([x, y + amount * 30.0 * away / (spread * (1.0 + away * away))])


def _sample_photo(photo: Floats, points: Floats) -> Floats:
    """Return the photograph's colours (H, W, 3) at face points (2, H, W), by Catmull-Rom interpolation."""
    x, y = points[0] - MIDLINE, points[1] - EYE_LINE
    # The photographed eyes are 43 px apart at (203, 101) and (246, 103), so the head leans by 0.0465.
    across, down = 224.5 + (x - 0.0465 * y) / 2.5, 102.0 + (y + 0.0465 * x) / 2.5
    column, row = np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)
    total = np.zeros((*x.shape, 3))
    for i, weight_down in enumerate(_catmull_rom(down - row)):
        for j, weight_across in enumerate(_catmull_rom(across - column)):
            total += (weight_down * weight_across)[..., None] * photo[row + (i - 1), column + (j - 1)]
    return total


def _catmull_rom(t: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the weights of the four neighbours at the fraction t between the inner two."""
    return (
        0.5 * t * (t * (2.0 - t) - 1.0),
        0.5 * (t * t * (3.0 * t - 5.0) + 2.0),
        0.5 * t * (t * (4.0 - 3.0 * t) + 1.0),
        0.5 * t * t * (t - 1.0),
    )


def _surface(face: Floats, points: Floats, identity: Person, rng: np.random.Generator) -> Floats:
    """Give a face its complexion, light from one side, and pores."""
    face = face + identity.curve * face * (255.0 - face) / 255.0
    shade = 1.0 + identity.side_light * (points[0] - MIDLINE) / MIDLINE
    pores = identity.pores * _grain(rng, face.shape[:2]) * shade
    face = face * shade[..., None] * np.array(identity.tint) + pores[..., None]
    return np.clip(face, 0.0, 255.0)


def _grain(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return smooth random texture of the given shape, in grey levels of about 2.5 root mean square."""
    coarse = rng.integers(-128, 128, (shape[0] + 4, shape[1] + 4))
    for _ in range(2):
        coarse = coarse[:-2] + 2 * coarse[1:-1] + coarse[2:]
        coarse = coarse[:, :-2] + 2 * coarse[:, 1:-1] + coarse[:, 2:]
    return coarse / 2048.0


# --- frames ---


def render_clip(
    plan: DemoPlan, clip: DemoClip, face: Floats, view: View = CROP, *, around: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames (H, W, 3) of a clip from onset to offset, blue first.

    Args:
        face: what `build_face` returns for this view.
        around: so many frames more before the onset and after the offset.
    """
    points = _frame_points(plan, view)
    wall = _build_wall(plan, view, points) if view.room else None
    window = _find_head(points, view)
    inner = points[:, *window]
    expression, lids = displace(inner, clip.expression), displace(inner, clip.lids)
    rng = _rng(clip.noise)
    for frame in range(clip.onset - around, clip.offset + around + 1):
        shift = _intensity(clip, frame) * expression + _eyelids(clip, frame) * lids
        rest = _unpose(inner, _head(clip, frame))
        still = _gather(face, rest - shift + view.margin, 2 * plan.unit)
        if wall is not None:
            cover = _cover(rest)[..., None]
            seen = wall.copy()
            seen[window] = cover * still + (1.0 - cover) * wall[window]
            still = seen
        yield _expose(still, points, clip, frame, rng, grey=view.grey)


def _find_head(points: Floats, view: View) -> tuple[slice, slice]:
    """Return the rows and columns of the frame in which the head may be seen; all of them in a crop."""
    if not view.room:
        return slice(None), slice(None)
    rows = np.flatnonzero((points[1, :, 0] > -116.0) & (points[1, :, 0] < 340.0))
    columns = np.flatnonzero((points[0, 0] > -60.0) & (points[0, 0] < 340.0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _gather(picture: Floats, points: Floats, step: float) -> Floats:
    """Return the colours of a picture at points (2, H, W) from its corner, bilinear; `step` is its pixels per unit."""
    across, down = points * step
    across, down = np.clip(across, 0.0, picture.shape[1] - 2.0), np.clip(down, 0.0, picture.shape[0] - 2.0)
    column, row = np.floor(across), np.floor(down)
    right, low = (across - column)[..., None], (down - row)[..., None]
    flat, width = picture.reshape(-1, 3), picture.shape[1]
    first = (row * width + column).astype(np.int64)
    top = flat[first] * (1.0 - right) + flat[first + 1] * right
    bottom = flat[first + width] * (1.0 - right) + flat[first + width + 1] * right
    return np.asarray(top * (1.0 - low) + bottom * low, dtype=np.float64)


def _build_wall(plan: DemoPlan, view: View, points: Floats) -> Floats:
    """Return the wall (H, W, 3) behind the head: grey, in soft blotches of some 20 face units."""
    corner = np.array([view.left, view.top])[:, None, None]
    blotches = _grain(_rng(plan.seed, 0), (round(view.height / 10) + 3, round(view.width / 10) + 3))
    return _gather(150.0 + 3.0 * np.stack([blotches] * 3, axis=-1), points - corner, 0.1)


def _cover(rest: Floats) -> Floats:
    """Return how much of the wall the head hides (H, W), 0 to 1, at points (2, H, W) of the resting head."""
    down = rest[1] - 112.0
    across, down = (rest[0] - MIDLINE) / np.maximum(160.0 - 0.22 * down, 1.0), down / 208.0  # wide hair, narrow jaw
    inside = np.clip((1.0 - (across * across + down * down)) / 0.14, 0.0, 1.0)
    return np.asarray(inside * inside * (3.0 - 2.0 * inside), dtype=np.float64)


def _expose(
    still: Floats, points: Floats, clip: DemoClip, frame: int, rng: np.random.Generator, *, grey: bool
) -> NDArray[np.uint8]:
    """Return what the camera records: slowly changing light, sensor noise, whole grey levels."""
    time = _time(clip, frame)
    gain, right, down = (change * time * (2.0 - time) for change in clip.light)
    ramp = right * (points[0] - MIDLINE) / MIDLINE + down * (points[1] - 170.0) / 170.0
    raw = rng.integers(0, 256, (3, *still.shape), dtype=np.uint8).astype(np.int64)
    noise = (raw[0] + raw[1] + raw[2] - 382) / 85.0  # 1.5 grey levels root mean square
    levels = np.floor(still * (1.0 + gain) + ramp[..., None] + noise + 0.5)
    if grey:
        levels = np.stack(
            [np.floor(0.125 * levels[..., 0] + 0.5 * levels[..., 1] + 0.375 * levels[..., 2])] * 3, axis=-1
        )
    return np.asarray(np.clip(levels, 0.0, 255.0), dtype=np.uint8)
