"""Scores from confusion counts over a fixed list of classes. Counts of several folds are added before scoring.

UF1 and UAR are means of F1 and recall over classes. A class that does not occur in the truth is left out of the mean.
Otherwise a bootstrap draw without this class would score too low.

Source: See et al., MEGC 2019, doi:10.1109/FG.2019.8756611; calibration: Guo et al., ICML 2017, arXiv:1706.04599.
"""

import numpy as np
from numpy.typing import NDArray

from microfacial.records import FloatArray

Counts = NDArray[np.int64]
"""Counts of clips, `(…, K, K)`. Rows are annotated classes, columns are predicted classes."""

CONFIDENCE_BINS = 15
"""Number of bins of the calibration error."""


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Counts:
    """Count the clips of each annotated and predicted class.

    Args:
        truth: annotated classes, `(n,)`, 0 to K - 1.
        predicted: predicted classes, `(n,)`, 0 to K - 1.
        classes: number of classes, K.

    Returns:
        Counts, `(K, K)`.
    """
    cells = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes)


def uf1(counts: Counts) -> FloatArray:
    """Return the unweighted F1, 0 to 1.

    Args:
        counts: counts, `(…, K, K)`.

    Returns:
        Scores, `(…)`.
    """
    hits, truths, guesses = _margins(counts)
    return _mean_over_classes(2 * hits, truths + guesses, truths)


def uar(counts: Counts) -> FloatArray:
    """Return the unweighted average recall, 0 to 1.

    Args:
        counts: counts, `(…, K, K)`.

    Returns:
        Scores, `(…)`.
    """
    hits, truths, _ = _margins(counts)
    return _mean_over_classes(hits, truths, truths)


def f1_by_class(counts: Counts) -> FloatArray:
    """Return the F1 of each class, 0 to 1. UF1 is its mean over the classes that occur in the truth.

    Args:
        counts: counts, `(…, K, K)`.

    Returns:
        Scores, `(…, K)`. NaN for a class that does not occur in the truth.
    """
    hits, truths, guesses = _margins(counts)
    return np.where(truths > 0, _divide(2 * hits, truths + guesses), np.nan)


def recall_by_class(counts: Counts) -> FloatArray:
    """Return the recall of each class, 0 to 1. UAR is its mean over the classes that occur in the truth.

    Args:
        counts: counts, `(…, K, K)`.

    Returns:
        Scores, `(…, K)`. NaN for a class that does not occur in the truth.
    """
    hits, truths, _ = _margins(counts)
    return np.where(truths > 0, _divide(hits, truths), np.nan)


def accuracy(counts: Counts) -> FloatArray:
    """Return the share of correct predictions, 0 to 1.

    Args:
        counts: counts, `(…, K, K)`.

    Returns:
        Scores, `(…)`.
    """
    hits, truths, _ = _margins(counts)
    return np.asarray(hits.sum(-1) / truths.sum(-1))


def calibration_error(probabilities: FloatArray, truth: NDArray[np.int64]) -> float:
    """Return the expected calibration error: the mean gap between confidence and the share of correct predictions.

    The confidence of a prediction is its highest probability. Predictions are sorted into 15 bins of equal width, each
    of which includes its upper edge. Bins are weighted by their number of predictions.

    Args:
        probabilities: predicted probabilities, `(n, K)`.
        truth: annotated classes, `(n,)`.

    Returns:
        The error, 0 to 1.
    """
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    edges = np.linspace(0, 1, CONFIDENCE_BINS + 1)[1:-1]
    excess = np.bincount(np.digitize(confidence, edges, right=True), weights=confidence - correct)
    return float(np.abs(excess).sum() / len(truth))


def _margins(counts: Counts) -> tuple[Counts, Counts, Counts]:
    """Return the correct predictions, the annotations and the predictions of each class, each `(…, K)`."""
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1), counts.sum(-2)


def _mean_over_classes(numerator: Counts, denominator: Counts, truths: Counts) -> FloatArray:
    """Return the mean ratio over the classes that occur in the truth."""
    present = truths > 0
    return np.asarray((_divide(numerator, denominator) * present).sum(-1) / present.sum(-1))


def _divide(numerator: Counts, denominator: Counts) -> FloatArray:
    """Return the ratio, and 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros(denominator.shape), where=denominator > 0)
