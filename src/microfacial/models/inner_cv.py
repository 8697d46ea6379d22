"""Choose a hyperparameter of an estimator by cross-validation within the training rows, never with test rows."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ProtocolError
from microfacial.metrics import confusion, uf1
from microfacial.records import Samples

_Rows = NDArray[np.int64]
PredictEach = Callable[[_Rows, _Rows], Sequence[_Rows]]


def choose_by_uf1(candidates: Sequence[float], predict_each: PredictEach, samples: Samples, inner_folds: int) -> float:
    """Return the candidate with the best UF1 in cross-validation over groups of subjects.

    UF1 is computed once, from the predictions of all groups. The first of equal candidates wins.

    Args:
        candidates: values of the hyperparameter.
        predict_each: called with `fit_rows` and `validation_rows`. It fits each candidate on `fit_rows` and returns the
            predicted classes of `validation_rows`, one array per candidate.
        samples: the training rows of one fold.
        inner_folds: number of groups of subjects. With fewer subjects, each subject is a group.

    Returns:
        One of the candidates.
    """
    from sklearn.model_selection import GroupKFold

    labels, subjects = samples.labels, samples.subjects
    folds = GroupKFold(min(inner_folds, len(np.unique(subjects))))
    predicted = np.empty((len(candidates), len(labels)), dtype=np.int64)
    for fit_rows, validation_rows in folds.split(labels, labels, subjects):
        predicted[:, validation_rows] = predict_each(fit_rows, validation_rows)
    scores = [uf1(confusion(labels, row, len(samples.classes))) for row in predicted]
    return candidates[int(np.argmax(scores))]


def require_two_classes(samples: Samples, model: str) -> None:
    """Check that the training rows have at least two classes.

    Args:
        samples: the training rows of one fold.
        model: name of the model, for the message.

    Raises:
        ProtocolError: all rows have the same class.
    """
    if len(np.unique(samples.labels)) == 1:
        label = samples.classes[samples.labels[0]]
        raise ProtocolError(f"{model}: all training clips of a fold are {label}. Add subjects with other classes")
