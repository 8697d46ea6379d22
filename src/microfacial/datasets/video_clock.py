"""Make times of frames from the timestamps of a video. Timestamps can repeat, and headers can state a wrong rate."""

from collections.abc import Sequence

import numpy as np

from microfacial.datasets.limits import GREATEST_FPS, LEAST_FPS

_HEADER_TOLERANCE = 0.2
"""Share by which the rate of a header may differ from the usual rate of the timestamps. The rate of a header is often a
mean, and phones leave out frames."""

_COARSE = 0.1  # share of frames whose timestamps repeat the one before
_SLIP = 2.0  # steps by which a timestamp can be too early without a new start


class VideoClock:
    """Gives each frame a time. Times ascend, even where timestamps repeat or jump back.

    A frame whose timestamp is a little too early gets a time half a usual step after the frame before. If the next
    timestamp does not ascend either, or if a timestamp is far too early, the timestamps are absent or have started
    anew, as in joined recordings. The times then go on with a usual step.
    """

    def __init__(self, step_s: float) -> None:
        """Start without frames.

        Args:
            step_s: usual time between two frames in seconds, greater than 0.
        """
        self._step_s = step_s
        self._shift_s: float | None = None  # is added to a timestamp
        self._last_s = 0.0
        self._is_repaired = False

    def read(self, stamp_s: float) -> float:
        """Return the time of the next frame in seconds from the first frame.

        Args:
            stamp_s: its timestamp in seconds.
        """
        if self._shift_s is None:
            self._shift_s = -stamp_s
            return 0.0
        time_s = stamp_s + self._shift_s
        if time_s > self._last_s:
            self._last_s, self._is_repaired = time_s, False
        elif not self._is_repaired and time_s > self._last_s - _SLIP * self._step_s:
            self._last_s, self._is_repaired = self._last_s + 0.5 * self._step_s, True
        else:
            self._last_s, self._is_repaired = self._last_s + self._step_s, True
            self._shift_s = self._last_s - stamp_s
        return self._last_s


def find_usual_step(stamps_s: Sequence[float]) -> float | None:
    """Return the usual time between two frames in seconds.

    Args:
        stamps_s: timestamps of frames in a row, in seconds.

    Returns:
        The mean of the steps up to twice their median, that is without pauses. Steps of 0 count, because timestamps are
        rounded. None if most timestamps do not ascend: the video has no timestamps.
    """
    steps = np.diff(stamps_s)
    ascending = steps[steps > 0]
    if not len(ascending) or 2 * len(ascending) < len(steps):
        return None
    return float(steps[(steps >= 0) & (steps <= 2 * np.median(ascending))].mean())


def repeat_often(stamps_s: Sequence[float]) -> bool:
    """Return whether timestamps are too coarse for the times of frames.

    Args:
        stamps_s: timestamps of frames in a row, in seconds.
    """
    return bool((np.diff(stamps_s) <= 0).sum() > _COARSE * (len(stamps_s) - 1))


def choose_rate(header_fps: float, step_s: float | None) -> float | None:
    """Return the usual number of frames per second.

    Args:
        header_fps: rate in the header of a video; 0 or NaN if it has none.
        step_s: usual time between two frames by their timestamps in seconds; None if they are unknown.

    Returns:
        The rate of the header, unless the timestamps contradict it. None if neither rate is from `LEAST_FPS` to
        `GREATEST_FPS`.
    """
    usable = LEAST_FPS <= header_fps <= GREATEST_FPS
    if step_s is None or (usable and abs(header_fps * step_s - 1) <= _HEADER_TOLERANCE):
        return header_fps if usable else None
    fps = 1 / step_s
    return fps if LEAST_FPS <= fps <= GREATEST_FPS else None
