import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from microfacial.datasets.film import open_film
from microfacial.errors import DatasetError


def write_video(path: Path, frames: int = 6) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path


def test_a_video_is_read_once_with_the_times_of_its_frames(tmp_path: Path) -> None:
    film = open_film(write_video(tmp_path / "a.mp4"))
    frames = list(film.frames())
    assert (film.fps, film.count) == (25.0, 6)
    assert [frame.number for frame in frames] == [1, 2, 3, 4, 5, 6]
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2])
    assert [round(float(frame.image.mean()) / 20) for frame in frames] == [0, 1, 2, 3, 4, 5]


def test_a_given_rate_replaces_the_times_of_a_video(tmp_path: Path) -> None:
    frames = list(open_film(write_video(tmp_path / "a.mp4"), 200.0).frames())
    assert frames[5].seconds == pytest.approx(0.025)


def test_a_folder_of_frames_needs_a_rate(tmp_path: Path) -> None:
    for number in (3, 4, 9):
        cv2.imwrite(str(tmp_path / f"img{number}.png"), np.zeros((4, 4, 3), np.uint8))
    film = open_film(tmp_path, 10.0)
    assert [(frame.number, frame.seconds) for frame in film.frames()] == [(3, 0.0), (4, 0.1), (9, 0.6)]
    with pytest.raises(DatasetError, match="--fps"):
        open_film(tmp_path)


def test_a_film_may_be_longer_than_a_clip_but_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(tmp_path / "a.mp4")
    monkeypatch.setattr("microfacial.datasets.limits.MOST_FRAMES", 3)
    assert len(list(open_film(video).frames())) == 6
    monkeypatch.setattr("microfacial.datasets.film.LONGEST_FILM_FRAMES", 5)
    with pytest.raises(DatasetError, match="more than 5 frames"):
        list(open_film(video).frames())


@pytest.mark.parametrize("name", ["clip.mp4", "clip.txt", "absent.mp4", "empty"])
def test_what_is_no_film_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    if name == "empty":
        (tmp_path / name).mkdir()
    elif not name.startswith("absent"):
        (tmp_path / name).write_text("no film\n")
    with pytest.raises(DatasetError, match=name):
        list(open_film(tmp_path / name, 30.0).frames())


@pytest.mark.parametrize("header_fps", [12.5, 50.0, 1000.0])
def test_timestamps_decide_if_the_header_states_another_rate(tmp_path: Path, header_fps: float) -> None:
    path = tmp_path / "a.mkv"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    for number in range(8):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    duration = struct.pack(">I", 40_000_000)  # of a frame in nanoseconds
    content = path.read_bytes()
    assert content.count(duration) == 1
    path.write_bytes(content.replace(duration, struct.pack(">I", round(1e9 / header_fps))))
    film = open_film(path)
    assert film.fps == pytest.approx(25.0)
    assert [frame.seconds for frame in film.frames()] == pytest.approx([0.04 * index for index in range(8)])
    assert open_film(path, header_fps).fps == header_fps
