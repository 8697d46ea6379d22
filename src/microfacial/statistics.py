"""How sure a score is, given that clips of one person are not independent.

Source: the percentile bootstrap over subjects, Efron & Tibshirani 1993, doi:10.1201/9780429246593.
"""

import numpy as np
from numpy.typing import NDArray

from microfacial.metrics import uar, uf1

Interval = tuple[float, float]
_PERCENTILES = (2.5, 97.5)


def bootstrap_intervals(per_subject: NDArray[np.int64], draws: int, seed: int) -> tuple[Interval, Interval]:
    """95 % percentile intervals of UF1 and UAR, from counts `(S, K, K)` of which whole subjects are drawn."""
    subjects = len(per_subject)
    drawn = np.random.default_rng(seed).integers(subjects, size=(draws, subjects))
    times = np.stack([np.bincount(draw, minlength=subjects) for draw in drawn])  # (draws, S)
    counts = np.tensordot(times, per_subject, axes=1)  # (draws, K, K)
    return _interval(uf1(counts)), _interval(uar(counts))


def _interval(scores: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(scores, _PERCENTILES)
    return float(low), float(high)
