"""Confidence intervals of scores and of differences between models, although clips of one subject are not independent.

Source: the percentile bootstrap over subjects, Efron & Tibshirani 1993, doi:10.1201/9780429246593; the exact test of
two classifiers on the same clips: McNemar, Psychometrika 1947, doi:10.1007/BF02295996.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ProtocolError
from microfacial.metrics import Counts, uar, uf1
from microfacial.records import Comparison, Predictions

_LOG = logging.getLogger(__name__)

Interval = tuple[float, float]
_PERCENTILES = (2.5, 97.5)


def count_by_subject(predictions: Predictions) -> Counts:
    """Count true and predicted classes for each subject.

    Args:
        predictions: predictions of n clips in each repetition.

    Returns:
        Counts, `(repeats, S, K, K)` int64, of S subjects in the order of their names: rows are true classes, columns
        are predicted classes.
    """
    subjects, subject = np.unique(predictions.subjects, return_inverse=True)
    shape = (len(subjects), len(predictions.classes), len(predictions.classes))
    counts = np.zeros((len(predictions.predicted), *shape), dtype=np.int64)
    for repeat, predicted in enumerate(predictions.predicted):
        np.add.at(counts[repeat], (subject, predictions.truth, predicted), 1)
    return counts


def bootstrap_intervals(by_subject: Counts, draws: int, seed: int) -> tuple[Interval, Interval]:
    """Return 95 % percentile intervals of UF1 and UAR over draws of whole subjects.

    The score of a draw is the mean over repetitions. Repetitions test the same subjects, so they do not count as more
    subjects.

    Args:
        by_subject: counts, `(repeats, S, K, K)`, as `count_by_subject` returns them.
        draws: number of bootstrap draws.
        seed: seed of the draws.

    Returns:
        The interval of UF1 and the interval of UAR, each as lower and upper bound.
    """
    scores = _draw_scores(by_subject, draws, seed)
    return percentile_interval(scores[0]), percentile_interval(scores[1])


def compare_predictions(model: Predictions, baseline: Predictions, draws: int, seed: int) -> Comparison:
    """Compare two models on the same clips.

    McNemar's test assumes independent clips, but clips of one subject are not independent. With several repetitions it
    uses the averaged predictions, which may be better than those of each repetition. If the test and the interval
    disagree, trust the interval.

    Args:
        model: predictions of the model.
        baseline: predictions of the baseline for the same clips.
        draws: number of bootstrap draws of subjects.
        seed: seed of the draws.

    Returns:
        Differences, their intervals and the test. Differences are the model's score minus the baseline's.

    Raises:
        ProtocolError: the two have different protocols, clips, labels or classes.
    """
    _LOG.debug("comparing %s with %s on %d draws of subjects", model.model, baseline.model, draws)
    _require_same_clips(model, baseline)
    counts = [count_by_subject(predictions) for predictions in (model, baseline)]
    model_draws, baseline_draws = (_draw_scores(by_subject, draws, seed) for by_subject in counts)
    drawn = model_draws - baseline_draws  # the same seed draws the same subjects for both
    pooled = [by_subject.sum(axis=1) for by_subject in counts]
    right = [predictions.voted == predictions.truth for predictions in (model, baseline)]
    only_model, only_baseline = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return Comparison(
        model=model.model,
        baseline=baseline.model,
        uf1_difference=float(uf1(pooled[0]).mean() - uf1(pooled[1]).mean()),
        uf1_interval=percentile_interval(drawn[0]),
        uar_difference=float(uar(pooled[0]).mean() - uar(pooled[1]).mean()),
        uar_interval=percentile_interval(drawn[1]),
        only_model=only_model,
        only_baseline=only_baseline,
        mcnemar_p=mcnemar(only_model, only_baseline),
        subjects=counts[0].shape[1],
    )


def bound_difference(
    model: Predictions, baseline: Predictions, draws: int, seed: int, confidence: float
) -> tuple[float, float]:
    """Return the difference in UF1 and its one-sided lower bound over draws of subjects.

    Args:
        model: predictions of the model.
        baseline: predictions of the baseline for the same clips.
        draws: number of bootstrap draws of subjects.
        seed: seed of the draws.
        confidence: confidence of the bound, such as 0.9.

    Returns:
        The model's UF1 minus the baseline's, and the lower bound of this difference.

    Raises:
        ProtocolError: the two have different protocols, clips, labels or classes.
    """
    _require_same_clips(model, baseline)
    counts = [count_by_subject(predictions) for predictions in (model, baseline)]
    model_draws, baseline_draws = (_draw_scores(by_subject, draws, seed)[0] for by_subject in counts)
    model_uf1, baseline_uf1 = (uf1(by_subject.sum(axis=1)).mean() for by_subject in counts)
    return float(model_uf1 - baseline_uf1), float(np.quantile(model_draws - baseline_draws, 1 - confidence))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p value of McNemar's exact test.

    Args:
        only_first: number of clips that only the first model predicts correctly.
        only_second: number of clips that only the second model predicts correctly.

    Returns:
        The p value. It is 1 if there are no such clips.
    """
    from scipy.stats import binomtest  # importing it takes half a second, and few commands compare models

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def require_same(model: str, baseline: str, **same: bool) -> None:
    """Refuse to compare two models that were not evaluated in the same way.

    Args:
        model: name of the model.
        baseline: name of the baseline.
        same: whether both have the same protocol, clips and so on, by the noun that the message names.

    Raises:
        ProtocolError: something differs.
    """
    for name, equal in same.items():
        if not equal:
            raise ProtocolError(
                f"{model} and {baseline} were not evaluated with the same {name}. "
                "Evaluate both in the same way: with equal arguments in Python, or with `dvc repro` in a project"
            )


def _require_same_clips(model: Predictions, baseline: Predictions) -> None:
    """Raise a ProtocolError if two models were not evaluated in the same way."""
    require_same(
        model.model,
        baseline.model,
        protocol=model.protocol == baseline.protocol,
        classes=model.classes == baseline.classes,
        clips=np.array_equal(model.clips, baseline.clips),
        labels=np.array_equal(model.truth, baseline.truth),
    )


def _draw_scores(by_subject: Counts, draws: int, seed: int) -> NDArray[np.float64]:
    """Return UF1 and UAR, `(2, draws)`, of draws of subjects with replacement. The seed determines the draws."""
    times = sample_subjects(by_subject.shape[1], draws, seed)  # (draws, S)
    counts = np.tensordot(times, by_subject, axes=(1, 1))  # (draws, repeats, K, K)
    return np.stack([uf1(counts).mean(axis=1), uar(counts).mean(axis=1)])


def sample_subjects(subjects: int, draws: int, seed: int) -> NDArray[np.int64]:
    """Draw subjects with replacement. The seed determines the draws.

    Args:
        subjects: number of subjects, S.
        draws: number of draws, of S subjects each.
        seed: seed of the draws.

    Returns:
        How often each subject is drawn, `(draws, S)`.
    """
    drawn = np.random.default_rng(seed).integers(subjects, size=(draws, subjects))
    return np.stack([np.bincount(draw, minlength=subjects) for draw in drawn])


def percentile_interval(scores: NDArray[np.float64]) -> Interval:
    """Return the 95 % percentile interval of the scores of draws.

    Args:
        scores: scores, `(draws,)`.
    """
    low, high = np.percentile(scores, _PERCENTILES)
    return float(low), float(high)
