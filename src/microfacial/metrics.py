"""Scores over a fixed class list, from counts that are pooled over folds.

UF1 and UAR are means over classes of F1 and recall; a class that occurs nowhere in the truth is left out of the mean,
so that a bootstrap draw without it is not punished.

Source: See et al., MEGC 2019, doi:10.1109/FG.2019.8756611; calibration: Guo et al., ICML 2017, arXiv:1706.04599.
"""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
_CONFIDENCE_BINS = 15


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Counts:
    """Counts `(K, K)`, truth down, prediction across, of labels `(n,)`."""
    cells = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return np.asarray(cells.reshape(classes, classes), dtype=np.int64)


def uf1(counts: Counts) -> NDArray[np.float64]:
    """Unweighted F1 of counts `(…, K, K)`, shape `(…)`."""
    hits, truths, guesses = _margins(counts)
    return _mean_over_classes(2 * hits, truths + guesses, truths)


def uar(counts: Counts) -> NDArray[np.float64]:
    """Unweighted average recall of counts `(…, K, K)`, shape `(…)`."""
    hits, truths, _ = _margins(counts)
    return _mean_over_classes(hits, truths, truths)


def accuracy(counts: Counts) -> NDArray[np.float64]:
    """Share of right predictions of counts `(…, K, K)`, shape `(…)`."""
    hits, truths, _ = _margins(counts)
    return np.asarray(hits.sum(-1) / truths.sum(-1), dtype=np.float64)


def calibration_error(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """Expected calibration error of probabilities `(n, K)`: how far confidence lies from the share that is right.

    Confidence is the highest probability; 15 bins of equal width, each closed above, are weighted by their predictions.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    edges = np.linspace(0, 1, _CONFIDENCE_BINS + 1)[1:-1]
    excess = np.bincount(np.digitize(confidence, edges, right=True), weights=confidence - right)
    return float(np.abs(excess).sum() / len(truth))


def _margins(counts: Counts) -> tuple[Counts, Counts, Counts]:
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1), counts.sum(-2)


def _mean_over_classes(part: Counts, whole: Counts, truths: Counts) -> NDArray[np.float64]:
    present = truths > 0
    ratio = np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
    return np.asarray((ratio * present).sum(-1) / present.sum(-1), dtype=np.float64)
