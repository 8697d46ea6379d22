"""Pictures of a camera, and their video."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_films import FPS
from films import Frame

from microfacial.datasets.film import open_film
from microfacial.datasets.frames import TimedFrame
from microfacial.datasets.video import read_video, scan_video
from microfacial.errors import ConfigError, StorageError
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.film_render import ABSTAINED, RECOGNISED
from microfacial.inference.live_answer import LiveAnswer
from microfacial.inference.live_picture import LivePicture
from microfacial.inference.live_video import write_live_video


@pytest.fixture(scope="module")
def frames(film: Path) -> list[TimedFrame]:
    return list(open_film(film, FPS).frames())


@pytest.fixture(scope="module")
def live(prior: AnsweringModel, frames: list[TimedFrame]) -> LiveAnswer:
    """The answer about a film with one movement, 0.5 s before its end."""
    live = LiveAnswer("camera 0", prior)
    for frame in frames:
        live.add(frame)
    live.finish()
    return live


def count(picture: Frame, colour: tuple[int, int, int]) -> int:
    return int(cv2.inRange(picture, np.array(colour), np.array(colour)).astype(bool).sum())


def test_the_movement_is_marked_in_the_timeline(live: LiveAnswer, frames: list[TimedFrame]) -> None:
    picture = LivePicture().draw(frames[-1], live, 0)
    height = frames[-1].image.shape[0]
    strip = picture[height : height + 100]
    columns = np.flatnonzero((strip == RECOGNISED).all(axis=-1).any(axis=0))  # the signal hides parts of it
    (event,) = live.events
    assert event.onset_s is not None
    assert event.offset_s is not None
    times = (event.onset_s, event.offset_s)
    start, end = (639 * (1 + (seconds - 39 / FPS) / 30) for seconds in times)  # the strip shows 30 s
    assert (columns.min(), columns.max()) == (pytest.approx(start, abs=1), pytest.approx(end, abs=1))
    assert count(picture[height + 100 :], RECOGNISED) > 30  # the line of text


def test_all_pictures_have_one_even_size(live: LiveAnswer, frames: list[TimedFrame], prior: AnsweringModel) -> None:
    picture = LivePicture()
    first = picture.draw(frames[0], LiveAnswer("camera 0", prior), 0)
    last = picture.draw(frames[-1], live, 3)
    assert first.shape == last.shape
    assert (first.shape[0] % 2, first.shape[1] % 2) == (0, 0)


def test_a_frame_rate_that_is_too_low_is_written_into_the_picture(
    live: LiveAnswer, frames: list[TimedFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = LivePicture().draw(frames[-1], live, 0)
    monkeypatch.setattr(live, "slow", "the frame rate is too low")
    after = LivePicture().draw(frames[-1], live, 0)
    assert count(after[:24], ABSTAINED) > count(before[:24], ABSTAINED) + 20


def test_a_frame_that_is_larger_than_the_texts_is_not_cut(live: LiveAnswer, frames: list[TimedFrame]) -> None:
    large = replace_image(frames[-1], np.full((300, 801, 3), 9, np.uint8))
    assert LivePicture().draw(large, live, 0).shape[1] == 802


def replace_image(frame: TimedFrame, image: Frame) -> TimedFrame:
    return frame._replace(image=image, number=0)  # a number without a face


def grey(level: int) -> Frame:
    return np.full((48, 64, 3), level, np.uint8)


def test_a_video_lasts_as_long_as_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "drawn.avi"
    with write_live_video(path) as video:
        assert video is not None
        for level, seconds in ((50, 0.0), (120, 0.01), (200, 1.0)):  # a picture that is too short is left out
            video.write(grey(level), seconds)
    assert scan_video(path).count == 31
    images = dict(read_video(path, [1, 2, 30, 31]))
    assert [round(float(image.mean()), -1) for image in images.values()] == [120, 120, 120, 200]


def test_a_video_is_complete_or_does_not_exist(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with write_live_video(tmp_path / "drawn.avi") as video:
            assert video is not None
            video.write(grey(50), 0.0)
            raise StorageError("the disk is full")

    with pytest.raises(StorageError, match="full"):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_no_video_is_written_without_a_path_or_with_an_unknown_extension(tmp_path: Path) -> None:
    with write_live_video(None) as video:
        assert video is None
    with pytest.raises(ConfigError, match=r"drawn\.gif"), write_live_video(tmp_path / "drawn.gif"):
        pass
    assert list(tmp_path.iterdir()) == []
