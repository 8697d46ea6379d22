import tracemalloc
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from microfacial.preprocessing.event_rules import EventConfig, find_excursions, running_median
from microfacial.preprocessing.motion_path import REGIONS
from microfacial.preprocessing.person_spotter import PersonSpotter, SpottedEvent, longest_wait

FPS = 30.0
Path = NDArray[np.float64]


def rest(frames: int, *, wander_px: float = 0.0) -> Path:
    """Return the path of a face at rest, with noise and a slow sway."""
    random = np.random.default_rng(0)
    sway = wander_px * np.sin(np.arange(frames) / 40)[:, None, None]
    return random.normal(0, 0.03, (frames, len(REGIONS), 2)) + sway


def raise_and_lower(path: Path, first: int, frames: int, regions: Mapping[str, float], hold: float = 0.0) -> Path:
    """Add a movement down to a path."""
    times = np.linspace(-1, 1, frames + 2)[1:-1]
    shape = np.clip((1 - np.abs(times)) / (1 - hold), 0, 1)
    for name, height_px in regions.items():
        path[first : first + frames, REGIONS.index(name), 1] += height_px * shape
    return path


def spot(path: Path, config: EventConfig | None = None, fps: float = FPS) -> list[SpottedEvent]:
    spotter = PersonSpotter(fps, config or EventConfig())
    events = [event for row, x in enumerate(path) for event in spotter.add(row + 1, row / fps, x, fast=False)]
    return events + spotter.end_run()


BROWS = {"inner brow left": -1.0, "inner brow right": -1.0}
SMILE = {"corner left": -3.0, "corner right": -3.0}
TALK = {"lower lip": 2.5, "chin": 3.0, "corner left": 0.5}
BLINK = {"lid left": 6.0, "lid right": 6.0, "inner brow left": 0.6, "cheek right": 0.7}


def test_short_and_long_movements_are_told_apart_by_their_duration() -> None:
    path = raise_and_lower(rest(600, wander_px=0.3), 200, 11, BROWS)
    micro, macro = spot(raise_and_lower(path, 350, 60, SMILE, hold=0.6))
    assert (micro.kind, macro.kind) == ("micro", "macro")
    assert (abs(micro.onset - 201), abs(micro.apex - 206), abs(micro.offset - 211)) <= (2, 1, 2)
    assert abs(macro.onset - 351) <= 6
    assert abs(macro.offset - 410) <= 6
    assert all(0.5 < event.score < 1 for event in (micro, macro))


def test_a_face_at_rest_under_a_swaying_head_has_no_movements() -> None:
    assert spot(rest(900, wander_px=0.2)) == []


def test_a_blink_is_no_movement_but_a_mouth_that_moves_during_a_blink_is() -> None:
    path = raise_and_lower(rest(600), 200, 7, BLINK)
    assert spot(path.copy()) == []
    (event,) = spot(raise_and_lower(path, 198, 11, SMILE))
    assert abs(event.apex - 204) <= 1


def test_speech_is_no_movement_but_brows_that_move_during_speech_are() -> None:
    path = rest(600)
    for first in range(200, 320, 8):
        raise_and_lower(path, first, 8, TALK)
    assert spot(path.copy()) == []
    (event,) = spot(raise_and_lower(path, 250, 11, BROWS))
    assert abs(event.apex - 256) <= 1


def test_a_change_of_posture_is_no_movement() -> None:
    path = rest(1200)
    path[600:, :, 1] += 4.0
    assert spot(path) == []


@pytest.mark.parametrize("fps", [30.0, 60.0, 200.0])
def test_movements_of_a_film_of_any_rate_last_the_same_time(fps: float) -> None:
    frames = round(0.4 * fps)
    (event,) = spot(raise_and_lower(rest(round(8 * fps)), round(4 * fps), frames, SMILE), fps=fps)
    assert event.kind == "micro"
    assert abs(event.apex / fps - 4.2) <= 0.05
    assert (event.offset - event.onset) / fps == pytest.approx(0.36, abs=0.08)


def test_a_movement_that_fills_a_short_clip_is_spotted() -> None:
    (event,) = spot(raise_and_lower(rest(30), 3, 24, SMILE), fps=200.0)
    assert abs(event.apex - 16) <= 2


def test_the_whole_film_and_windows_of_it_give_the_same_movements() -> None:
    path = rest(3000, wander_px=0.2)
    starts = range(100, 2900, 130)
    for first in starts:
        raise_and_lower(path, first, 11, SMILE)
    windows, whole = spot(path), find_excursions(path, FPS, EventConfig()).events
    assert [event.apex - 1 for event in windows] == [event.apex for event in whole]
    assert len(windows) == len(starts)


def test_a_head_that_is_fast_hides_movements() -> None:
    spotter = PersonSpotter(FPS, EventConfig())
    path = raise_and_lower(rest(300), 150, 11, SMILE)
    events = [e for row, x in enumerate(path) for e in spotter.add(row, row / FPS, x, fast=row == 155)]
    assert events + spotter.end_run() == []
    assert len(spotter.numbers) == len(spotter.signal) == 300


def test_frames_at_uneven_times_give_the_numbers_of_frames() -> None:
    path = raise_and_lower(rest(600), 300, 12, SMILE)
    kept = [row for row in range(600) if 290 <= row <= 320 or row % 3 == 0]
    spotter = PersonSpotter(FPS, EventConfig())
    events = [e for row in kept for e in spotter.add(row, row / FPS, path[row], fast=False)]
    (event,) = events + spotter.end_run()
    assert abs(event.apex - 306) <= 2
    assert event.kind == "micro"
    assert set(spotter.numbers) <= set(kept)


def test_memory_does_not_grow_with_the_length_of_a_film() -> None:
    """The numbers and the signal take 12 bytes per frame. The positions of a frame would take 240."""
    config, path = EventConfig(rest_s=1, short_rest_s=0.5, macro_s=1), rest(200)
    spotter, peaks = PersonSpotter(FPS, config), []
    tracemalloc.start()
    for row in range(6000):
        spotter.add(row, row / FPS, path[row % 200], fast=False)
        if row == 3000:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] - peaks[0] < 3000 * 40


def test_the_running_median_ignores_a_short_movement_and_follows_a_step() -> None:
    path = np.zeros((100, 1))
    path[40:45], path[70:] = 5.0, 2.0
    medians = running_median(path, 10.0, 2.0)
    assert medians[42, 0] == 0.0
    assert medians[99, 0] == 2.0


def test_the_preview_has_the_frames_and_the_signal_that_are_not_final() -> None:
    path = raise_and_lower(rest(500), 430, 11, BROWS)
    spotter = PersonSpotter(FPS, EventConfig())
    assert spotter.preview()[0] == []
    for row, x in enumerate(path):
        spotter.add(row + 1, row / FPS, x, fast=False)
    final = list(spotter.numbers)
    numbers, signal = spotter.preview()
    assert final
    assert [*final, *numbers] == list(range(1, 501))
    assert abs(numbers[int(signal.argmax())] - 436) <= 1
    assert signal.max() > 1
    spotter.end_run()
    assert list(spotter.numbers) == list(range(1, 501))
    assert list(spotter.signal)[len(final) :] == pytest.approx(signal.tolist(), rel=1e-6)


def test_no_movement_waits_longer_than_it_should() -> None:
    path = raise_and_lower(rest(1200), 400, 11, BROWS)
    spotter = PersonSpotter(FPS, EventConfig())
    final = [(row, event) for row, x in enumerate(path) for event in spotter.add(row + 1, row / FPS, x, fast=False)]
    ((row, event),) = final
    assert 0 < row / FPS - (event.onset - 1) / FPS <= longest_wait(EventConfig()) == 16.0
