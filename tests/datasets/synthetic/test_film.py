from pathlib import Path

import pytest

from command_line import read_rows, run
from microfacial.datasets.film import open_film
from microfacial.datasets.synthetic.film import FILM_FPS, plan_film, true_events

SECONDS = 120.0


def test_the_truth_has_both_kinds_of_both_people_with_their_durations() -> None:
    events = true_events(plan_film(SECONDS, 0))
    for person in ("1", "2"):
        assert {event.kind for event in events if event.person == person} == {"micro", "macro"}
    assert {event.label for event in events} <= {"negative", "positive", "surprise"}
    assert [event.onset for event in events] == sorted(event.onset for event in events)
    for event in events:
        seconds = (event.offset - event.onset + 1) / FILM_FPS
        assert event.onset < event.apex < event.offset <= SECONDS * FILM_FPS
        assert seconds <= 0.5 if event.kind == "micro" else 0.7 < seconds <= 3.0


def test_expressions_of_a_person_never_overlap_and_people_blink_and_talk() -> None:
    for person in plan_film(SECONDS, 3):
        for first, second in zip(person.expressions, person.expressions[1:], strict=False):
            assert second.onset > first.offset + FILM_FPS
        assert 15 < len(person.blinks) < 60
        assert person.syllables
        for expression in person.expressions:
            assert expression.strength(expression.apex) == pytest.approx(1.0)
            assert expression.strength(expression.onset - 1) == expression.strength(expression.offset + 1) == 0.0
            assert all(expression.strength(frame) > 0 for frame in range(expression.onset, expression.offset + 1))


def test_another_seed_gives_other_events_and_the_same_seed_the_same() -> None:
    assert plan_film(30, 1) == plan_film(30, 1)
    assert true_events(plan_film(30, 1)) != true_events(plan_film(30, 2))


@pytest.mark.slow
def test_the_command_writes_a_video_and_its_table_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "demo", "--video", "films/clip.mp4", "--seconds", "1") == 0
    film = open_film(tmp_path / "films/clip.mp4")
    frames = list(film.frames())
    assert film.fps == FILM_FPS
    assert [frame.number for frame in frames] == list(range(1, 31))
    assert frames[0].image.shape == (480, 640, 3)
    assert frames[15].seconds == pytest.approx(0.5, abs=0.002)
    assert read_rows(tmp_path / "films/clip.csv") == []
    assert run(monkeypatch, "demo", "--video", "films/clip.mp4") == 2
    assert "films/clip.mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [("--video", "a.mp4", "--seconds", "nan"), ("demo", "--seed", "3"), ("--seconds", "9")]
)
def test_options_of_a_video_are_checked(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "demo", *options) == 2
    assert list(tmp_path.iterdir()) == []
