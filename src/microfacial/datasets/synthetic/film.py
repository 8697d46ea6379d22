"""Draw the sample video: two people side by side, with known expressions.

Frames are sampled by OpenCV and compressed, so their grey levels can differ a little between processors. The plan of
the video and the table of its expressions are the same everywhere.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from microfacial.datasets.event_table import VideoEvent, write_events
from microfacial.datasets.film_writer import FilmWriter
from microfacial.datasets.synthetic.camera import View, locate_pixels, make_room_view
from microfacial.datasets.synthetic.expressions import ACTION_UNITS, place_on_face
from microfacial.datasets.synthetic.faces import build_face
from microfacial.datasets.synthetic.film_plan import Beat, FilmedExpression, PersonPlan, Pose, plan_person
from microfacial.datasets.synthetic.geometry import Bump, displace, frame_to_head
from microfacial.datasets.synthetic.people import DemoPlan, Person, draw_person
from microfacial.datasets.synthetic.randomness import make_generator
from microfacial.datasets.synthetic.rendering import cover_head
from microfacial.errors import DatasetError
from microfacial.files import atomic_write
from microfacial.records import Image

FILM_FPS = 30.0
FILM_SIZE = (640, 480)  # width and height in px
_FACE_PX = 196
_WALL = 150
_NOISES, _SHIFTS = 4, 64  # different pictures of sensor noise, and the number of their shifts in px

_Field = NDArray[np.float32]


def write_film(path: Path, seconds: float, seed: int) -> Path:
    """Write a sample video and the table of its expressions.

    Args:
        path: file of the video, with the suffix `.mp4`. The table is written next to it, with the suffix `.csv`.
        seconds: duration.
        seed: seed of all randomness.

    Returns:
        The file of the table.

    Raises:
        DatasetError: one of the files exists, or its name is not text.
        ConfigError: the extension is not that of a video that can be written.
        StorageError: the video cannot be written.
    """
    table = path.with_suffix(".csv")
    for file in (path, table):
        if file.exists():
            raise DatasetError(f"{file} already exists. It is not overwritten. Delete it or choose another name")
    people = plan_film(seconds, seed)
    with atomic_write(path) as scratch:
        with FilmWriter(path, scratch, FILM_FPS) as writer:
            for frame in tqdm(draw_film(people, seconds, seed), desc="video", unit="frame", total=_count(seconds)):
                writer.write(frame)
        write_events(table, true_events(people))
    return table


def plan_film(seconds: float, seed: int) -> tuple[PersonPlan, ...]:
    """Draw what the two people of a sample video do.

    Args:
        seconds: duration.
        seed: seed of all randomness.
    """
    return tuple(plan_person(_plan(seed), number, _count(seconds), FILM_FPS) for number in _choose_people(seed))


def true_events(people: tuple[PersonPlan, ...]) -> list[VideoEvent]:
    """Return the expressions of a video, in order of their onsets. Person 1 is on the left.

    Args:
        people: plans of the people, from left to right.
    """
    events = [
        VideoEvent(person=str(place), onset=e.onset, apex=e.apex, offset=e.offset, label=e.label, kind=e.kind)
        for place, person in enumerate(people, 1)
        for e in person.expressions
    ]
    return sorted(events, key=lambda event: (event.onset, event.person))


def draw_film(people: tuple[PersonPlan, ...], seconds: float, seed: int) -> Iterator[Image]:
    """Yield the frames of a sample video, `(480, 640, 3)` uint8 BGR.

    Args:
        people: plans of the people, from left to right.
        seconds: duration.
        seed: seed of all randomness.
    """
    plan = _plan(seed)
    width = FILM_SIZE[0] // len(people)
    view = make_room_view(width / plan.unit, FILM_SIZE[1] / plan.unit)
    actors = [_Actor(plan, view, person) for person in people]
    rng = make_generator(seed, 1 << 25)
    noises = [_draw_noise(rng) for _ in range(_NOISES)]
    for number in range(1, 1 + _count(seconds)):
        picture = np.concatenate([actor.draw(number) for actor in actors], axis=1)
        noise = noises[rng.integers(_NOISES)]
        left, top = (int(rng.integers(_SHIFTS)) for _ in range(2))
        shifted = noise[top : top + FILM_SIZE[1], left : left + FILM_SIZE[0]]
        yield np.asarray(cv2.add(picture, shifted, dtype=cv2.CV_8U), np.uint8)


class _Actor:
    """One person in front of a wall."""

    def __init__(self, plan: DemoPlan, view: View, person: PersonPlan) -> None:
        self._person, self._step, self._margin = person, np.float32(2 * plan.unit), np.float32(view.margin)
        drawn = draw_person(plan, person.number)
        self._head = _draw_head(plan, drawn, view)
        self._points = locate_pixels(plan, view).astype(np.float32)
        self._lids, self._jaw, self._wide = (
            _draw_field(self._points, place_on_face(ACTION_UNITS[unit], drawn.warp)) for unit in (45, 26, 14)
        )
        self._fields: dict[int, _Field] = {}

    def draw(self, number: int) -> Image:
        """Return the picture in a frame, `(H, W, 3)`, without noise."""
        person = self._person
        points = _move_head(self._points, person.pose(number))
        for expression in person.expressions:
            if expression.onset <= number <= expression.offset:
                points -= np.float32(expression.strength(number)) * self._field(expression)
        for blink in _current_beats(person.blinks, number):
            points -= np.float32(blink.strength(number)) * self._lids
        for syllable in _current_beats(person.syllables, number):
            strength = syllable.strength(number)
            points -= np.float32(strength) * self._jaw + np.float32(0.5 * syllable.turn * strength) * self._wide
        x, y = (points + self._margin) * self._step
        return np.asarray(cv2.remap(self._head, x, y, cv2.INTER_LINEAR, borderValue=(_WALL,) * 3), np.uint8)

    def _field(self, expression: FilmedExpression) -> _Field:
        """Return the motion at the apex, `(2, H, W)`. Only the field in use is stored."""
        if expression.onset not in self._fields:
            self._fields = {expression.onset: _draw_field(self._points, expression.motion)}
        return self._fields[expression.onset]


def _draw_head(plan: DemoPlan, person: Person, view: View) -> Image:
    """Return the head at rest in front of the wall, at twice the resolution of a frame."""
    face = build_face(plan, person, view)
    y, x = np.indices(face.shape[:2])
    cover = cover_head(np.stack([x, y]) / (2 * plan.unit) - view.margin)[..., None]
    return np.rint(cover * face + (1.0 - cover) * _WALL).astype(np.uint8)


def _draw_field(points: _Field, bumps: Iterable[Bump]) -> _Field:
    return displace(points.astype(np.float64), tuple(bumps)).astype(np.float32)


def _move_head(points: _Field, pose: Pose) -> _Field:
    """Return the points of the resting head that a frame shows. `frame_to_head` is affine, so four products do."""
    corner, right, down = frame_to_head(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), pose).T.astype(np.float32)
    across, along = right - corner, down - corner
    x, y = points
    return np.stack([across[i] * x + along[i] * y + corner[i] for i in (0, 1)])


def _current_beats(beats: tuple[Beat, ...], number: int) -> list[Beat]:
    return [beat for beat in beats if beat.first <= number < beat.first + beat.frames]


def _draw_noise(rng: np.random.Generator) -> NDArray[np.int16]:
    raw = rng.integers(0, 256, (3, FILM_SIZE[1] + _SHIFTS, FILM_SIZE[0] + _SHIFTS, 3), dtype=np.uint8)
    return np.rint((raw.sum(axis=0) - 382.5) / 85.0).astype(np.int16)  # 1.5 grey levels root mean square


def _plan(seed: int) -> DemoPlan:
    return DemoPlan(seed=seed, width_px=_FACE_PX, identities=2)


def _choose_people(seed: int) -> tuple[int, int]:
    """Return the numbers of two people. Their mirrored shares of the photograph differ, so they are not alike."""
    first = 1 + seed % 5
    return first, first + 2


def _count(seconds: float) -> int:
    return max(1, round(seconds * FILM_FPS))
