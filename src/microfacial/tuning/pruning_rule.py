"""Decide from the folds so far whether a trial is significantly worse than trial 0.

Source: the signed-rank test, Wilcoxon 1945, doi:10.2307/3001968.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from microfacial.records import FoldResult

_MIN_DIFFERENT_FOLDS = 5  # with fewer folds the one-sided signed-rank test cannot give p < .05


def score_fold(fold: FoldResult, class_shares: NDArray[np.float64]) -> float:
    """Score a fold's predictions: the mean of hit (0 or 1) and probability of the true class, weighted by class.

    Hits are included because UF1 counts them. Probabilities are included because they are continuous, so folds rarely
    tie. All classes have the same weight.

    Args:
        fold: the result of an inner fold.
        class_shares: share of each class among the clips of all tuning subjects, `(K,)`.

    Returns:
        A score from 0 to 1. Higher is better.
    """
    weights = 1 / class_shares[fold.truth]
    true_class_probabilities = fold.probabilities[np.arange(len(fold.truth)), fold.truth]
    clip_scores = ((fold.predicted == fold.truth) + true_class_probabilities) / 2
    return float(np.average(clip_scores, weights=weights))


def paired_differences(scores: Mapping[int, float], reference: Mapping[int, float], folds: int) -> NDArray[np.float64]:
    """Return the difference of each fold that both trials have trained, averaged over repetitions.

    Args:
        scores: scores of a trial by step: repetition × `folds` + fold.
        reference: scores of trial 0 by step.
        folds: number of folds in a repetition.

    Returns:
        The trial's score minus trial 0's, one value per fold, `(n,)`.
    """
    by_fold: dict[int, list[float]] = {}
    for step in sorted(scores.keys() & reference.keys()):
        by_fold.setdefault(step % folds, []).append(scores[step] - reference[step])
    return np.array([np.mean(differences) for differences in by_fold.values()])


def is_clearly_worse(scores: Mapping[int, float], reference: Mapping[int, float], folds: int, p: float) -> bool:
    """Return whether a trial is worse than trial 0 by the exact one-sided signed-rank test over folds, at level `p`.

    The test is repeated while a trial runs. Therefore the share of good trials that are stopped is greater than `p`.

    Args:
        scores: scores of the trial by step: repetition × `folds` + fold.
        reference: scores of trial 0 by step.
        folds: number of folds in a repetition.
        p: level of the test.

    Returns:
        True if the p-value of the test is below `p`. False if fewer than five folds differ.
    """
    differences = paired_differences(scores, reference, folds)
    differences = differences[differences != 0]  # a difference is zero only if the settings are equal
    if len(differences) < _MIN_DIFFERENT_FOLDS:
        return False
    return bool(wilcoxon(differences, alternative="less", method="exact").pvalue < p)
