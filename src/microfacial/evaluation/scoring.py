"""Scores of held-out predictions, pooled over the folds of a repetition before anything is divided."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ProtocolError
from microfacial.evaluation.protocols import TrainConfig, scored_rows
from microfacial.evaluation.significance import bootstrap_intervals, count_by_subject
from microfacial.metrics import Counts, accuracy, calibration_error, confusion, uar, uf1
from microfacial.records import SYNTHETIC, Evaluation, FoldResult, Predictions, Samples, Score, is_synthetic

ONE_SUBJECT = "one subject held out: no interval can be had, for there is nobody to draw"


def pool(model: str, samples: Samples, folds: Sequence[FoldResult], config: TrainConfig) -> Evaluation:
    """Score what each repetition predicts, overall and per corpus, and average over repetitions.

    Raises:
        ProtocolError: a repetition does not predict every row of the protocol exactly once.
    """
    # Sums differ by order in their last bits.
    folds = sorted(folds, key=lambda fold: (fold.plan.repeat, fold.plan.name))
    rows = scored_rows(samples, config)
    corpora = samples.corpora[rows]
    found = gather(model, samples, folds, config)
    by_subject = count_by_subject(found)  # (repeats, S, K, K)
    counts = by_subject.sum(axis=1)
    uf1_interval, uar_interval = bootstrap_intervals(by_subject, config.bootstrap_draws, config.seed)
    by_fold = np.stack([confusion(fold.truth, fold.predicted, len(samples.classes)) for fold in folds])
    return Evaluation(
        model=model,
        protocol=config.protocol,
        repeats=config.repeats,
        classes=samples.classes,
        overall=_score(found, np.full(len(rows), True)),
        corpora={str(name): _score(found, corpora == name) for name in np.unique(corpora)},
        uf1_interval=uf1_interval,
        uar_interval=uar_interval,
        uf1_sd=_deviation(uf1(counts)),
        uar_sd=_deviation(uar(counts)),
        ece=calibration_error(
            found.probabilities.reshape(-1, len(samples.classes)), np.tile(found.truth, config.repeats)
        ),
        mean_over_folds_uf1=float(np.mean(uf1(by_fold))),
        mean_over_folds_uar=float(np.mean(uar(by_fold))),
        mean_over_folds_accuracy=float(np.mean(accuracy(by_fold))),
        note=_note(samples, by_subject),
    )


def gather(model: str, samples: Samples, folds: Sequence[FoldResult], config: TrainConfig) -> Predictions:
    """The predictions of all folds, repetition by repetition, in the order of the rows.

    Raises:
        ProtocolError: a repetition does not predict every row of the protocol exactly once.
    """
    rows = scored_rows(samples, config)
    repeats = range(config.seed, config.seed + config.repeats)
    divided = [[fold for fold in folds if fold.plan.repeat == repeat] for repeat in repeats]
    if sum(map(len, divided)) != len(folds) or not all(_predict_once(part, samples, rows) for part in divided):
        raise ProtocolError(f"{model}: the folds do not predict every clip exactly once. Delete .microfacial")
    probabilities = np.stack([_in_order(part) for part in divided])
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
    predicted = np.sort(np.concatenate([np.empty(0, np.int64), *(fold.plan.test_rows for fold in folds)]))
    labelled = all(np.array_equal(fold.truth, samples.labels[fold.plan.test_rows]) for fold in folds)
    return np.array_equal(predicted, rows) and labelled


def _in_order(folds: Sequence[FoldResult]) -> NDArray[np.float64]:
    """Probabilities `(n, K)` in the order of the rows."""
    order = np.argsort(np.concatenate([fold.plan.test_rows for fold in folds]))
    return np.concatenate([fold.probabilities for fold in folds])[order]


def _score(found: Predictions, chosen: NDArray[np.bool_]) -> Score:
    truth, classes = found.truth[chosen], len(found.classes)
    counts: Counts = np.stack([confusion(truth, predicted[chosen], classes) for predicted in found.predicted])
    return Score(
        confusion=tuple(map(tuple, counts.sum(axis=0).tolist())),
        uf1=float(np.mean(uf1(counts))),
        uar=float(np.mean(uar(counts))),
        accuracy=float(np.mean(accuracy(counts))),
        clips=len(truth),
        subjects=len(np.unique(found.subjects[chosen])),
    )


def _deviation(scores: NDArray[np.float64]) -> float:
    """Standard deviation over repetitions; 0 where there is one."""
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0


def _note(samples: Samples, by_subject: Counts) -> str:
    notes = {SYNTHETIC: any(map(is_synthetic, samples.corpora)), ONE_SUBJECT: by_subject.shape[1] == 1}
    return "; ".join(note for note, holds in notes.items() if holds)
