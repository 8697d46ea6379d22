"""Find the peaks of a signal, with the rules and results of `scipy.signal.find_peaks`.

Importing `scipy.signal` takes as long as reading the first seconds of a film, and spotting needs this one function.
"""

import numpy as np
from numpy.typing import NDArray

from microfacial.records import FloatArray


def find_high_peaks(signal: FloatArray, height: float, distance: int) -> NDArray[np.int64]:
    """Return the peaks with a least height and a least distance. The higher of two close peaks stays.

    Args:
        signal: `(N,)`, finite.
        height: least height of a peak.
        distance: least distance of two peaks in samples, from 1 on.

    Returns:
        Indices of the peaks, ascending. The index of a plateau is its middle, rounded down.
    """
    peaks = _find_maxima(signal)
    peaks = peaks[signal[peaks] >= height]
    stays = np.ones(len(peaks), np.bool_)
    for place in np.argsort(signal[peaks])[::-1]:
        if stays[place]:
            stays &= np.abs(peaks - peaks[place]) >= distance
            stays[place] = True
    return peaks[stays]


def find_prominent_peaks(signal: FloatArray, prominence: float) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the peaks with a least prominence, and their prominences.

    The prominence is the height above the higher of the two deepest points between the peak and the next higher sample
    on each side.

    Args:
        signal: `(N,)`, finite.
        prominence: least prominence of a peak.

    Returns:
        Indices of the peaks, ascending, and their prominences.
    """
    peaks = _find_maxima(signal)
    heights = np.array([_measure_prominence(signal, int(peak)) for peak in peaks], dtype=np.float64)
    return peaks[heights >= prominence], heights[heights >= prominence]


def _find_maxima(signal: FloatArray) -> NDArray[np.int64]:
    """Return the middles of all samples or plateaus that are higher than both neighbours. An end is no maximum."""
    steps = np.flatnonzero(np.diff(signal))
    starts, ends = np.append(0, steps + 1), np.append(steps, len(signal) - 1)
    levels = signal[starts] if len(signal) else signal
    is_peak = (levels[1:-1] > levels[:-2]) & (levels[1:-1] > levels[2:])
    middles: NDArray[np.int64] = (starts[1:-1] + ends[1:-1])[is_peak] // 2
    return middles


def _measure_prominence(signal: FloatArray, peak: int) -> float:
    higher = np.flatnonzero(signal > signal[peak])
    place = int(np.searchsorted(higher, peak))
    left = int(higher[place - 1]) + 1 if place else 0
    right = int(higher[place]) if place < len(higher) else len(signal)
    return float(signal[peak] - max(signal[left : peak + 1].min(), signal[peak:right].min()))
