"""Measure the frame rate over time, and find the times in which it is too low for micro-expressions."""

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from microfacial.datasets.limits import GREATEST_FPS, LEAST_FPS

LEAST_FPS_FOR_MICRO = 20.0
"""Least frame rate for micro-expressions. At 20 frames per second, one of 0.2 s has only four frames."""

SLOW_S = 1.0
"""Time in seconds over which the frame rate is measured, which must not be too low."""

RATE_S = 4.0
"""Time in seconds over which the frame rate of spotting is measured."""


class RecentRate:
    """Measures the frame rate over the last seconds.

    Attributes:
        is_full: whether the frames so far have lasted as long.
    """

    def __init__(self, seconds: float) -> None:
        """Start without frames.

        Args:
            seconds: time over which the rate is measured.
        """
        self._seconds = seconds
        self._times: deque[float] = deque()
        self.is_full = False

    def add(self, time_s: float) -> None:
        """Add the time of the next frame.

        Args:
            time_s: its time in seconds, later than the times before.
        """
        self._times.append(time_s)
        while len(self._times) > 2 and time_s - self._times[0] > self._seconds:
            self._times.popleft()
            self.is_full = True

    @property
    def fps(self) -> float | None:
        """Frames per second; None before the second frame."""
        return mean_rate(self._times)


def mean_rate(times: Sequence[float]) -> float | None:
    """Return the mean number of frames per second.

    Args:
        times: times of frames in seconds, ascending.

    Returns:
        The rate; None if there is one frame only.
    """
    return round_rate((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else None


def round_rate(fps: float) -> float:
    """Return a frame rate with the decimals that can be measured. The clock of a camera is not exact.

    Args:
        fps: frames per second.
    """
    return min(max(round(fps, 1), LEAST_FPS), GREATEST_FPS)


def explain_slow_rate(fps: float) -> str:
    """Return why a frame rate is too low for micro-expressions. Return an empty text if it is not.

    Args:
        fps: frames per second.
    """
    if fps >= LEAST_FPS_FOR_MICRO:
        return ""
    return (
        f"the frame rate of {fps:.3g} per second is too low for micro-expressions: {LEAST_FPS_FOR_MICRO:g} are "
        "needed, and 100 or more are better"
    )


def find_slow_frames(seconds: Mapping[int, float]) -> dict[int, str]:
    """Return the frames of a film around which the frame rate is too low for micro-expressions, with the reason.

    Args:
        seconds: time of each frame in seconds by its number, ascending.

    Returns:
        The reason by the number of the frame, ascending. All frames of one slow time have the same reason, with the
        mean rate of this time.
    """
    numbers, times = list(seconds), np.array(list(seconds.values()))
    if len(times) < 2:
        return {}
    first = np.searchsorted(times, times - 0.5 * SLOW_S, side="left")
    last = np.searchsorted(times, times + 0.5 * SLOW_S, side="right") - 1
    # If this time has one or two frames, their rate includes the next frames outside of it.
    first = np.where(first == last, np.maximum(first - 1, 0), first)
    last = np.where(first + 1 >= last, np.minimum(last + 1, len(times) - 1), last)
    rates = np.round((last - first) / (times[last] - times[first]), 1)
    is_slow = rates < LEAST_FPS_FOR_MICRO
    ends = np.flatnonzero(np.diff(is_slow, prepend=False, append=False))
    reasons: dict[int, str] = {}
    for start, end in ends.reshape(-1, 2):
        begin, close = max(start - 1, 0), min(end, len(times) - 1)
        fps = min((close - begin) / (times[close] - times[begin]), float(rates[start:end].max()))
        reasons |= dict.fromkeys(numbers[start:end], explain_slow_rate(fps))
    return reasons
