"""Answers about films."""

import json

import pytest
from drawn_films import FPS, draw_face, smile, write_film

from microfacial.inference.answer import answer_film
from microfacial.inference.answering_model import AnsweringModel, open_prior
from microfacial.inference.film_answer import FilmAnswer


@pytest.fixture(scope="module")
def prior() -> AnsweringModel:
    return open_prior()


@pytest.fixture(scope="module")
def answer(prior: AnsweringModel, tmp_path_factory: pytest.TempPathFactory) -> FilmAnswer:
    """The answer about a film of 40 frames, in which a mouth corner moves around frame 21."""
    film = write_film(tmp_path_factory.mktemp("answer") / "film", [draw_face(height) for height in smile(40, 20)])
    return answer_film(film.root, prior, fps=FPS)


def test_a_movement_is_found_and_recognised_without_a_project(answer: FilmAnswer) -> None:
    (event,) = answer.events
    assert event.onset < event.apex < event.offset
    assert event.apex == pytest.approx(21, abs=1)
    assert event.apex_s == pytest.approx((event.apex - 1) / FPS)
    assert set(event.probabilities) == {"negative", "positive", "surprise"}
    assert sum(event.probabilities.values()) == pytest.approx(1)
    assert event.label == max(event.probabilities, key=lambda name: event.probabilities[name])
    assert answer.model.name == "motion_prior"


def test_the_answer_as_json_has_the_documented_fields(answer: FilmAnswer) -> None:
    fields = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert fields["schema"] == 1
    assert (fields["frames"], fields["fps"], fields["seconds"]) == (40, FPS, pytest.approx(39 / FPS))
    assert fields["events"][0]["apex"] == answer.events[0].apex
    assert fields["people"][0]["numbers"] == list(range(1, 41))
    assert len(fields["people"][0]["signal"]) == 40
