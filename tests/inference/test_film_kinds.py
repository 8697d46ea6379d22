"""Each kind of film gives an answer, a reason or an error of this package."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_films import FACE, FPS, WALL, draw_face, smile, write_film
from films import make_noise, write_video

from microfacial.errors import DatasetError
from microfacial.inference.answer import answer_film
from microfacial.inference.answering_model import AnsweringModel

VIDEOS = Path(__file__).parents[1] / "datasets" / "videos"


def refuse(path: Path, prior: AnsweringModel) -> str:
    with pytest.raises(DatasetError) as raised:
        answer_film(path, prior)
    return str(raised.value)


def test_a_film_without_a_face_gives_a_reason(prior: AnsweringModel, tmp_path: Path) -> None:
    answer = answer_film(write_video(tmp_path / "wall.avi", [WALL] * 6, FPS), prior)
    assert (answer.frames, answer.people, answer.events) == (6, (), ())
    assert "face" in (answer.reason or "")


def test_a_film_of_noise_gives_a_reason(prior: AnsweringModel, tmp_path: Path) -> None:
    answer = answer_film(write_video(tmp_path / "noise.avi", make_noise(8), FPS), prior)
    assert answer.events == ()
    assert answer.reason


def test_a_film_of_three_frames_gives_the_number_of_frames_as_the_reason(prior: AnsweringModel, tmp_path: Path) -> None:
    answer = answer_film(write_video(tmp_path / "short.avi", [FACE] * 3, FPS), prior)
    assert (answer.frames, len(answer.people), answer.events) == (3, 1, ())
    assert "3 frames" in (answer.reason or "")


def test_a_still_image_shows_no_movement(prior: AnsweringModel, tmp_path: Path) -> None:
    answer = answer_film(write_video(tmp_path / "still.avi", [FACE] * 16, FPS), prior)
    assert (len(answer.people), answer.events) == (1, ())
    assert answer.reason == answer.people[0].note
    assert answer.reason


def test_a_low_frame_rate_gives_a_reason(prior: AnsweringModel, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film", [draw_face(height) for height in smile(16, 8)])
    answer = answer_film(film.root, prior, fps=12.0)
    assert answer.events == ()
    assert "12 per second" in (answer.reason or "")


def test_a_small_face_gives_a_reason(prior: AnsweringModel, tmp_path: Path) -> None:
    small = np.full((200, 210, 3), 150, np.uint8)
    small[60:160, 50:155] = cv2.resize(FACE, (105, 100), interpolation=cv2.INTER_AREA)
    answer = answer_film(write_video(tmp_path / "small.avi", [small] * 8, FPS), prior)
    assert "80 px" in (answer.reason or "")
    assert answer.people[0].gaps[0].first == 1
    assert answer.people[0].gaps[0].last == 8


def test_a_face_that_moves_fast_is_not_judged(prior: AnsweringModel, tmp_path: Path) -> None:
    frames = [draw_face(right_px=4.0 * index) for index in range(10)]
    answer = answer_film(write_video(tmp_path / "fast.avi", frames, FPS), prior)
    assert answer.events == ()
    assert "fast" in (answer.reason or "")


@pytest.mark.parametrize(
    ("name", "content"),
    [("notes.mp4", b"These are notes and no film.\n"), ("empty.mp4", b""), ("zeros.avi", bytes(4096))],
)
def test_a_file_that_is_no_video_is_refused_with_its_name(
    prior: AnsweringModel, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert name in refuse(path, prior)


def test_a_video_without_frames_is_refused(prior: AnsweringModel, tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (64, 64)).release()
    assert path.exists()
    assert "film.avi" in refuse(path, prior)


def test_a_truncated_video_is_refused(prior: AnsweringModel, tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", [FACE] * 4, FPS)
    path.write_bytes(path.read_bytes()[:-200])
    assert "film.mp4" in refuse(path, prior)


def test_an_interlaced_video_is_refused_with_a_remedy(prior: AnsweringModel) -> None:
    assert "yadif" in refuse(VIDEOS / "interlaced.mp4", prior)


def test_huge_frames_are_refused_with_their_size(
    prior: AnsweringModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "huge.avi", [FACE], FPS)
    monkeypatch.setattr("microfacial.datasets.limits.LARGEST_FRAME_PX", 1000)
    assert "huge.avi has 210×200 px" in refuse(path, prior)


def test_times_are_those_of_the_frames_if_the_rate_varies(prior: AnsweringModel) -> None:
    answer = answer_film(VIDEOS / "variable.mp4", prior)
    assert answer.seconds == pytest.approx(0.25)
    assert answer.fps == pytest.approx(16.0)
