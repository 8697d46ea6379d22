"""Answers about a camera: the same as about a film."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from drawn_films import FPS
from films import make_noise

from microfacial.datasets.film import open_film
from microfacial.datasets.frames import TimedFrame
from microfacial.inference import live_answer
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.film_answer import FilmAnswer
from microfacial.inference.frame_rate import explain_slow_rate
from microfacial.inference.live_answer import LiveAnswer
from microfacial.preprocessing.film_spotter import FilmSpotter


def frames_of(film: Path, fps: float = FPS, every: int = 1) -> Iterator[TimedFrame]:
    """The frames that a camera gives if it films `film`. Only every nth frame is not dropped."""
    return (frame for frame in open_film(film, fps).frames() if frame.number % every == 0)


def answer_live(model: AnsweringModel, frames: Iterator[TimedFrame], *, pictures: bool = False) -> FilmAnswer:
    live = LiveAnswer("camera 0", model, pictures=pictures)
    for frame in frames:
        live.add(frame)
    return live.finish()


@pytest.fixture(scope="module")
def lived(prior: AnsweringModel, film: Path) -> FilmAnswer:
    return answer_live(prior, frames_of(film), pictures=True)


def test_a_camera_gives_the_movements_of_the_same_film(lived: FilmAnswer, answer: FilmAnswer) -> None:
    assert len(answer.events) == 1
    assert [event.to_dict() for event in lived.events] == [event.to_dict() for event in answer.events]
    assert lived.events[0].store is not None
    assert (lived.source, lived.frames, lived.fps) == ("camera 0", 40, FPS)
    assert lived.seconds == pytest.approx(39 / FPS)


def test_a_camera_gives_the_signal_of_the_same_film(lived: FilmAnswer, answer: FilmAnswer) -> None:
    (person,), (filmed,) = lived.people, answer.people
    assert person.to_dict() == filmed.to_dict()


def test_too_few_frames_give_the_reason_of_a_film(prior: AnsweringModel, film: Path) -> None:
    live = LiveAnswer("camera 0", prior)
    for frame in frames_of(film, every=3):
        live.add(frame)
    assert "13.3 per second" in live.slow
    answer = live.finish()
    assert (answer.events, answer.reason) == ((), explain_slow_rate(FPS / 3))
    (person,) = answer.people
    (gap,) = person.gaps
    assert gap.reason == explain_slow_rate(FPS / 3)
    assert (person.gaps[0].first, person.gaps[0].last) == (3, 39)


def test_a_rate_that_recovers_leaves_a_gap(prior: AnsweringModel, film: Path) -> None:
    frames = [frame._replace(seconds=(frame.number - 1) / FPS) for frame in frames_of(film)]
    slow_s = frames[-1].seconds or 0.0
    again = [
        frame._replace(number=40 + frame.number, seconds=slow_s + 1.5 + (frame.number - 1) / FPS) for frame in frames
    ]
    answer = answer_live(prior, iter([*frames, *again]))
    (gap,) = (gap for gap in answer.people[0].gaps if "per second" in gap.reason)
    assert (gap.first, gap.last) == (41, 41)  # the first frame after the pause
    assert "1 per second" in gap.reason
    assert [event.apex for event in answer.events] == [21, 61]


def test_a_movement_in_which_frames_are_missing_does_not_count(prior: AnsweringModel, film: Path) -> None:
    frames = [
        frame._replace(seconds=(frame.seconds or 0.0) + (1.5 if frame.number >= 19 else 0.0))
        for frame in frames_of(film)
    ]
    answer = answer_live(prior, iter(frames))
    assert answer.events == ()
    assert [(gap.first, gap.last) for gap in answer.people[0].gaps] == [(19, 19)]


def test_frames_that_are_forgotten_are_a_reason(
    prior: AnsweringModel, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_answer, "_MOST_BYTES", 2_000_000)
    (event,) = answer_live(prior, frames_of(film)).events
    assert (event.onset, event.label) == (16, None)
    assert event.abstained is not None
    assert "memory" in event.abstained


def test_the_frame_rate_is_measured_again(prior: AnsweringModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    monkeypatch.setattr(FilmSpotter, "set_rate", lambda self, fps: rates.append(fps))
    monkeypatch.setattr(FilmSpotter, "add", lambda self, frame: ())
    live = LiveAnswer("camera 0", prior)
    (image,) = make_noise(1, 8)
    for index in range(200):  # after 2.5 s the rate falls from 40 to 25 per second
        live.add(TimedFrame(index + 1, index / 40 if index < 100 else 2.5 + (index - 100) / 25, image))
    assert rates[0] == 40
    assert all(earlier > later for earlier, later in pairwise(rates))
    assert rates[-1] == pytest.approx(25, rel=0.06)
    assert live.fps == 25


@pytest.mark.parametrize("count", [1, 3])
def test_a_recording_of_few_frames_has_a_reason(count: int, prior: AnsweringModel, film: Path) -> None:
    answer = answer_live(prior, (frame for frame in frames_of(film) if frame.number <= count))
    assert (answer.frames, answer.events) == (count, ())
    assert answer.reason is not None
    assert str(count) in answer.reason
