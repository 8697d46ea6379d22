"""Outputs of answers: rows, text, page and video."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_films import FPS
from films import make_noise, write_video

from fakes import ROOT
from microfacial.datasets.film_writer import FilmWriter, TimedVideo
from microfacial.errors import ConfigError
from microfacial.inference.answer_table import csv_columns, csv_rows, event_rows, format_answer
from microfacial.inference.film_answer import MISUSE, FilmAnswer, UnjudgedFrames
from microfacial.inference.film_page import render_film_page
from microfacial.inference.film_render import render_film

DOCUMENTED = set(re.findall(r"`(\w+)`", (ROOT / "docs/reference/answers.md").read_text()))


def test_every_field_is_documented(answer: FilmAnswer) -> None:
    fields = answer.to_dict()
    names = {*fields, *fields["model"], *fields["people"][0], *fields["events"][0], *event_rows(answer)[0]}
    assert names <= DOCUMENTED


def test_a_film_has_a_row_for_each_event(answer: FilmAnswer) -> None:
    (row,) = event_rows(answer)
    assert (row["clip"], row["model"], row["person"], row["apex"]) == (
        answer.source,
        "motion_prior",
        1,
        answer.events[0].apex,
    )
    assert "error" not in row
    (cells,) = csv_rows(answer)
    assert set(cells) <= set(csv_columns(answer.model.classes))
    assert float(cells["p_negative"]) == pytest.approx(answer.events[0].probabilities["negative"], abs=1e-6)
    assert cells["apex"] == str(answer.events[0].apex)


def test_a_film_without_events_has_a_row_with_the_reason(answer: FilmAnswer) -> None:
    quiet = replace(answer, events=(), reason="nothing moves")
    (row,) = event_rows(quiet)
    assert (row["label"], row["reason"]) == (None, "nothing moves")
    (cells,) = csv_rows(quiet)
    assert (cells["reason"], cells["units"], "label" in cells) == ("nothing moves", "", False)


def test_a_film_that_cannot_be_read_has_a_row_with_the_error(answer: FilmAnswer) -> None:
    failed = replace(answer, events=(), error="film is damaged")
    assert event_rows(failed) == [{"clip": answer.source, "error": "film is damaged"}]
    assert csv_rows(failed) == [{"clip": answer.source, "error": "film is damaged", "units": ""}]


def test_no_cell_with_a_text_is_a_formula(answer: FilmAnswer) -> None:
    (cells,) = csv_rows(replace(answer, source="=1+1.mp4"))
    assert cells["clip"] == "'=1+1.mp4"
    (negative,) = csv_rows(replace(answer, events=(replace(answer.events[0], onset_s=-0.5),)))
    assert negative["onset_s"] == "-0.5"
    (failed,) = csv_rows(replace(answer, source="@a", events=(), error="@a is damaged"))
    assert (failed["clip"], failed["error"]) == ("'@a", "'@a is damaged")


def test_the_text_has_a_line_for_each_event_with_its_times(answer: FilmAnswer) -> None:
    event = answer.events[0]
    lines = format_answer(answer).splitlines()
    assert len(lines) == 3
    assert f"{event.onset}–{event.apex}–{event.offset}" in lines[2]
    assert f"{event.apex_s:.3f}" in lines[2]
    assert str(event.label) in lines[2]


class Links(HTMLParser):
    """Collects the values of all attributes that make a browser request something."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]


def test_the_page_needs_no_other_file_and_names_the_model(answer: FilmAnswer) -> None:
    page = render_film_page(answer)
    parser = Links()
    parser.feed(page)
    assert all(link.startswith(("data:", "#")) for link in parser.links)
    assert sum(link.startswith("data:image/png") for link in parser.links) == 3  # apex, flow, strain
    assert "http" not in page
    assert MISUSE in page
    assert f"{answer.model.name}, {answer.model.version}" in page
    assert page == render_film_page(answer)


def test_the_page_of_given_moments_counts_no_people(answer: FilmAnswer) -> None:
    assert "1 person, 1 event." in render_film_page(answer)
    given = render_film_page(replace(answer, people=()))
    assert "1 event." in given
    assert "0 people" not in given


def test_the_page_escapes_names(answer: FilmAnswer) -> None:
    page = render_film_page(replace(answer, source="<script>alert(1)</script>.mp4", events=()))
    assert "<script>" not in page


def test_the_page_of_a_film_without_people_has_the_reason(answer: FilmAnswer) -> None:
    page = render_film_page(replace(answer, people=(), events=(), reason="no face was found", seconds=0.0))
    assert "no face was found" in page


@pytest.mark.parametrize("name", ["drawn.mp4", "drawn.avi"])
def test_the_rendered_video_has_all_frames_and_shows_the_event(
    answer: FilmAnswer, film: Path, tmp_path: Path, name: str
) -> None:
    render_film(answer, film, tmp_path / name)
    video = cv2.VideoCapture(str(tmp_path / name))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    assert len(frames) == answer.frames
    quiet, moving = (
        (frame[..., 1].astype(int) - frame[..., 2] > 60).sum()  # green lines around a recognised movement
        for frame in (frames[0][:200], frames[answer.events[0].apex - 1][:200])
    )
    assert moving > quiet + 100


def test_the_rendered_video_shows_each_frame_at_its_time_in_the_answer(
    answer: FilmAnswer, film: Path, tmp_path: Path
) -> None:
    apex = answer.events[0].apex
    late_s = 1.0  # nothing was recorded for a second before the apex
    people = [
        replace(
            person,
            seconds=tuple(
                seconds + (late_s if number >= apex else 0.0)
                for number, seconds in zip(person.numbers, person.seconds, strict=True)
            ),
        )
        for person in answer.people
    ]
    render_film(replace(answer, people=tuple(people), fps=20.0), film, tmp_path / "drawn.mp4")
    video = cv2.VideoCapture(str(tmp_path / "drawn.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(FPS)
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == answer.frames + round(late_s * FPS)


def test_a_rendered_film_without_people_has_its_own_times(answer: FilmAnswer, tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.avi", make_noise(20), 50.0)
    nobody = replace(answer, people=(), events=(), fps=25.0, reason="no face was found")
    render_film(nobody, path, tmp_path / "drawn.avi")
    video = cv2.VideoCapture(str(tmp_path / "drawn.avi"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) / video.get(cv2.CAP_PROP_FPS) == pytest.approx(0.4, abs=0.05)


def test_a_long_gap_is_shortened(tmp_path: Path) -> None:
    path = tmp_path / "drawn.avi"
    with FilmWriter(path, path, 5.0) as writer:
        video = TimedVideo(writer)
        for seconds in (0.0, 0.2, 3600.0, 3600.2):
            video.write(np.zeros((48, 64, 3), np.uint8), seconds)
        video.close()
        assert writer.count == 1 + 50 + 1 + 1


def test_a_rendered_face_stays_while_its_picture_is_repeated(answer: FilmAnswer, film: Path, tmp_path: Path) -> None:
    (person,) = answer.people
    every_second = replace(
        person,
        numbers=person.numbers[::2],
        seconds=person.seconds[::2],
        places={number: person.places[number] for number in person.numbers[::2]},
    )
    render_film(replace(answer, people=(every_second,), fps=FPS / 2), film, tmp_path / "drawn.avi")
    video = cv2.VideoCapture(str(tmp_path / "drawn.avi"))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(FPS)
    grey = [(np.ptp(frame[:200], axis=2) < 8).sum() for _, frame in (video.read() for _ in range(answer.frames))]
    assert max(grey) < 1.2 * min(grey)  # the lines of the square are grey


def test_a_rendered_video_needs_a_known_extension(answer: FilmAnswer, film: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"drawn\.webm"):
        render_film(answer, film, tmp_path / "drawn.webm")


def test_frames_that_cannot_be_judged_are_json_too(answer: FilmAnswer) -> None:
    gap = UnjudgedFrames(first=3, last=9, first_s=0.1, last_s=0.3333333, reason="the head is turned away")
    judged = replace(answer, people=tuple(replace(person, gaps=(gap,)) for person in answer.people))
    (person, *_) = json.loads(json.dumps(judged.to_dict()))["people"]
    assert person["gaps"] == [
        {"first": 3, "last": 9, "first_s": 0.1, "last_s": 0.333333, "reason": "the head is turned away"}
    ]
