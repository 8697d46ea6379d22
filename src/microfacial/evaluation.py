"""Leave-one-subject-out by construction: plans whose parts share no subject, folds, and their pooled scores.

Nothing that chooses anything sees a held-out row: `fit` is handed the training and validation rows and nothing else.
"""

import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from microfacial.errors import ProtocolError
from microfacial.metrics import accuracy, confusion, uar, uf1
from microfacial.records import SYNTHETIC, Evaluation, Fitted, FoldPlan, FoldResult, Samples, Score, is_synthetic
from microfacial.statistics import bootstrap_intervals
from microfacial.training import TrainConfig

Fit = Callable[[Samples, Samples, int], Fitted]
_FEWEST_SUBJECTS = 3  # one to hold out, one to validate on, one to train on


def plan_folds(samples: Samples, config: TrainConfig) -> list[FoldPlan]:
    """One fold a subject, in the order of their names; validation subjects are drawn from the others.

    A subject's plan depends on the data, the seed and the subject, not on the other folds.

    Raises:
        ProtocolError: fewer than three subjects.
    """
    subjects = np.unique(samples.subjects)
    if len(subjects) < _FEWEST_SUBJECTS:
        raise ProtocolError(
            f"leave-one-subject-out needs at least {_FEWEST_SUBJECTS} subjects, found {len(subjects)}. "
            "Add clips of more people"
        )
    return [_plan_fold(samples, str(subject), config) for subject in subjects]


def _plan_fold(samples: Samples, subject: str, config: TrainConfig) -> FoldPlan:
    seed = zlib.crc32(f"{config.seed}:{subject}".encode())
    held_out = samples.subjects == subject
    rest = np.flatnonzero(~held_out)
    validation = _draw_subjects(samples.labels[rest], samples.subjects[rest], config.validation_parts, seed)
    return FoldPlan(
        subject=subject,
        seed=seed,
        held_out=np.flatnonzero(held_out),
        validation=rest[validation],
        training=rest[~validation],
    )


def _draw_subjects(labels: NDArray[np.int64], subjects: NDArray[np.str_], parts: int, seed: int) -> NDArray[np.bool_]:
    """Mask `(n,)` of the rows of one in `parts` subjects, whose classes are as mixed as those of all rows."""
    most = min(parts, len(np.unique(subjects)))
    stratified = np.bincount(labels).max() >= most  # the splitter wants as many clips of some class as it makes parts
    kind = StratifiedGroupKFold if stratified else GroupKFold
    splitter = kind(most, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # rare classes are usual here; the splitter does the best it can
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        _, drawn = next(splitter.split(labels, labels, subjects))
    mask = np.zeros(len(labels), dtype=bool)
    mask[drawn] = True
    return mask


def run_folds(samples: Samples, plans: Sequence[FoldPlan], fit: Fit, processes: int) -> Iterator[FoldResult]:
    """Yield the folds as they finish, in whatever order that is; one thread a fold.

    The number of processes changes the time, not the results.
    """
    jobs = (delayed(run_fold)(samples, plan, fit) for plan in plans)
    yield from Parallel(n_jobs=min(processes, max(1, len(plans))), return_as="generator_unordered")(jobs)


def run_fold(samples: Samples, plan: FoldPlan, fit: Fit) -> FoldResult:
    """Fit on the plan's training and validation rows, then predict the held-out rows once."""
    start = time.perf_counter()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        fitted = fit(samples.take(plan.training), samples.take(plan.validation), plan.seed)
        probabilities = fitted.predict(samples.inputs[plan.held_out])
    return FoldResult(
        plan=plan,
        truth=samples.labels[plan.held_out],
        probabilities=probabilities,
        chosen=fitted.chosen,
        history=fitted.history,
        seconds=time.perf_counter() - start,
    )


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
