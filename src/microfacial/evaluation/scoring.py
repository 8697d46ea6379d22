"""Scores of predictions for test rows. Counts are pooled over the folds of a repetition before anything is divided."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ProtocolError
from microfacial.evaluation.protocols import TrainConfig, scored_rows
from microfacial.evaluation.significance import bootstrap_intervals, count_by_subject
from microfacial.metrics import Counts, accuracy, calibration_error, confusion, uar, uf1
from microfacial.records import (
    PRIOR_ON_DRAWN,
    SYNTHETIC,
    Evaluation,
    FoldResult,
    Predictions,
    Samples,
    Score,
    is_synthetic,
)

ONE_SUBJECT = "only one subject was held out, so no confidence interval can be computed"


def pool(model: str, samples: Samples, folds: Sequence[FoldResult], config: TrainConfig) -> Evaluation:
    """Score the predictions of each repetition, overall and per corpus, and average the scores over repetitions.

    Args:
        model: name of the model.
        samples: all rows of the data set.
        folds: results of all folds and repetitions, in any order.
        config: the protocol.

    Returns:
        Scores and their intervals.

    Raises:
        ProtocolError: a repetition does not predict every row of the protocol exactly once.
    """
    # The order of a sum changes its last bits.
    folds = sorted(folds, key=lambda fold: (fold.plan.repeat, fold.plan.name))
    rows = scored_rows(samples, config)
    corpora = samples.corpora[rows]
    predictions = gather(model, samples, folds, config)
    by_subject = count_by_subject(predictions)  # (repeats, S, K, K)
    counts = by_subject.sum(axis=1)
    uf1_interval, uar_interval = bootstrap_intervals(by_subject, config.bootstrap_draws, config.seed)
    by_fold = np.stack([confusion(fold.truth, fold.predicted, len(samples.classes)) for fold in folds])
    return Evaluation(
        model=model,
        protocol=config.protocol,
        repeats=config.repeats,
        classes=samples.classes,
        overall=score_clips(predictions, np.full(len(rows), True)),
        corpora={str(name): score_clips(predictions, corpora == name) for name in np.unique(corpora)},
        uf1_interval=uf1_interval,
        uar_interval=uar_interval,
        uf1_sd=deviation(uf1(counts)),
        uar_sd=deviation(uar(counts)),
        ece=calibration_error(
            predictions.probabilities.reshape(-1, len(samples.classes)), np.tile(predictions.truth, config.repeats)
        ),
        mean_over_folds_uf1=float(np.mean(uf1(by_fold))),
        mean_over_folds_uar=float(np.mean(uar(by_fold))),
        mean_over_folds_accuracy=float(np.mean(accuracy(by_fold))),
        note=note_of(samples, by_subject.shape[1], prior=any(fold.uses_prior for fold in folds)),
    )


def gather(model: str, samples: Samples, folds: Sequence[FoldResult], config: TrainConfig) -> Predictions:
    """Join the predictions of all folds, repetition by repetition, in the order of the rows.

    Args:
        model: name of the model.
        samples: all rows of the data set.
        folds: results of all folds and repetitions, in any order.
        config: the protocol.

    Returns:
        One prediction per repetition for each row that the protocol scores.

    Raises:
        ProtocolError: a repetition does not predict every row of the protocol exactly once.
    """
    rows = scored_rows(samples, config)
    repeats = range(config.seed, config.seed + config.repeats)
    repetitions = [[fold for fold in folds if fold.plan.repeat == repeat] for repeat in repeats]
    complete = all(_predict_once(repetition, samples, rows) for repetition in repetitions)
    if sum(map(len, repetitions)) != len(folds) or not complete:
        raise ProtocolError(
            f"{model}: the folds do not predict every clip exactly once. Pass all folds of one training; in a project, "
            "delete .microfacial and run `dvc repro`"
        )
    probabilities = np.stack([_in_order(repetition) for repetition in repetitions])
    return Predictions(
        model=model,
        protocol=config.protocol,
        classes=samples.classes,
        clips=samples.clips[rows],
        subjects=samples.subjects[rows],
        truth=samples.labels[rows],
        predicted=probabilities.argmax(axis=2),
        probabilities=probabilities,
    )


def _predict_once(folds: Sequence[FoldResult], samples: Samples, rows: NDArray[np.int64]) -> bool:
    """Return whether folds predict the rows exactly once, with the labels that the rows have."""
    predicted = np.sort(np.concatenate([np.empty(0, np.int64), *(fold.plan.test_rows for fold in folds)]))
    labelled = all(np.array_equal(fold.truth, samples.labels[fold.plan.test_rows]) for fold in folds)
    return np.array_equal(predicted, rows) and labelled


def _in_order(folds: Sequence[FoldResult]) -> NDArray[np.float64]:
    """Return probabilities, `(n, K)`, in the order of the rows."""
    order = np.argsort(np.concatenate([fold.plan.test_rows for fold in folds]))
    return np.concatenate([fold.probabilities for fold in folds])[order]


def score_clips(predictions: Predictions, chosen: NDArray[np.bool_]) -> Score:
    """Score some clips.

    Args:
        predictions: predictions for n clips.
        chosen: whether to score each clip, `(n,)` bool.
    """
    truth, classes = predictions.truth[chosen], len(predictions.classes)
    counts: Counts = np.stack([confusion(truth, predicted[chosen], classes) for predicted in predictions.predicted])
    return Score(
        confusion=tuple(map(tuple, counts.sum(axis=0).tolist())),
        uf1=float(np.mean(uf1(counts))),
        uar=float(np.mean(uar(counts))),
        accuracy=float(np.mean(accuracy(counts))),
        clips=len(truth),
        subjects=len(np.unique(predictions.subjects[chosen])),
    )


def deviation(scores: NDArray[np.float64]) -> float:
    """Return the standard deviation over repetitions, or 0 if there is only one.

    Args:
        scores: one score per repetition, `(repeats,)`.
    """
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0


def note_of(samples: Samples, subjects: int, *, prior: bool) -> str:
    """Return the reasons why the scores must be read with care, or an empty text.

    Args:
        samples: all rows of the data set.
        subjects: number of held-out subjects.
        prior: whether the model uses the motion prior.
    """
    synthetic = any(map(is_synthetic, samples.corpora))
    notes = {
        SYNTHETIC: synthetic,
        PRIOR_ON_DRAWN: synthetic and prior,
        ONE_SUBJECT: subjects == 1,
    }
    return "; ".join(note for note, holds in notes.items() if holds)
