"""Run folds in chunks: fit on the known rows, then predict the held-out rows once.

Nothing that chooses anything sees a held-out row: `fit` is handed the known rows and nothing else. Who watches sees
more, but has no say.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import groupby, pairwise
from typing import Protocol

import torch
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from microfacial.records import Explainable, Fitted, FoldPlan, FoldResult, Samples, TrainingData
from microfacial.training.fit import Watch

Chunk = tuple[FoldPlan, ...]
MakeWatch = Callable[[Samples, Chunk], AbstractContextManager[Watch]]


class FitChunk(Protocol):
    """Fits the folds of a chunk on their known rows; `training.fit` of a model and its settings."""

    def __call__(self, chunk: Sequence[TrainingData], *, watch: Watch | None) -> list[Fitted]:
        """Fit, and show each epoch to who watches."""
        ...


def chunk_plans(plans: Sequence[FoldPlan], size: int) -> list[Chunk]:
    """Plans in the groups that train together, of at most `size`, always the same ones whatever is left to do.

    Repetitions are not mixed, so that one more leaves the groups of the others as they were. Groups are about equally
    large, and of an even number where they can be, so that two processes end together.
    """
    repeats = [list(group) for _, group in groupby(plans, key=lambda plan: plan.repeat)]
    return [tuple(chunk) for group in repeats for chunk in _divide(group, size)]


def _divide(plans: list[FoldPlan], size: int) -> Iterator[list[FoldPlan]]:
    """Runs of at most `size` plans, whose lengths differ by one at most."""
    fewest = -(-len(plans) // size)
    groups = min(len(plans), fewest + fewest % 2)
    ends = [len(plans) * number // groups for number in range(groups + 1)]
    return (plans[start:end] for start, end in pairwise(ends))


def run_folds(
    samples: Samples,
    chunks: Sequence[Chunk],
    fit: FitChunk,
    processes: int,
    *,
    checkpoints: bool = False,
    make_watch: MakeWatch | None = None,
) -> Iterator[list[FoldResult]]:
    """Yield the folds of each chunk as it finishes, in whatever order that is; one thread a chunk.

    The number of processes changes the time, not the results.

    Args:
        checkpoints: whether results carry the arrays that bring their fitted models back.
        make_watch: opens what watches the training of a chunk.
    """
    jobs = (delayed(run_chunk)(samples, chunk, fit, checkpoints, make_watch) for chunk in chunks)
    yield from Parallel(n_jobs=min(processes, max(1, len(chunks))), return_as="generator_unordered")(jobs)


def run_chunk(
    samples: Samples, chunk: Chunk, fit: FitChunk, checkpoints: bool = False, make_watch: MakeWatch | None = None
) -> list[FoldResult]:
    """Fit the folds of a chunk together, each on its known rows, then predict each fold's held-out rows once."""
    start = time.perf_counter()
    watching = make_watch(samples, chunk) if make_watch else nullcontext()
    with one_thread(), watching as watch:
        known = [
            TrainingData(samples=samples.take(plan.training_rows), validation_fold=plan.validation_fold, seed=plan.seed)
            for plan in chunk
        ]
        fitted = fit(known, watch=watch)
        probabilities = [one.predict(samples.inputs[plan.test_rows]) for one, plan in zip(fitted, chunk, strict=True)]
        importances = [
            one.explain(samples.inputs[plan.test_rows]) if isinstance(one, Explainable) else {}
            for one, plan in zip(fitted, chunk, strict=True)
        ]
    seconds = (time.perf_counter() - start) / len(chunk)
    return [
        FoldResult(
            plan=plan,
            truth=samples.labels[plan.test_rows],
            probabilities=chances,
            chosen=one.chosen,
            history=one.history,
            seconds=seconds,
            importances=counted,
            checkpoint=one.checkpoint() if checkpoints else {},
        )
        for plan, one, chances, counted in zip(chunk, fitted, probabilities, importances, strict=True)
    ]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread while the block runs: other threads are another order of sums, in the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
