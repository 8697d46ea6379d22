"""Answers about films of several people, and of people who come and go."""

from pathlib import Path

import numpy as np
import pytest
from drawn_films import FACE, FPS, WALL, draw_face, smile, write_film
from films import Frame, other_face, write_video

from microfacial.inference.answer import answer_film
from microfacial.inference.answering_model import AnsweringModel, open_prior
from microfacial.inference.film_answer import FilmAnswer

pytestmark = pytest.mark.slow

COUNT, APEX = 60, 30


@pytest.fixture(scope="module")
def prior() -> AnsweringModel:
    return open_prior()


def answer_frames(frames: list[Frame], prior: AnsweringModel, folder: Path) -> FilmAnswer:
    return answer_film(write_film(folder / "film", frames).root, prior, fps=FPS)


def test_each_of_two_people_has_their_own_events(prior: AnsweringModel, tmp_path: Path) -> None:
    other = other_face()
    frames = [np.hstack([draw_face(height), other]) for height in smile(COUNT, APEX)]
    answer = answer_frames(frames, prior, tmp_path)
    assert len(answer.people) == 2
    (event,) = answer.events
    assert event.person == 1  # the person on the left
    assert event.apex == pytest.approx(APEX + 1, abs=1)
    assert event.label is not None


def test_a_person_who_leaves_and_returns_is_the_same_one(prior: AnsweringModel, tmp_path: Path) -> None:
    moving = [draw_face(height) for height in smile(COUNT, APEX)]
    answer = answer_frames([*moving, *[WALL] * 20, *moving], prior, tmp_path)
    (person,) = answer.people
    assert not {*range(COUNT + 1, COUNT + 21)} & set(person.numbers)
    assert [event.apex for event in answer.events] == pytest.approx([APEX + 1, COUNT + 20 + APEX + 1], abs=1)


def test_a_cut_to_another_person_is_no_movement(prior: AnsweringModel, tmp_path: Path) -> None:
    frames = [FACE] * 40 + [other_face()] * 40
    answer = answer_frames(frames, prior, tmp_path)
    assert len(answer.people) == 2
    assert answer.events == ()
    assert max(answer.people[0].numbers) == 40
    assert min(answer.people[1].numbers) == pytest.approx(41, abs=5)


def test_a_compressed_video_gives_the_moments_of_its_frames(prior: AnsweringModel, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frames = [
        np.clip(draw_face(height) + random.normal(0, 1.0, FACE.shape), 0, 255).astype(np.uint8)
        for height in smile(COUNT, APEX)
    ]
    (event,) = answer_film(write_video(tmp_path / "film.mp4", frames, FPS), prior).events
    assert event.apex == pytest.approx(APEX + 1, abs=1)
    assert event.apex_s == pytest.approx((event.apex - 1) / FPS)
