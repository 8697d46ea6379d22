"""The rule that spots movements at the peaks of a signal. It is the baseline for spotting.

A peak counts if it is higher than a share of the way from the signal's mean to its maximum. The interval has a fixed
length around the peak. The threshold depends on the strongest movement of the film, so a laugh hides everything else.

Source: Moilanen et al., ICPR 2014, doi:10.1109/ICPR.2014.303.
"""

from microfacial.preprocessing.peaks import find_high_peaks
from microfacial.records import FloatArray

PEAK_SHARE = 0.55


def spot_peaks(signal: FloatArray, half_length: int, share: float = PEAK_SHARE) -> list[tuple[int, int, int]]:
    """Return the intervals around the peaks of a signal.

    Args:
        signal: strength of the motion in each frame, `(N,)`.
        half_length: half the typical length of a movement, in frames. Peaks have at least this distance.
        share: height from which a peak counts. 0 is the signal's mean, 1 its maximum.

    Returns:
        Indices of onset, apex and offset, in order of time.
    """
    if not len(signal):
        return []
    threshold = float(signal.mean() + share * (signal.max() - signal.mean()))
    peaks = find_high_peaks(signal, threshold, max(1, half_length))
    last = len(signal) - 1
    return [(max(0, peak - half_length), peak, min(last, peak + half_length)) for peak in peaks.tolist()]
