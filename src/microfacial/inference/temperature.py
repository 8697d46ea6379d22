"""Calibrate probabilities with a temperature, one number that divides their logarithms.

The order of the classes does not change. Probabilities become less certain with a temperature above 1, and more certain
below 1.

Source: Guo et al., ICML 2017, arXiv:1706.04599.
"""

import numpy as np
from numpy.typing import NDArray

from microfacial.records import FloatArray, Predictions

LIMITS = (0.2, 5.0)
"""Least and greatest temperature. Few clips that are all predicted correctly would give the temperature 0."""

_SUM_TOLERANCE = 1e-3
_LEAST = 1e-6  # least probability of the true class; one clip with the probability 0 would decide the fit alone


def fit_temperature(probabilities: FloatArray, truth: NDArray[np.int64]) -> float:
    """Return the temperature with the smallest log loss, within `LIMITS`.

    Args:
        probabilities: probabilities of the K classes for n clips that the models were not trained on, `(n, K)`.
        truth: true class of each clip, `(n,)`.
    """
    from scipy.optimize import minimize_scalar  # importing it takes time, and prediction does not fit

    fitted = minimize_scalar(log_loss, bounds=LIMITS, method="bounded", args=(probabilities, truth))
    return round(float(fitted.x), 3)


def choose_temperature(predictions: Predictions) -> float:
    """Return the temperature of a model from the predictions of its protocol, or 1 if no temperature helps.

    Few clips give a temperature by chance. So each subject is also calibrated without its own clips. If this does not
    lower the log loss, the probabilities stay as they are.

    Args:
        predictions: predictions of all repetitions for held-out clips.
    """
    repeats, _, classes = predictions.probabilities.shape
    probabilities = predictions.probabilities.reshape(-1, classes)
    truth, subjects = np.tile(predictions.truth, repeats), np.tile(predictions.subjects, repeats)
    if len(np.unique(subjects)) == 1:
        return 1.0
    calibrated = cross_calibrate(probabilities, truth, subjects)
    helps = log_loss(1.0, calibrated, truth) < log_loss(1.0, probabilities, truth)
    return fit_temperature(probabilities, truth) if helps else 1.0


def cross_calibrate(probabilities: FloatArray, truth: NDArray[np.int64], subjects: NDArray[np.str_]) -> FloatArray:
    """Return calibrated probabilities. The temperature of each subject is fitted on all other subjects.

    Args:
        probabilities: probabilities of n clips, `(n, K)`.
        truth: true class of each clip, `(n,)`.
        subjects: person of each clip, `(n,)`, at least two.

    Returns:
        `(n, K)`.
    """
    calibrated = np.empty_like(probabilities)
    for subject in np.unique(subjects):
        rows = subjects == subject
        temperature = fit_temperature(probabilities[~rows], truth[~rows])
        calibrated[rows] = apply_temperature(probabilities[rows], temperature)
    return calibrated


def apply_temperature(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Return calibrated probabilities.

    Args:
        probabilities: `(…, K)`. They sum to 1.
        temperature: above 0. 1 leaves the probabilities unchanged.

    Returns:
        `(…, K)`. They sum to 1.
    """
    if temperature == 1.0:
        return probabilities
    logits = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)) / temperature
    shares: FloatArray = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def log_loss(temperature: float, probabilities: FloatArray, truth: NDArray[np.int64]) -> float:
    """Return the mean log loss of calibrated probabilities.

    Args:
        temperature: above 0.
        probabilities: `(n, K)`.
        truth: true class of each clip, `(n,)`.
    """
    calibrated = apply_temperature(probabilities, temperature)[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(calibrated, _LEAST)).mean())


def are_probabilities(values: FloatArray) -> bool:
    """Return whether values are probabilities of classes that exclude each other.

    Args:
        values: `(…, K)`.
    """
    return bool((values >= 0).all() and (np.abs(values.sum(axis=-1) - 1) <= _SUM_TOLERANCE).all())  # False for NaN
