"""The frame rate is measured around each frame, not over the whole film."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from drawn_films import FPS, draw_face, smile, write_film

from microfacial.datasets.film import Film, open_film
from microfacial.datasets.frames import TimedFrame
from microfacial.inference.answer import answer_film
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.frame_rate import explain_slow_rate, find_slow_frames


def times(*parts: tuple[int, float]) -> dict[int, float]:
    """Return the times of frames by number. Each part has a number of frames and their rate."""
    steps = np.concatenate([np.full(count, 1 / fps) for count, fps in parts])
    return dict(enumerate((steps.cumsum() - steps[0]).tolist(), 1))


@pytest.mark.parametrize("fps", [20.0, 30.0, 200.0])
def test_an_even_film_of_sufficient_rate_has_no_slow_frames(fps: float) -> None:
    assert find_slow_frames(times((60, fps))) == {}


@pytest.mark.parametrize("fps", [0.5, 5.0, 12.0, 19.0])
def test_all_frames_of_a_slow_film_have_one_reason(fps: float) -> None:
    assert find_slow_frames(times((40, fps))) == dict.fromkeys(range(1, 41), explain_slow_rate(fps))


def test_a_slow_part_of_a_fast_film_has_a_reason_with_its_own_rate() -> None:
    slow = find_slow_frames(times((90, 30.0), (20, 5.0), (90, 30.0)))
    assert 95 < min(slow) + 10 <= 105
    assert set(range(95, 107)) <= slow.keys()
    assert not {*range(1, 80), *range(120, 201)} & slow.keys()
    (reason,) = set(slow.values())
    assert any(f"{fps:.3g} per second" in reason for fps in np.arange(4.9, 7.0, 0.01))


def test_a_pause_is_not_a_slow_part() -> None:
    paused = times((60, 30.0)) | {61 + index: 10.0 + index / 30 for index in range(60)}
    assert find_slow_frames(paused) == {}


@pytest.mark.parametrize("seconds", [{}, {3: 0.0}])
def test_a_film_of_one_frame_has_no_rate(seconds: dict[int, float]) -> None:
    assert find_slow_frames(seconds) == {}


def test_movements_count_where_the_rate_suffices(
    prior: AnsweringModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean rate of this film is too low, because its end is slow."""
    folder = write_film(tmp_path / "film", [draw_face(height) for height in smile(40, 15) + smile(16, 8)]).root

    @dataclass(frozen=True, kw_only=True)
    class SlowingFilm(Film):
        def frames(self) -> Iterator[TimedFrame]:
            for frame in super().frames():
                late = max(0, frame.number - 40)
                yield frame._replace(seconds=(frame.number - 1 + 7 * late) / FPS)

    monkeypatch.setattr(
        "microfacial.inference.follow_film.open_film", lambda path, fps: SlowingFilm(**vars(open_film(path, fps)))
    )
    answer = answer_film(folder, prior, fps=FPS)
    assert answer.fps is not None
    assert answer.fps < 20.0
    (event,) = answer.events
    assert abs(event.apex - 16) <= 1
    (gap,) = answer.people[0].gaps
    assert (gap.last, gap.reason) == (56, explain_slow_rate(FPS / 8))
