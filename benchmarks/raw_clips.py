"""Spot movements in drawn raw clips, and count the right answers: the movement if there is one, otherwise none.

The people are those of the demo, in front of a wall. Settings of spotting were chosen on persons 1 to 4 (`--tuning`).

    python benchmarks/raw_clips.py [--tuning] [--people N] [--only "WORDS|WORDS"] [--verbose]
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.frames import open_clip
from microfacial.datasets.synthetic.camera import locate_pixels, make_room_view
from microfacial.datasets.synthetic.clips import DemoClip, plan_clips
from microfacial.datasets.synthetic.expressions import ACTION_UNITS, place_on_face
from microfacial.datasets.synthetic.faces import build_face
from microfacial.datasets.synthetic.geometry import MIDLINE, displace
from microfacial.datasets.synthetic.people import DemoPlan, draw_person
from microfacial.datasets.synthetic.rendering import render_clip
from microfacial.errors import DatasetError
from microfacial.preprocessing.face_track import track_face
from microfacial.preprocessing.spotting import spot_track
from microfacial.records import FloatArray, Image
from scenes import SIDE_PX, out_of_plane

FPS = 50.0
LENGTH_S = 2.4
RISE_S, FALL_S = 0.15, 0.2
NATURAL_PX = 1.0  # largest motion of the skin, in units of a face that is 280 units wide
NOISE = 1.5
PLAN = DemoPlan(width_px=210)
FINE = DemoPlan(width_px=420)  # films are sampled from pictures of twice the size
VIEW = make_room_view(640, 480)
TUNING, HELD_OUT = (1, 2, 3, 4), (5, 6, 7, 8, 9, 10)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One kind of raw clip.

    Attributes:
        apex_s: time of the expression's apex; None without an expression.
        sway_px: amplitude of the head's sway.
        sway_degrees: amplitude of the head's turns in the picture plane.
        talks: first and last time at which the mouth talks.
        path: head's shift in px over time.
        turn: head's yaw and pitch in degrees over time.
        shown: whether the person is there, over time.
        other: person who is shown instead, over time.
    """

    apex_s: float | None = None
    sway_px: float = 0.0
    sway_degrees: float = 0.0
    talks: tuple[float, float] | None = None
    path: Callable[[float], tuple[float, float]] = lambda _: (0.0, 0.0)
    turn: Callable[[float], tuple[float, float]] = lambda _: (0.0, 0.0)
    shown: Callable[[float], bool] = lambda _: True
    other: Callable[[float], bool] = lambda _: False


def step(start_s: float, lasts_s: float, time_s: float) -> float:
    """Return a smooth step from 0 to 1."""
    x = min(max((time_s - start_s) / lasts_s, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def moves(right: float, down: float, start_s: float, lasts_s: float) -> Callable[[float], tuple[float, float]]:
    """Return a smooth path from 0 to a point."""
    return lambda t: (right * step(start_s, lasts_s, t), down * step(start_s, lasts_s, t))


def returns(right: float, down: float, middle_s: float, lasts_s: float) -> Callable[[float], tuple[float, float]]:
    """Return a smooth path from 0 to a point and back."""

    def path(t: float) -> tuple[float, float]:
        share = step(middle_s - lasts_s / 2, lasts_s / 2, t) - step(middle_s, lasts_s / 2, t)
        return right * share, down * share

    return path


SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "expression, still head": Scene(apex_s=1.3),
        "expression, ±1 px": Scene(apex_s=1.3, sway_px=1, sway_degrees=0.3),
        "expression, ±3 px, 1.5°": Scene(apex_s=1.3, sway_px=3, sway_degrees=1.5),
        "rest, still head": Scene(),
        "rest, ±1 px": Scene(sway_px=1, sway_degrees=0.3),
        "rest, ±3 px, 1.5°": Scene(sway_px=3, sway_degrees=1.5),
        "talks": Scene(talks=(0, 9)),
        "talks, ±3 px, 1.5°": Scene(talks=(0, 9), sway_px=3, sway_degrees=1.5),
        "talks for 1 s": Scene(talks=(0.8, 1.8)),
        "shifts by 12 px": Scene(path=moves(12, 4, 1.2, 0.3)),
        "shifts by 40 px": Scene(path=moves(40, 10, 1.2, 0.4)),
        "shifts by 40 px and back": Scene(path=returns(40, 10, 1.3, 0.5)),
        "shifts by 120 px": Scene(path=moves(120, 20, 1.2, 0.5)),
        "shifts, then an expression": Scene(path=moves(60, 10, 0.4, 0.4), apex_s=1.8),
        "turns by 3° and back": Scene(turn=returns(3, 0, 1.3, 0.5)),
        "nods by 4° and back": Scene(turn=returns(0, 4, 1.3, 0.5)),
        "turns by 8°": Scene(turn=moves(8, 2, 1.2, 0.4)),
        "leaves": Scene(path=moves(700, 0, 1.2, 0.6)),
        "expression, then leaves": Scene(path=moves(700, 0, 1.7, 0.6), apex_s=1.0),
        "leaves at once": Scene(shown=lambda t: t < 1.3),
        "leaves and comes back": Scene(shown=lambda t: not 1.1 < t < 1.5),
        "appears after 1 s": Scene(shown=lambda t: t >= 1.0),
        "appears, then an expression": Scene(shown=lambda t: t >= 1.0, apex_s=1.9),
        "walks in": Scene(path=lambda t: (-700 + 700 * step(0.3, 0.7, t), 0)),
        "cut to another person": Scene(other=lambda t: t >= 1.3),
        "cut, then an expression": Scene(other=lambda t: t < 0.7, apex_s=1.8),
    }
)


@lru_cache
def portrait(person: int) -> Image:
    """Return a person at rest in front of the wall, at twice the size of a film."""
    clip = clip_of(person)
    still = replace(clip, pose=(0.0, 0.0, 0.0), drift=(0.0, 0.0, 0.0), blink=None, light=(0.0, 0.0, 0.0))
    face = build_face(FINE, draw_person(FINE, person), VIEW)
    return next(iter(render_clip(FINE, still, face, VIEW)))


@lru_cache
def clip_of(person: int) -> DemoClip:
    """Return a clip of a person whose expression is seen outside of the eyes."""
    return next(clip for clip in plan_clips(PLAN) if clip.subject == person and clip.emotion != "others")


def draw_film(scene: Scene, person: int, seed: int = 0, apex_px: float = NATURAL_PX) -> Iterator[Image]:
    """Yield the frames of a scene, `(360, 480, 3)` uint8 BGR."""
    random = np.random.default_rng((seed, person))
    phases = random.uniform(0, 2 * math.pi, 5)
    points = locate_pixels(PLAN, VIEW)
    expression = displace(points, clip_of(person).expression)
    expression *= apex_px / np.hypot(*expression).max()
    jaw = displace(points, tuple(place_on_face(ACTION_UNITS[26], draw_person(PLAN, person).warp)))
    wide = displace(points, tuple(place_on_face(ACTION_UNITS[14], draw_person(PLAN, person).warp)))
    wall = np.full((720, 960, 3), 150, np.uint8)
    noises = [random.normal(0, NOISE, (360, 480, 3)) for _ in range(8)]
    for index in range(round(LENGTH_S * FPS)):
        t = index / FPS
        moved = points.copy()
        if scene.apex_s is not None:
            rise = step(scene.apex_s - RISE_S, RISE_S, t) - step(scene.apex_s, FALL_S, t)
            moved -= rise * expression
        if scene.talks and scene.talks[0] <= t <= scene.talks[1]:
            moved -= (4 + 3 * math.sin(2 * math.pi * 4.1 * t + phases[3])) * jaw * (1 + math.sin(9 * t)) / 2
            moved -= 2 * math.sin(2 * math.pi * 2.7 * t + phases[4]) * wide
        moved = _pose(scene, moved, t, phases)
        person_now = person % 10 + 1 if scene.other(t) else person
        source = portrait(person_now) if scene.shown(t) else wall
        x, y = (
            (moved - np.array([VIEW.left, VIEW.top])[:, None, None] + 0.5 / PLAN.unit) * (2 * PLAN.unit) - 0.5
        ).astype(np.float32)
        image = cv2.remap(source, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=(150, 150, 150))
        yield np.clip(np.rint(image + np.roll(noises[index % 8], int(random.integers(480)), axis=1)), 0, 255).astype(
            np.uint8
        )


def _pose(scene: Scene, points: FloatArray, t: float, phases: NDArray[np.float64]) -> FloatArray:
    """Return where the points of a frame lie on the head at rest."""
    across, down, turn = np.sin(2 * math.pi * t / np.array([1.5, 1.8, 1.3]) + phases[:3])
    right, low = scene.path(t)
    angle = math.radians(scene.sway_degrees * turn)
    x = points[0] - MIDLINE - scene.sway_px * across - right
    y = points[1] - 170 - scene.sway_px * down - low
    x, y = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    yaw, pitch = scene.turn(t)
    if yaw or pitch:
        scale = SIDE_PX / 340
        inner = np.stack([x, y]) * scale + SIDE_PX / 2
        shift = out_of_plane(yaw, pitch)(inner) / scale
        x, y = x - shift[0], y - shift[1]
    return np.stack([x + MIDLINE, y + 170])


def write_film(path: Path, frames: Iterator[Image]) -> None:
    """Write a film as a folder of PNG frames, numbered from 0."""
    path.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(path / f"{number}.png"), frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def draw_noise(seed: int) -> Iterator[Image]:
    """Yield frames of pure noise."""
    random = np.random.default_rng(seed)
    for _ in range(60):
        yield random.integers(0, 256, (240, 320, 3), dtype=np.uint8)


def draw_in_full_hd(scene: Scene, person: int) -> Iterator[Image]:
    """Yield frames of 1920×1080 px that contain the frames of a scene in a corner, with a face 200 px wide."""
    for frame in draw_film(scene, person):
        large = np.full((1080, 1920, 3), 150, np.uint8)
        large[560:900, 1300:1753] = cv2.resize(frame, (453, 340), interpolation=cv2.INTER_AREA)
        yield large


def draw_pair(first: Scene, second: Scene, person: int) -> Iterator[Image]:
    """Yield frames with two people. The second one, with the next number, is a little smaller."""
    for left, right in zip(draw_film(first, person), draw_film(second, person % 10 + 1), strict=True):
        small = cv2.resize(right, (384, 288), interpolation=cv2.INTER_AREA)
        room = np.full((360, 864, 3), 150, np.uint8)
        room[:, :480], room[36:324, 480:] = left, small
        yield room


def films(people: tuple[int, ...]) -> Iterator[tuple[str, float | None, Callable[[], Iterator[Image]]]]:
    """Yield the name of each scene, the time of the apex, and a function that draws the film."""
    for name, scene in SCENES.items():
        for person in people:
            yield name, scene.apex_s, partial(draw_film, scene, person)
    for seed in range(6):
        yield "noise without a face", None, partial(draw_noise, seed)
    moving, still = SCENES["expression, still head"], SCENES["rest, still head"]
    for person in people[:3]:
        yield "face of 200 px in 1920×1080", 1.3, partial(draw_in_full_hd, moving, person)
        yield "two faces, the larger one moves", 1.3, partial(draw_pair, moving, still, person)


def main() -> None:
    """Print how many films of each scene got the right answer."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--only", default="", help="part of the names of scenes; several parts are separated by |")
    parser.add_argument("--people", type=int, default=len(HELD_OUT), help="number of people")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    right: dict[str, list[bool]] = {}
    began = time.process_time()
    for name, apex_s, draw in films((TUNING if arguments.tuning else HELD_OUT)[: arguments.people]):
        if not any(part in name for part in arguments.only.split("|")):
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film"
            write_film(path, draw())
            try:
                recording = open_clip(path)
                spotting = spot_track(track_face(recording, recording.root, FPS), FPS)
                answer = f"{spotting.onset} {spotting.apex} {spotting.offset}"
                correct = apex_s is not None and abs(spotting.apex / FPS - apex_s) <= 0.1
            except DatasetError as error:
                answer, correct = str(error), apex_s is None
        right.setdefault(name, []).append(correct)
        if arguments.verbose:
            print(f"    {'ok ' if correct else 'BAD'} {name}: {answer}", flush=True)
    for name, results in right.items():
        print(f"{name:34s} {sum(results)} of {len(results)}", flush=True)
    print(f"processor time {time.process_time() - began:.0f} s")


if __name__ == "__main__":
    main()
