"""Spot the movements of several people in films, frame by frame."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from drawn_films import FPS, WALL, draw_face, smile, write_film

from microfacial.datasets.frames import TimedFrame
from microfacial.inference.follow_film import follow_film
from microfacial.preprocessing.film_spotter import FilmSpotter, PersonEvent
from microfacial.records import Image

RAISED = [2.0 * min(1.0, step / 12, (59 - step) / 12) for step in range(60)]  # lasts 1.5 s

pytestmark = pytest.mark.slow


def film(left: Sequence[Image], right: Sequence[Image]) -> Iterator[TimedFrame]:
    """Yield frames with two pictures side by side, with sensor noise."""
    random = np.random.default_rng(0)
    for number, pair in enumerate(zip(left, right, strict=True), 1):
        picture = np.concatenate(pair, axis=1)
        noisy = np.clip(np.rint(picture + random.normal(0, 1.0, picture.shape)), 0, 255).astype(np.uint8)
        yield TimedFrame(number, (number - 1) / FPS, noisy)


def spot(frames: Iterator[TimedFrame]) -> tuple[FilmSpotter, list[PersonEvent]]:
    spotter = FilmSpotter(FPS)
    events = [event for frame in frames for event in spotter.add(frame)]
    return spotter, events + list(spotter.finish())


def test_movements_belong_to_the_people_who_show_them() -> None:
    left, right = smile(120, 30), smile(120, 80)
    spotter, events = spot(film([draw_face(px) for px in left], [draw_face(px) for px in right]))
    assert [person.frames for person in spotter.people] == [120, 120]
    assert [found.person for found in events] == [1, 2]
    assert abs(events[0].event.apex - 31) <= 1
    assert abs(events[1].event.apex - 81) <= 1


def test_a_person_who_comes_back_keeps_the_number_and_a_film_without_a_face_has_nobody() -> None:
    shown = [draw_face()] * 20
    spotter, events = spot(film([*shown, *[WALL] * 15, *shown], [WALL] * 55))
    assert [person.number for person in spotter.people] == [1]
    assert spotter.people[0].frames >= 36
    assert events == []
    nobody, none = spot(film([WALL] * 10, [WALL] * 10))
    assert (nobody.people, none) == ([], [])


def test_short_and_long_movements_of_one_film_are_spotted_and_told_apart(tmp_path: Path) -> None:
    strengths = [*smile(60, 30), *[0.0] * 10, *RAISED, *[0.0] * 30]
    recording = write_film(tmp_path / "film", [draw_face(strength) for strength in strengths])
    followed = follow_film(recording.root, FPS)
    micro, macro = (found.event for found in followed.events)
    assert (micro.kind, macro.kind) == ("micro", "macro")
    assert (abs(micro.onset - 26), abs(micro.apex - 31), abs(micro.offset - 36)) <= (2, 1, 2)
    assert abs(macro.onset - 72) <= 4
    assert abs(macro.offset - 130) <= 4
    assert 0.5 < micro.score < 1
    assert 0.5 < macro.score < 1
    (person,) = followed.people
    assert person.person.spotter.numbers.tolist() == list(range(1, 161))
    assert person.person.spotter.signal[micro.apex - 1] > 1.0
