from pathlib import Path

import numpy as np
from drawn_films import FPS, draw_face, smile, write_film

from microfacial.preprocessing.events import SpottedEvents, spot_events
from microfacial.preprocessing.face_track import track_face

RAISED = [2.0 * min(1.0, step / 12, (59 - step) / 12) for step in range(60)]  # lasts 1.5 s


def events_of(folder: Path, strengths: list[float]) -> SpottedEvents:
    recording = write_film(folder / "film", [draw_face(strength) for strength in strengths])
    return spot_events(track_face(recording, recording.root, FPS), FPS)


def test_short_and_long_movements_of_one_film_are_spotted_and_told_apart(tmp_path: Path) -> None:
    spotted = events_of(tmp_path, [*smile(60, 30), *[0.0] * 10, *RAISED, *[0.0] * 30])
    assert [event.kind for event in spotted.events] == ["micro", "macro"]
    micro, macro = spotted.events
    assert (abs(micro.onset - 26), abs(micro.apex - 31), abs(micro.offset - 36)) <= (2, 1, 2)
    assert abs(macro.onset - 72) <= 4
    assert abs(macro.offset - 130) <= 4
    assert all(0.5 < event.score < 1 for event in spotted.events)
    assert spotted.signal.shape == (160,)
    assert spotted.signal[micro.apex - 1] > spotted.threshold
    assert not spotted.note


def test_a_face_at_rest_has_no_events_and_a_note_says_why(tmp_path: Path) -> None:
    spotted = events_of(tmp_path, [0.0] * 60)
    assert spotted.events == ()
    assert spotted.signal.max() < spotted.threshold
    assert "noise" in spotted.note


def test_a_film_of_three_frames_has_no_events_and_a_note_says_how_many_are_needed(tmp_path: Path) -> None:
    spotted = events_of(tmp_path, [0.0] * 3)
    assert spotted.events == ()
    assert np.array_equal(spotted.signal, np.zeros(3))
    assert "only 3 frames" in spotted.note
