"""Scores of held-out predictions, pooled over folds before anything is divided."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ProtocolError
from microfacial.metrics import accuracy, confusion, uar, uf1
from microfacial.protocols import TrainConfig
from microfacial.records import SYNTHETIC, Evaluation, FoldResult, Samples, Score, is_synthetic
from microfacial.statistics import bootstrap_intervals


def pool(model: str, samples: Samples, folds: Sequence[FoldResult], config: TrainConfig) -> Evaluation:
    """Score the predictions of all folds together, overall and per corpus.

    Raises:
        ProtocolError: the folds do not predict every row exactly once.
    """
    rows, truth = (np.concatenate(parts) for parts in zip(*((f.plan.held_out, f.truth) for f in folds), strict=True))
    if not (np.array_equal(np.sort(rows), np.arange(len(samples.labels))) and (truth == samples.labels[rows]).all()):
        raise ProtocolError(f"{model}: the folds do not predict every clip exactly once. Delete .microfacial")
    per_subject = np.stack([_counts([fold], samples) for fold in folds])
    uf1_interval, uar_interval = bootstrap_intervals(per_subject, config.bootstrap_draws, config.seed)
    return Evaluation(
        model=model,
        classes=samples.classes,
        overall=_score(folds, samples),
        corpora={str(name): _score(_of_corpus(folds, samples, name), samples) for name in np.unique(samples.corpora)},
        uf1_interval=uf1_interval,
        uar_interval=uar_interval,
        mean_over_folds_uar=float(np.mean(uar(per_subject))),
        note=SYNTHETIC if any(map(is_synthetic, samples.corpora)) else "",
    )


def _of_corpus(folds: Iterable[FoldResult], samples: Samples, corpus: str) -> list[FoldResult]:
    return [fold for fold in folds if samples.corpora[fold.plan.held_out[0]] == corpus]


def _score(folds: Sequence[FoldResult], samples: Samples) -> Score:
    counts = _counts(folds, samples)
    return Score(
        confusion=tuple(map(tuple, counts.tolist())),
        uf1=float(uf1(counts)),
        uar=float(uar(counts)),
        accuracy=float(accuracy(counts)),
        clips=int(counts.sum()),
        subjects=len(folds),
    )


def _counts(folds: Sequence[FoldResult], samples: Samples) -> NDArray[np.int64]:
    truth = np.concatenate([fold.truth for fold in folds])
    predicted = np.concatenate([fold.predicted for fold in folds])
    return confusion(truth, predicted, len(samples.classes))
