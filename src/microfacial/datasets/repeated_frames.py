"""Leave out frames that repeat the picture before them, as in a video of 50 frames per second with 25 pictures.

Programs that convert, record a screen or wait for a slow camera repeat pictures. Repeated frames show no motion, so the
noise of the film would seem too small, and its frame rate too high.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice

import cv2
import numpy as np

from microfacial.datasets.frames import TimedFrame
from microfacial.records import FloatArray, Image

_WINDOW = 60  # frames that decide
_DECISION = 30  # frames from one decision to the next
_MOST_TIMES = 6  # that a picture is shown
_ROWS = 120  # of the pictures that are compared
_LEAST_CHANGE = 0.02  # mean difference of grey levels; less shows that nothing moves and no noise is left
# Largest median and 90 % quantile of the changes to repeated pictures. Key frames of a codec come as regularly as new
# pictures, but the frames between them change more.
_REPEATED_CHANGES = (0.005, 0.015)
_LEAST_GROUPS = 8  # in which something changes
_LEAST_REPEATED = 0.3  # share of frames without a change; films of repeated pictures have more


class RepeatFilter:
    """Tells new pictures from repeated ones.

    Pictures must repeat regularly in the last frames, each the same number of times. Otherwise, a frame without a
    change can also mean that nothing moves, and it counts as new.

    Attributes:
        times: how often each picture is shown at present; 1 if pictures are not repeated.
    """

    def __init__(self, start: Iterable[TimedFrame]) -> None:
        """Start before the first frame.

        Args:
            start: the first frames, which decide until there are others. The film must be read again afterwards.
        """
        self.times, self._phase = 1, 0
        self._reset()
        for frame in islice(start, _WINDOW):
            self._compare(frame.image)
        self.times, self._phase = self._decide()
        self._reset()

    def is_new(self, image: Image) -> bool:
        """Return whether the next frame shows a new picture.

        Args:
            image: the frame, `(H, W, 3)` uint8.
        """
        self._compare(image)
        if len(self._changes) == _WINDOW and self._count % _DECISION == 0:
            self.times, self._phase = self._decide()
        return self._count == 1 or (self._count - 1) % self.times == self._phase

    def _reset(self) -> None:
        self._changes: deque[float] = deque(maxlen=_WINDOW)  # of each frame from the frame before
        self._count = 0  # frames so far
        self._last: Image | None = None

    def _compare(self, image: Image) -> None:
        step = max(1, image.shape[0] // _ROWS)
        picture = np.ascontiguousarray(image[::step, ::step, 1])  # green, which resembles grey
        last = picture if self._last is None or self._last.shape != picture.shape else self._last
        self._changes.append(cv2.norm(picture, last, cv2.NORM_L1) / picture.size)
        self._last = picture
        self._count += 1

    def _decide(self) -> tuple[int, int]:
        """Return how often each picture is shown, and the remainder of the index of frames with new pictures."""
        changes, start = np.array(self._changes), self._count - len(self._changes)
        if (changes >= _LEAST_CHANGE).sum() < _LEAST_GROUPS:
            return self.times, self._phase  # nothing moves
        if (changes < _LEAST_CHANGE).mean() < _LEAST_REPEATED:
            return 1, 0
        for times in range(_MOST_TIMES, 1, -1):
            for first in range(times):
                if _is_regular(changes[first or times :], times):
                    return times, (start + first) % times
        return 1, 0


def _is_regular(changes: FloatArray, times: int) -> bool:
    """Return whether each new picture is followed by repetitions.

    Args:
        changes: change of each frame from the frame before, `(N,)`. The first frame shows a new picture.
        times: how often each picture is shown.
    """
    groups = changes[: len(changes) // times * times].reshape(-1, times)
    groups = groups[groups.max(axis=1) >= _LEAST_CHANGE]
    if len(groups) < _LEAST_GROUPS:
        return False
    return bool((np.quantile(groups[:, 1:].max(axis=1), (0.5, 0.9)) <= _REPEATED_CHANGES).all())
