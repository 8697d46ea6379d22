"""How sure a score is, and a difference between two, given that clips of one person are not independent.

Source: the percentile bootstrap over subjects, Efron & Tibshirani 1993, doi:10.1201/9780429246593; the exact test of
two classifiers on the same clips: McNemar, Psychometrika 1947, doi:10.1007/BF02295996.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from microfacial.errors import ProtocolError
from microfacial.metrics import Counts, uar, uf1
from microfacial.records import Comparison, Predictions

Interval = tuple[float, float]
_PERCENTILES = (2.5, 97.5)


def count_by_subject(found: Predictions) -> Counts:
    """Counts `(repeats, S, K, K)` of each subject, in the order of their names: truth down, prediction across."""
    subjects, subject = np.unique(found.subjects, return_inverse=True)
    shape = (len(subjects), len(found.classes), len(found.classes))
    counts = np.zeros((len(found.predicted), *shape), dtype=np.int64)
    for repeat, predicted in enumerate(found.predicted):
        np.add.at(counts[repeat], (subject, found.truth, predicted), 1)
    return counts


def bootstrap_intervals(by_subject: Counts, draws: int, seed: int) -> tuple[Interval, Interval]:
    """95 % percentile intervals of UF1 and UAR, from counts `(repeats, S, K, K)` of which whole subjects are drawn.

    The score of a draw is the mean over repetitions: they are of the same people, and are no more people.
    """
    scores = _draw_scores(by_subject, draws, seed)
    return _interval(scores[0]), _interval(scores[1])


def compare_predictions(model: Predictions, baseline: Predictions, draws: int, seed: int) -> Comparison:
    """Compare two models on the same clips.

    McNemar's test takes clips for independent, which clips of one person are not; of several repetitions it sees the
    averaged predictions, which may be better than each. Where it and the interval disagree, believe the interval.

    Raises:
        ProtocolError: the two were not evaluated by the same protocol on the same clips, labels and classes.
    """
    _require_same(model, baseline)
    counts = [count_by_subject(found) for found in (model, baseline)]
    drawn = np.subtract(*(_draw_scores(of_one, draws, seed) for of_one in counts))  # the same seed: the same draws
    pooled = [of_one.sum(axis=1) for of_one in counts]
    right = [found.voted == found.truth for found in (model, baseline)]
    only_model, only_baseline = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return Comparison(
        model=model.model,
        baseline=baseline.model,
        uf1_difference=float(uf1(pooled[0]).mean() - uf1(pooled[1]).mean()),
        uf1_interval=_interval(drawn[0]),
        uar_difference=float(uar(pooled[0]).mean() - uar(pooled[1]).mean()),
        uar_interval=_interval(drawn[1]),
        only_model=only_model,
        only_baseline=only_baseline,
        mcnemar_p=mcnemar(only_model, only_baseline),
        subjects=counts[0].shape[1],
    )


def bound_difference(
    model: Predictions, baseline: Predictions, draws: int, seed: int, confidence: float
) -> tuple[float, float]:
    """Difference in UF1, the model's minus the baseline's, and its one-sided lower bound over draws of subjects.

    Raises:
        ProtocolError: as `compare_predictions`.
    """
    _require_same(model, baseline)
    counts = [count_by_subject(found) for found in (model, baseline)]
    drawn = np.subtract(*(_draw_scores(of_one, draws, seed)[0] for of_one in counts))
    difference = float(np.subtract(*(uf1(of_one.sum(axis=1)).mean() for of_one in counts)))
    return difference, float(np.quantile(drawn, 1 - confidence))


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p of a split of the clips that one of two models alone has right; 1 where there are none."""
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def _require_same(model: Predictions, baseline: Predictions) -> None:
    for what, same in (
        ("protocol", model.protocol == baseline.protocol),
        ("classes", model.classes == baseline.classes),
        ("clips", np.array_equal(model.clips, baseline.clips)),
        ("labels", np.array_equal(model.truth, baseline.truth)),
    ):
        if not same:
            raise ProtocolError(
                f"{model.model} and {baseline.model} were not evaluated with the same {what}. "
                "Run `dvc repro`, which evaluates them alike"
            )


def _draw_scores(by_subject: Counts, draws: int, seed: int) -> NDArray[np.float64]:
    """UF1 and UAR, `(2, draws)`, of draws of subjects with replacement; the same seed draws the same subjects."""
    subjects = by_subject.shape[1]
    drawn = np.random.default_rng(seed).integers(subjects, size=(draws, subjects))
    times = np.stack([np.bincount(draw, minlength=subjects) for draw in drawn])  # (draws, S)
    counts = np.tensordot(times, by_subject, axes=(1, 1))  # (draws, repeats, K, K)
    return np.stack([uf1(counts).mean(axis=1), uar(counts).mean(axis=1)])


def _interval(scores: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(scores, _PERCENTILES)
    return float(low), float(high)
