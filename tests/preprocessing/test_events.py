from pathlib import Path

import numpy as np
from drawn_films import FPS, draw_face, write_film

from microfacial.preprocessing.events import SpottedEvents, spot_events
from microfacial.preprocessing.face_track import track_face


def events_of(folder: Path, strengths: list[float]) -> SpottedEvents:
    recording = write_film(folder / "film", [draw_face(strength) for strength in strengths])
    return spot_events(track_face(recording, recording.root, FPS), FPS)


def test_a_face_at_rest_has_no_events_and_a_note_says_why(tmp_path: Path) -> None:
    spotted = events_of(tmp_path, [0.0] * 20)
    assert spotted.events == ()
    assert spotted.signal.max() < spotted.threshold
    assert "noise" in spotted.note


def test_a_film_of_three_frames_has_no_events_and_a_note_says_how_many_are_needed(tmp_path: Path) -> None:
    spotted = events_of(tmp_path, [0.0] * 3)
    assert spotted.events == ()
    assert np.array_equal(spotted.signal, np.zeros(3))
    assert "only 3 frames" in spotted.note
