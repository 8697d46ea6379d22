"""Identical results on every x86-64 processor.

Two things depend on the processor.

OpenCV has several versions of its functions and chooses one by the processor's instruction set. Their results differ in
the last bits. Such a difference can change a pixel by one grey level, and this moves landmarks by several thousandths
of a pixel. `portable_opencv` always chooses the version that runs on every x86-64 processor.

BLAS and NumPy add numbers in different orders and have several versions of functions such as exp. `round_points` and
the functions after it round such results before they are used or written. The steps are far finer than the precision of
any number, and far coarser than the last bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from microfacial.records import FloatArray

_POINT_DECIMALS = 4  # px
_SHIFT_DECIMALS = 5  # px
_LINEAR_DECIMALS = 8  # px per px: 0.00004 px at the far corner of a frame of 3840×2160 px
_CONFIDENCE_DECIMALS = 4
_SIGNAL_DECIMALS = 5  # px


@contextmanager
def portable_opencv() -> Iterator[None]:
    """Make OpenCV use the code that runs on every x86-64 processor. Restore the former choice at the end.

    Use it as a decorator or as a context. The choice holds for all threads of the process.
    """
    before = cv2.useOptimized()
    cv2.setUseOptimized(False)
    try:
        yield
    finally:
        cv2.setUseOptimized(before)


def round_points(points: FloatArray) -> FloatArray:
    """Round landmarks to 0.0001 px.

    Args:
        points: `(n, 2)` in px.

    Returns:
        `(n, 2)` in px.
    """
    return points.round(_POINT_DECIMALS)


def round_similarity(similarity: FloatArray) -> FloatArray:
    """Round a similarity so that it moves no point by more than 0.0001 px.

    Args:
        similarity: `(2, 3)`. The last column is the shift in px.

    Returns:
        `(2, 3)`. It is a similarity too.
    """
    rounded = similarity.round(_LINEAR_DECIMALS)
    rounded[:, 2] = similarity[:, 2].round(_SHIFT_DECIMALS)
    return rounded


def round_confidence(confidence: float) -> float:
    """Round a probability to four decimals."""
    return round(confidence, _CONFIDENCE_DECIMALS)


def round_signal(signal: FloatArray) -> FloatArray:
    """Round a signal of motion over time to 0.00001 px, so that equal frames have equal values.

    Args:
        signal: `(n,)` in px.

    Returns:
        `(n,)` in px.
    """
    return signal.round(_SIGNAL_DECIMALS)
