"""Choose frames at even steps of time. Phones record with a variable frame rate, but spotting counts in frames."""

from collections.abc import Mapping

import numpy as np

from microfacial.datasets.limits import MOST_FRAMES
from microfacial.errors import DatasetError

_TOLERANCE = 0.5  # of a step; timestamps are often rounded to milliseconds


def choose_even_steps(seconds: Mapping[int, float], fps: float, longest_s: float) -> tuple[tuple[int, ...], float]:
    """Return the frame that is visible at each step of an even clock. The median step between frames is its step.

    Args:
        seconds: time of each frame by its number. Numbers and times ascend.
        fps: frames per second, which is returned if the steps are even already.
        longest_s: longest duration of a movement in seconds. A longer step counts as this duration.

    Returns:
        Numbers of frames, ascending, and the frames per second of that sequence. A frame that stays longer than a step
        appears several times. Even steps return each number once.

    Raises:
        DatasetError: the steps differ so much that the sequence would exceed `MOST_FRAMES`.
    """
    numbers, times = np.array(list(seconds)), np.array(list(seconds.values()))
    steps = np.diff(times)
    step = float(np.median(steps)) if len(steps) else 0.0
    if not step or float(abs(steps - step).max()) <= _TOLERANCE * step:
        return tuple(seconds), fps
    times = np.concatenate([[0.0], np.minimum(steps, max(longest_s, step)).cumsum()])
    count = 1 + round(times[-1] / step)
    if count > max(MOST_FRAMES, len(times)):
        raise DatasetError(
            "the times between frames differ too much to spot a movement. Convert the video to a constant frame rate, "
            "for example with `ffmpeg -i in.mp4 -vf fps=30 out.mp4`"
        )
    visible = np.searchsorted(times, step * (np.arange(count) + 0.5), side="right") - 1
    return tuple(numbers[visible].tolist()), 1 / step
