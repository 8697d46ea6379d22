"""Read a film, and follow the people in it."""

import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
from drawn_films import FPS, draw_face, smile, write_film

from microfacial.inference.follow_film import FollowedFilm, follow_film
from microfacial.preprocessing import film_spotter
from microfacial.preprocessing.alignment import place_all_faces
from microfacial.preprocessing.landmarks import BORDERS


def follow_face(folder: Path, frames: int) -> FollowedFilm:
    """Follow a face at rest."""
    recording = write_film(folder / "film", [draw_face()] * frames)
    return follow_film(recording.root, FPS)


def test_a_face_at_rest_has_no_events_and_a_note_says_why(tmp_path: Path) -> None:
    followed = follow_face(tmp_path, 20)
    (person,) = followed.people
    assert followed.events == ()
    assert len(person.person.spotter.signal) == 20
    assert max(person.person.spotter.signal) < 1.0
    assert "noise" in person.note


def test_a_film_of_three_frames_has_no_events_and_a_note_says_how_many_are_needed(tmp_path: Path) -> None:
    followed = follow_face(tmp_path, 3)
    (person,) = followed.people
    assert followed.events == ()
    assert not any(person.person.spotter.signal)
    assert "only 3 frames" in person.note


def test_newcomers_are_searched_with_each_border_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Mock(wraps=place_all_faces)
    monkeypatch.setattr(film_spotter, "place_all_faces", search)
    follow_face(tmp_path, 100)
    assert [call.args[3] for call in search.call_args_list] == [BORDERS, BORDERS[1:], BORDERS[:1]]


def find_moments(followed: FollowedFilm) -> list[tuple[int, int, int]]:
    """Return onset, apex and offset of each movement."""
    return [(entry.event.onset, entry.event.apex, entry.event.offset) for entry in followed.events]


def test_repeated_pictures_change_no_movement_and_no_frame_rate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    once = write_film(tmp_path / "once", [draw_face(smile_px) for smile_px in smile(60, 30)]).root
    often = tmp_path / "often"
    often.mkdir()
    for number in range(180):
        shutil.copy(once / f"img{number // 3 + 1}.png", often / f"img{number + 1}.png")
    expected, followed = follow_film(once, FPS), follow_film(often, 3 * FPS)
    ((onset, apex, offset),) = find_moments(expected)
    assert find_moments(followed) == [(3 * onset - 2, 3 * apex - 2, 3 * offset - 2)]
    assert followed.fps == pytest.approx(expected.fps)
    assert "shown 3 times" in caplog.text


def test_missing_pictures_of_a_folder_are_a_gap_in_time_and_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = write_film(tmp_path / "film", [draw_face()] * 16)
    for number in (4, 5, 6):
        (film.root / f"img{number}.png").unlink()
    followed = follow_film(film.root, 10.0)
    assert [followed.seconds[number] for number in (1, 3, 7, 10)] == pytest.approx([0.0, 0.2, 0.6, 0.9])
    assert [record.getMessage().count("between 3 and 7") for record in caplog.records] == [1]
