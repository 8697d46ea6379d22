"""Choosing one setting of an estimator inside the known rows, so that no held-out row has a say."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from microfacial.errors import ProtocolError
from microfacial.metrics import confusion, uf1
from microfacial.records import Samples

Rows = NDArray[np.int64]
Guess = Callable[[Rows, Rows], Sequence[NDArray[np.int64]]]


def choose_by_uf1(candidates: Sequence[float], guess: Guess, samples: Samples, inner_folds: int) -> float:
    """The candidate with the best UF1, pooled over groups of subjects; of equals, the first.

    Args:
        candidates: what there is to choose from.
        guess: fits on the rows named first and predicts those named second: classes, once for each candidate.
        samples: the known rows of one fold.
        inner_folds: groups of subjects, at most one a subject.
    """
    labels, subjects = samples.labels, samples.subjects
    folds = GroupKFold(min(inner_folds, len(np.unique(subjects))))
    guesses = np.empty((len(candidates), len(labels)), dtype=np.int64)
    for known, asked in folds.split(labels, labels, subjects):
        guesses[:, asked] = guess(known, asked)
    scores = [uf1(confusion(labels, row, len(samples.classes))) for row in guesses]
    return candidates[int(np.argmax(scores))]


def require_two_classes(samples: Samples, model: str) -> None:
    """Refuse known rows that leave nothing to tell apart.

    Raises:
        ProtocolError: they have one class only.
    """
    if len(np.unique(samples.labels)) == 1:
        only = samples.classes[samples.labels[0]]
        raise ProtocolError(f"{model}: all training clips of a fold are {only}. Add people who show others")
