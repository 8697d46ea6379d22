"""Frames that repeat the picture before them are told apart from frames in which nothing moves."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from microfacial.datasets.frames import TimedFrame
from microfacial.datasets.repeated_frames import RepeatFilter

Picture = NDArray[np.uint8]


def draw(count: int, noise: float = 2.0) -> list[Picture]:
    """Return pictures of a bar that moves, with noise."""
    random = np.random.default_rng(0)
    columns = np.arange(160)[None, :, None]
    bars = (110 + 60 * np.sin((columns - 0.7 * index) / 9) for index in range(count))
    return [np.clip(bar + random.normal(0, noise, (120, 160, 3)), 0, 255).astype(np.uint8) for bar in bars]


def interpolate(pictures: list[Picture]) -> list[Picture]:
    """Replace every second picture by the mean of its neighbours, as a codec does where little moves."""
    means = (np.rint(0.5 * before + 0.5 * after).astype(np.uint8) for before, after in pairwise(pictures[::2]))
    return [picture for pair in zip(pictures[::2], means, strict=False) for picture in pair]


def find_new(frames: Sequence[Picture]) -> list[int]:
    """Return the indices of the frames that show new pictures."""
    start = [TimedFrame(number, number / 50, frame) for number, frame in enumerate(frames, 1)]
    pictures = RepeatFilter(start)
    return [index for index, frame in enumerate(frames) if pictures.is_new(frame)]


@pytest.mark.parametrize("times", [2, 3, 6])
@pytest.mark.parametrize("skipped", [0, 1])
def test_regular_repetitions_are_left_out(times: int, skipped: int) -> None:
    frames = [picture for picture in draw(60) for _ in range(times)][skipped:]
    assert find_new(frames) == sorted({0, *range(times - skipped, len(frames), times), *([] if skipped else [0])})


def test_repetitions_that_a_codec_has_changed_a_little_are_left_out() -> None:
    random = np.random.default_rng(1)
    pictures = draw(40)
    frames = [picture for one in pictures for picture in (one, one.copy())]
    for frame in frames[1::2]:
        frame[random.integers(0, 120, 40), random.integers(0, 160, 40)] += 1
    assert find_new(frames) == list(range(0, 80, 2))


@pytest.mark.parametrize(
    "frames",
    [
        draw(90),
        draw(90, noise=0),
        [draw(1)[0]] * 90,  # nothing moves, and nothing is known about repetitions
        [picture for row, picture in enumerate(draw(90)) for _ in range(1 + (row % 7 == 3))],
        draw(7),
        interpolate(draw(90)),
    ],
    ids=["noise", "no noise", "still", "irregular", "short", "interpolated"],
)
def test_other_frames_are_all_kept(frames: list[Picture]) -> None:
    assert find_new(frames) == list(range(len(frames)))


def test_a_film_can_begin_and_end_to_repeat_pictures() -> None:
    pictures = draw(240)
    frames = [*pictures[:120], *(picture for picture in pictures[120:180] for _ in range(2)), *pictures[180:]]
    new = find_new(frames)
    assert new[:120] == list(range(120))
    assert set(range(180, 240, 2)) <= set(new)
    assert not set(range(181, 240, 2)) & set(new)
    assert new[-30:] == list(range(270, 300))


def test_nothing_moves_for_a_while_between_repetitions() -> None:
    frames = [picture for picture in draw(60) for _ in range(2)]
    still = [frames[-1]] * 60
    new = find_new([*frames, *still, *frames])
    assert new == list(range(0, 300, 2))


@pytest.mark.parametrize("times", [2, 4, 6])
def test_regular_key_frames_of_a_codec_are_no_new_pictures(times: int) -> None:
    random, picture, frames = np.random.default_rng(2), draw(1)[0], []
    for index in range(90):
        share = 0.8 if index % times == 0 else 0.04  # of the pixels, which a codec changes by a grey level
        picture = picture + (random.random(picture.shape) < share).astype(np.uint8)
        frames.append(picture)
    assert find_new(frames) == list(range(90))


def test_repetitions_that_are_often_absent_are_not_regular() -> None:
    pictures, random = draw(120), np.random.default_rng(3)
    frames = [picture for pair in zip(pictures[::2], pictures[1::2], strict=True) for picture in pair]
    for index in range(1, 120, 2):
        if random.random() < 0.7:
            frames[index] = frames[index - 1]
    assert find_new(frames) == list(range(120))
