"""Spot the movements of one person while a film is read. Memory does not grow with the length of the film.

Positions of the regions are stored for some seconds. A movement is final as soon as enough of the film after it is
known, so each window of the film gives the same movements as the whole film.
"""

from array import array
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microfacial.preprocessing.event_rules import EventConfig, Excursion, Excursions, find_excursions
from microfacial.preprocessing.motion_path import REGIONS
from microfacial.records import FloatArray

LEAST_SAMPLES = 5
_HOP_S = 4.0  # time between two searches
_TOLERANCE = 0.5  # of a step; timestamps are often rounded to milliseconds
_RATE_TOLERANCE = 0.2  # share by which the given rate may differ from the times of the frames


@dataclass(frozen=True, kw_only=True)
class SpottedEvent:
    """One movement.

    Attributes:
        onset: frame number.
        apex: frame number.
        offset: frame number.
        score: from 0.5 at the threshold to 1 for a very strong movement.
        kind: `micro` if the movement is not longer than a micro-expression, else `macro`.
    """

    onset: int
    apex: int
    offset: int
    score: float
    kind: Literal["micro", "macro"]


def longest_wait(config: EventConfig) -> float:
    """Return the longest time in seconds from the onset of a movement until it is final.

    Args:
        config: settings.
    """
    return config.macro_s + _delay(config) + _HOP_S


def _delay(config: EventConfig) -> float:
    """Return the time after an apex that must be known."""
    return 0.5 * config.rest_s + config.macro_s


class PersonSpotter:
    """Takes positions frame by frame, and returns movements as soon as they are final.

    Attributes:
        numbers: numbers of the frames that were searched, ascending.
        signal: the largest excursion of any region in each of them, over its threshold.
        longest: largest number of frames in a row that showed the face.
    """

    def __init__(self, fps: float, config: EventConfig) -> None:
        """Start without frames.

        Args:
            fps: frames per second.
            config: settings.
        """
        self.numbers = array("q")
        self.signal = array("f")
        self.longest = 0
        self._fps, self._config = fps, config
        self._delay_s = _delay(config)
        self._restart()

    def add(self, number: int, seconds: float, position: FloatArray, *, fast: bool) -> list[SpottedEvent]:
        """Add the next frame of the run.

        Args:
            number: number of the frame.
            seconds: its time.
            position: positions of the regions, `(R, 2)`.
            fast: whether the head moves so fast that the motion of the skin is unknown.

        Returns:
            The movements that became final.
        """
        self._numbers.append(number)
        self._seconds.append(seconds)
        self._positions.append(position)
        self._fast.append(fast)
        self._count += 1
        self.longest = max(self.longest, self._count)
        if seconds - max(self._final_s, self._seconds[0]) < self._delay_s + _HOP_S:
            return []
        return self._search(seconds - self._delay_s)

    def end_run(self) -> list[SpottedEvent]:
        """End the run, because the face is lost or the film ends. Return the movements that became final."""
        events = self._search(np.inf) if len(self._numbers) >= LEAST_SAMPLES else []
        self._restart()
        return events

    def set_rate(self, fps: float) -> None:
        """Change the frame rate, because a camera delivers its frames faster or slower than before.

        Args:
            fps: frames per second.
        """
        self._fps = fps

    def preview(self) -> tuple[list[int], FloatArray]:
        """Return the numbers and the signal of the frames whose signal is not final. It can still change."""
        if len(self._numbers) < LEAST_SAMPLES:
            return [], np.zeros(0)
        rows, _, excursions = self._find_excursions()
        fresh = _first_of_each(rows, np.flatnonzero(np.array(self._seconds)[rows] > self._final_s))
        return [self._numbers[row] for row in rows[fresh]], excursions.signal[fresh]

    def _find_excursions(self) -> tuple[NDArray[np.int64], float, Excursions]:
        """Return the rows of the frames at even steps of time, the steps per second, and the movements."""
        rows, fps = _even_rows(np.array(self._seconds), self._fps, self._config.micro_s)
        path = np.stack(self._positions)[rows].reshape(-1, len(REGIONS), 2)
        return rows, fps, find_excursions(path, fps, self._config)

    def _restart(self) -> None:
        self._numbers: list[int] = []
        self._seconds: list[float] = []
        self._positions: list[FloatArray] = []
        self._fast: list[bool] = []
        self._final_s = -np.inf  # movements with an apex until then are final
        self._last_s = -np.inf  # end of the last movement, which may look a little different in the next window
        self._count = 0

    def _search(self, until_s: float) -> list[SpottedEvent]:
        """Return the movements with an apex after those that are final, and until a time. Forget what is not needed."""
        rows, fps, excursions = self._find_excursions()
        times, fast = np.array(self._seconds)[rows], np.array(self._fast)[rows]
        new = _first_of_each(rows, np.flatnonzero((times > self._final_s) & (times <= until_s)))
        self.numbers.extend(self._numbers[row] for row in rows[new])
        self.signal.extend(excursions.signal[new].tolist())
        events = []
        for event in excursions.events:
            is_new = self._final_s < times[event.apex] <= until_s and times[event.apex] > self._last_s
            if is_new and not fast[event.onset : event.offset + 1].any():
                events.append(self._name_frames(event, rows, fps))
                self._last_s = float(times[event.offset])
        self._final_s = until_s
        first = int(np.searchsorted(self._seconds, until_s - self._delay_s)) if np.isfinite(until_s) else 0
        for values in (self._numbers, self._seconds, self._positions, self._fast):
            del values[:first]
        return events

    def _name_frames(self, event: Excursion, rows: NDArray[np.int64], fps: float) -> SpottedEvent:
        onset, apex, offset = (self._numbers[rows[moment]] for moment in (event.onset, event.apex, event.offset))
        is_micro = (event.offset - event.onset) / fps <= self._config.micro_s
        score = round(event.strength / (1 + event.strength), 4)
        return SpottedEvent(onset=onset, apex=apex, offset=offset, score=score, kind="micro" if is_micro else "macro")


def _first_of_each(rows: NDArray[np.int64], steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the steps that are the first with their frame. A frame can be visible at several steps of the clock."""
    return steps[np.diff(rows[steps], prepend=-1) > 0]


def _even_rows(seconds: FloatArray, fps: float, longest_s: float) -> tuple[NDArray[np.int64], float]:
    """Return the row of the frame that is visible at each step of an even clock, and the steps per second.

    A gap longer than `longest_s` counts as this duration.
    """
    steps = np.diff(seconds)
    step = float(np.median(steps))
    if not step or float(abs(steps - step).max()) <= _TOLERANCE * step:
        return np.arange(len(seconds)), 1 / step if step and abs(fps * step - 1) > _RATE_TOLERANCE else fps
    times = np.concatenate([[0.0], np.minimum(steps, max(longest_s, step)).cumsum()])
    clock = step * (np.arange(1 + round(times[-1] / step)) + 0.5)
    return np.searchsorted(times, clock, side="right") - 1, 1 / step


def explain_absence(spotter: PersonSpotter) -> str:
    """Return why a person shows no movement.

    Args:
        spotter: has searched all frames of the person.
    """
    if spotter.longest < LEAST_SAMPLES:
        return f"only {spotter.longest} frames in a row show a head in one place. {LEAST_SAMPLES} are needed"
    strongest = max(spotter.signal, default=0.0)
    if strongest > 1.0:
        return "only movements of the head, and movements that are too short or too long for an expression"
    return f"no movement of the face rises above the noise: the strongest reaches {strongest:.0%} of the threshold"
