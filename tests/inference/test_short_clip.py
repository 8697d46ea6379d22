"""The strongest movement of a short clip, where the rules for films spot nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
from drawn_films import FPS, draw_face, smile, write_film

from microfacial.datasets.frames import Recording
from microfacial.inference import answer
from microfacial.inference.answering_model import open_prior
from microfacial.inference.follow_film import FollowedFilm, ReportFrames, follow_film
from microfacial.inference.short_clip import spot_short_clip

TIMES = {number: (number - 1) / FPS for number in range(1, 61)}


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Write a clip in which the corner of a mouth moves by half a pixel. The apex is frame 31."""
    folder = tmp_path_factory.mktemp("clips") / "weak"
    return write_film(folder, [draw_face(height) for height in smile(60, 30, 0.5)])


def test_the_strongest_movement_of_a_short_clip_is_spotted(weak: Recording) -> None:
    event = spot_short_clip(weak, FPS, TIMES)
    assert event is not None
    assert (event.onset, event.apex, event.offset, event.kind) == (26, 31, 36, "micro")
    assert 0.5 <= event.score < 0.7


def test_nothing_is_spotted_in_a_long_film_or_at_rest(weak: Recording, tmp_path: Path) -> None:
    assert spot_short_clip(weak, FPS, {number: 10 * time for number, time in TIMES.items()}) is None
    assert spot_short_clip(write_film(tmp_path / "rest", [draw_face()] * 60), FPS, TIMES) is None


def test_a_short_clip_has_an_answer_although_the_rules_for_films_spot_nothing(
    weak: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spot_nothing(path: Path, fps: float | None, report: ReportFrames | None = None) -> FollowedFilm:
        return replace(follow_film(path, fps, report), events=())

    monkeypatch.setattr(answer, "follow_film", spot_nothing)
    answered = answer.answer_film(weak.root / Path(weak.frames).parent, open_prior(), fps=FPS)
    (event,) = answered.events
    assert (event.person, event.apex, answered.reason) == (1, 31, None)
