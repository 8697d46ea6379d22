"""Read a film, and follow the people in it."""

from pathlib import Path

from drawn_films import FPS, draw_face, write_film

from microfacial.inference.follow_film import FollowedFilm, follow_film


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
