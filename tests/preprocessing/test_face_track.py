from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from drawn_films import FACE, FPS, WALL, draw_face, smile, write_film

from fakes import texture
from microfacial.errors import DatasetError, NoFaceError
from microfacial.preprocessing.face_track import FaceTrack, track_face
from microfacial.preprocessing.spotting import spot_track

STILL = [draw_face()] * 12


def track(folder: Path, frames: list[np.ndarray]) -> FaceTrack:
    recording = write_film(folder / "film", frames)
    return track_face(recording, recording.root, FPS)


def numbers_of(result: FaceTrack) -> list[tuple[int, int]]:
    """Return the first and last frame of each part, whose frames are consecutive."""
    for part in result.parts:
        assert part.numbers == tuple(range(part.numbers[0], part.numbers[-1] + 1))
        assert len(part.frames) == len(part.numbers)
    return [(part.numbers[0], part.numbers[-1]) for part in result.parts]


def test_a_head_that_sways_is_in_one_part_and_its_frames_are_aligned(tmp_path: Path) -> None:
    frames = [draw_face(right_px=3 * np.sin(index / 9)) for index in range(24)]
    result = track(tmp_path, frames)
    assert numbers_of(result) == [(1, 24)]
    part = result.parts[0]
    first, furthest = (part.frames[index].astype(float)[part.skin] for index in (0, 14))
    assert np.abs(first - furthest).mean() < 3  # of 255 levels; 12 without alignment
    assert result.faces == 1


def test_frames_in_which_the_head_is_fast_are_in_no_part(tmp_path: Path) -> None:
    shifts = [0.0] * 12 + [6.0, 12.0, 18.0] + [24.0] * 12
    first, last = numbers_of(track(tmp_path, [draw_face(right_px=shift) for shift in shifts]))
    assert first[0] == 1
    assert 7 <= first[1] <= 12  # a margin of .1 s belongs to the fast motion
    assert 16 <= last[0] <= 20
    assert last[1] == 27


def test_frames_without_a_face_are_in_no_part(tmp_path: Path) -> None:
    (first, last) = numbers_of(track(tmp_path, [*STILL, *[WALL] * 10, *STILL]))
    assert first == (1, 12)
    assert 23 <= last[0] <= 26  # a lost face is searched every fourth frame
    assert last[1] == 34


def test_a_face_that_appears_late_is_tracked_from_then_on(tmp_path: Path) -> None:
    ((first, last),) = numbers_of(track(tmp_path, [*[texture(*FACE.shape[:2])] * 9, *STILL]))
    assert 10 <= first <= 13
    assert last == 21


def test_a_person_who_leaves_the_frame_is_in_no_part_from_then_on(tmp_path: Path) -> None:
    shifts = [0.0] * 12 + [12.0 * step for step in range(1, 16)]
    ((first, last),) = numbers_of(track(tmp_path, [draw_face(right_px=shift) for shift in shifts]))
    assert first == 1
    assert 7 <= last <= 12


def test_another_person_after_a_cut_is_in_another_part(tmp_path: Path) -> None:
    other = draw_face(image=np.ascontiguousarray(FACE[:, ::-1]))
    assert numbers_of(track(tmp_path, [*STILL, *[other] * 12])) == [(1, 12), (13, 24)]


@pytest.mark.parametrize("seed", range(6))
def test_noise_has_no_track(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    frames = [random.integers(0, 256, (90, 120, 3), dtype=np.uint8) for _ in range(8)]
    with pytest.raises(NoFaceError, match="1–8"):
        track(tmp_path, frames)


def test_two_faces_are_counted(tmp_path: Path) -> None:
    pair = np.hstack([FACE, WALL[:, :40], FACE])
    assert track(tmp_path, [pair] * 2).faces == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "shifts",
    [
        [0.0] * 20 + [6.0, 12.0, 18.0] + [24.0] * 20,
        [0.0] * 20 + [8.0, 16.0, 24.0, 16.0, 8.0] + [0.0] * 20,
        [0.0] * 20 + [12.0 * step for step in range(1, 16)],
    ],
    ids=["shift", "shift and return", "leave"],
)
def test_the_motion_of_a_head_is_no_expression(tmp_path: Path, shifts: list[float]) -> None:
    with pytest.raises(DatasetError, match=r"\d\.\d{3} px"):
        spot_track(track(tmp_path, [draw_face(right_px=shift) for shift in shifts]), FPS)


def test_a_face_at_rest_that_appears_late_shows_no_expression(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"\d\.\d{3} px"):
        spot_track(track(tmp_path, [*[WALL] * 20, *[draw_face()] * 30]), FPS)


def test_a_face_that_talks_all_the_time_shows_no_expression(tmp_path: Path) -> None:
    strengths = [4 * np.sin(index) + 3 * np.sin(index / 2.3) for index in range(50)]
    with pytest.raises(DatasetError, match=r"at least 0\.\d{3} px"):
        spot_track(track(tmp_path, [draw_face(strength) for strength in strengths]), FPS)


def test_an_expression_before_a_person_leaves_is_spotted(tmp_path: Path) -> None:
    frames = [draw_face(strength) for strength in smile(35, 17)]
    leaving = (draw_face(right_px=12.0 * step) for step in range(1, 16))
    spotting = spot_track(track(tmp_path, list(chain(frames, leaving))), FPS)
    assert abs(spotting.apex - 18) <= 1
    assert spotting.onset < spotting.apex < spotting.offset
    assert spotting.signal.shape == (50,)
    assert not spotting.signal[-12:].any()
