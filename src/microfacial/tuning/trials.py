"""Trials of a study: what each came to, how good a fold was, and when one is clearly worse than trial 0.

Source: the signed-rank test, Wilcoxon 1945, doi:10.2307/3001968.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from microfacial.records import Comparison, FoldResult

FEWEST_FOLDS = 5  # with fewer no one-sided p of the signed-rank test is under .05
REFERENCE_TRIAL = 0  # the trial that all others are compared with

State = Literal["complete", "pruned", "failed", "died", "running", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One set of settings, tried on the inner folds of a study.

    `scores` are those of the folds that were trained, by step: repetition × folds + fold. `value` is the UF1 pooled
    over all folds, None where not all were trained. `failed` settings cannot be trained, for `reason`; `died` says that
    the worker ended, and that the trial was begun anew under another number. `reference` marks trial 0.
    """

    number: int
    state: State
    model: str
    settings: Mapping[str, Any]
    params: Mapping[str, Any]
    scores: Mapping[int, float]
    value: float | None
    seconds: float
    reference: bool = False
    group: str = ""
    reason: str = ""
    retry_of: int | None = None


def score_fold(fold: FoldResult, class_shares: NDArray[np.float64]) -> float:
    """How good a fold's held-out predictions are, 0 to 1: the mean of hits and of probabilities of the truth.

    Hits are what scores count; probabilities are continuous, so that folds seldom tie. Classes count alike.

    Args:
        class_shares: of all rows that are tuned on, `(K,)`.
    """
    weights = 1 / class_shares[fold.truth]
    chances = fold.probabilities[np.arange(len(fold.truth)), fold.truth]
    goodness = ((fold.predicted == fold.truth) + chances) / 2
    return float(np.average(goodness, weights=weights))


def paired_differences(own: Mapping[int, float], reference: Mapping[int, float], folds: int) -> NDArray[np.float64]:
    """Own score minus the reference's of each fold that both have, averaged over repetitions."""
    by_fold: dict[int, list[float]] = {}
    for step in sorted(own.keys() & reference.keys()):
        by_fold.setdefault(step % folds, []).append(own[step] - reference[step])
    return np.array([np.mean(differences) for differences in by_fold.values()])


def is_clearly_worse(own: Mapping[int, float], reference: Mapping[int, float], folds: int, p: float) -> bool:
    """Whether the folds so far speak against a trial: the one-sided signed-rank test against the reference.

    It is asked again and again while a trial runs, so that more good trials than a share of `p` are stopped.
    """
    differences = paired_differences(own, reference, folds)
    differences = differences[differences != 0]  # of equal settings, and of nobody else's
    if len(differences) < FEWEST_FOLDS:
        return False
    return bool(wilcoxon(differences, alternative="less", method="exact").pvalue < p)


def choose_best(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the best value among those that were trained to the end; of equals, the first."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)


@dataclass(frozen=True, kw_only=True)
class StudyScore:
    """What found settings scored against those of trial 0, on the clips of some subjects.

    `part` says of whom, and what tuning knew of them.
    """

    part: str
    subjects: int
    clips: int
    uf1: tuple[float, float]  # found, trial 0
    uar: tuple[float, float]
    difference: Comparison


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """How a study ended: the best trial of each tuning part, and what it is worth; the last finding is the claim."""

    best: tuple[int, ...]
    findings: tuple[StudyScore, ...]
    looks: int = 1  # how often clips that tuning never saw were scored for this study
    notes: tuple[str, ...] = field(default_factory=tuple)
