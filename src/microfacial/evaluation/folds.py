"""Train the folds of a protocol: fit each on its training rows, then predict its test rows once.

    plans ──chunk_plans──▶ chunks ──train_chunk──▶ folds
                             └─ finished chunks are read from the cache

Only the training rows are passed to `fit`, so no test row can influence a model. A watcher may look at the test rows
during training, but it returns nothing and cannot change the result.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any, Protocol

import numpy as np
from joblib import delayed

from microfacial.disk import take_rows
from microfacial.errors import ConfigError
from microfacial.evaluation.fold_cache import FoldCache
from microfacial.models import Network
from microfacial.models.lookup import Model, find_model, uses_prior
from microfacial.records import Explainable, Fitted, FoldPlan, FoldResult, Samples, TrainingData
from microfacial.settings import Section
from microfacial.training.fit import Watch, chunk_size, fit
from microfacial.training.fitted_network import FittedNetwork
from microfacial.training.one_thread import one_thread, repeatable
from microfacial.workers import make_parallel

_LOG = logging.getLogger(__name__)

Chunk = tuple[FoldPlan, ...]
MakeWatch = Callable[[Samples, Chunk], AbstractContextManager[Watch]]


class FitChunk(Protocol):
    """A function with the signature of `training.fit.fit`. Tests replace it to record what it receives."""

    def __call__(
        self, chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None
    ) -> list[Fitted]:
        """Fit one model for each fold of a chunk, and call `watch` after each epoch."""
        ...


def train_folds(
    samples: Samples,
    plans: Sequence[FoldPlan],
    model: Model,
    settings: Section,
    *,
    processes: int,
    cache: FoldCache | None = None,
    checkpoints: bool = False,
    make_watch: MakeWatch | None = None,
    fit: FitChunk = fit,
    device: str = "cpu",
) -> Iterator[FoldResult]:
    """Train and predict all planned folds. Yield each fold as it finishes, in any order.

    Plans are grouped into chunks that train together. Folds that are in the cache are not trained again.

    Args:
        samples: all rows of the data set, training rows and test rows.
        plans: the folds to train.
        model: the variant, or its name.
        settings: settings of the model.
        processes: number of processes. It changes the time, not the results.
        cache: folder of finished folds. Finished folds are read from it, and new folds are stored in it.
        checkpoints: whether results carry the arrays that restore their fitted models.
        make_watch: opens a watcher for the training of a chunk. None trains without a watcher.
        fit: function that fits the folds of a chunk.
        device: device that trains networks. A graphics processor trains all chunks in this process.

    Yields:
        The result of each fold.

    Raises:
        ConfigError: training diverges, or the settings do not fit the inputs.
        StorageError: a file in the cache is damaged.
    """
    chunks = chunk_plans(plans, chunk_size(model, settings, samples, device), mixed=_uses_device(model, device))
    return train_chunks(
        samples,
        chunks,
        model,
        settings,
        processes=processes,
        cache=cache,
        checkpoints=checkpoints,
        make_watch=make_watch,
        fit=fit,
        device=device,
    )


def train_chunks(
    samples: Samples,
    chunks: Sequence[Chunk],
    model: Model,
    settings: Section,
    *,
    processes: int,
    cache: FoldCache | None = None,
    checkpoints: bool = False,
    make_watch: MakeWatch | None = None,
    fit: FitChunk = fit,
    device: str = "cpu",
) -> Iterator[FoldResult]:
    """Train and predict folds that the caller has grouped into chunks. Yield each fold as it finishes, in any order.

    A chunk is read from the cache only if all its folds are finished. Otherwise the whole chunk is trained again, so
    that the same folds train together in every run.

    Args:
        samples: all rows of the data set, training rows and test rows.
        chunks: groups of folds that train together.
        model: the variant, or its name.
        settings: settings of the model.
        processes: number of processes. It changes the time, not the results.
        cache: folder of finished folds. Finished folds are read from it, and new folds are stored in it.
        checkpoints: whether results carry the arrays that restore their fitted models.
        make_watch: opens a watcher for the training of a chunk. None trains without a watcher.
        fit: function that fits the folds of a chunk.
        device: device that trains networks. A graphics processor trains all chunks in this process.

    Yields:
        The result of each fold. Folds from the cache come first.

    Raises:
        ConfigError: training diverges, or the settings do not fit the inputs.
        StorageError: a file in the cache is damaged.
    """
    unfinished = []
    for chunk in chunks:
        stored = [fold for fold in map(cache.read, chunk) if fold is not None] if cache else []
        finished = [replace(fold, uses_prior=uses_prior(model, settings)) for fold in stored]
        if len(finished) == len(chunk):
            yield from finished
        else:
            unfinished.append(chunk)
    train = delayed(train_chunk)
    jobs = (train(samples, chunk, model, settings, checkpoints, make_watch, fit, device) for chunk in unfinished)
    workers = make_parallel(min(1 if _uses_device(model, device) else processes, max(1, len(unfinished))))
    count, done = sum(map(len, unfinished)), 0
    _LOG.debug("training %s on %d folds", model, count)
    for folds in workers(jobs):
        for fold in folds:
            if not np.isfinite(fold.probabilities).all():
                raise ConfigError(f"training of fold {fold.plan.key} diverged. Lower the model's learning_rate")
            if cache:
                cache.write(fold)
        done += len(folds)
        _LOG.debug("training %s, %d of %d folds are done", model, done, count)
        yield from folds


def _uses_device(model: Model, device: str) -> bool:
    """Return whether a graphics processor trains the model. Estimators use the processors."""
    return device != "cpu" and isinstance(find_model(model), Network)


def train_chunk(
    samples: Samples,
    chunk: Chunk,
    model: Model,
    settings: Section,
    checkpoints: bool = False,
    make_watch: MakeWatch | None = None,
    fit: FitChunk = fit,
    device: str = "cpu",
) -> list[FoldResult]:
    """Fit the folds of a chunk together, each on its training rows, then predict the test rows of each fold once.

    Args:
        samples: all rows of the data set, training rows and test rows.
        chunk: the folds that train together.
        model: the variant, or its name.
        settings: settings of the model.
        checkpoints: whether results carry the arrays that restore their fitted models.
        make_watch: opens a watcher for the training of the chunk. None trains without a watcher.
        fit: function that fits the folds of a chunk.
        device: device that trains networks.

    Returns:
        The results in the order of the chunk. `seconds` is the time of the chunk divided by its number of folds.

    Raises:
        ConfigError: training diverges, or the settings do not fit the inputs.
    """
    start = time.perf_counter()
    watcher = make_watch(samples, chunk) if make_watch else nullcontext()
    options: dict[str, Any] = {} if device == "cpu" else {"device": device}  # other functions than `fit` have no device
    with one_thread(), repeatable(device), watcher as watch:
        training_data = [
            TrainingData(samples=samples.take(plan.training_rows), validation_fold=plan.validation_fold, seed=plan.seed)
            for plan in chunk
        ]
        models = fit(training_data, model=model, settings=settings, watch=watch, **options)
        inputs = [take_rows(samples.inputs, plan.test_rows) for plan in chunk]
        probabilities = [fitted.predict(rows) for fitted, rows in zip(models, inputs, strict=True)]
        importances = [
            fitted.explain(rows) if isinstance(fitted, Explainable) else {}
            for fitted, rows in zip(models, inputs, strict=True)
        ]
    seconds = (time.perf_counter() - start) / len(chunk)
    return [
        FoldResult(
            plan=plan,
            truth=samples.labels[plan.test_rows],
            probabilities=fold_probabilities,
            chosen=fitted.chosen,
            history=fitted.history,
            seconds=seconds,
            importances=fold_importances,
            checkpoint=fitted.checkpoint() if checkpoints else {},
            device=fitted.device if isinstance(fitted, FittedNetwork) else "cpu",
            uses_prior=uses_prior(model, settings),
        )
        for plan, fitted, fold_probabilities, fold_importances in zip(
            chunk, models, probabilities, importances, strict=True
        )
    ]


def chunk_plans(plans: Sequence[FoldPlan], size: int, *, mixed: bool = False) -> list[Chunk]:
    """Group plans into chunks that train together. The groups do not depend on which folds are already finished.

    Unless `mixed` is set, a chunk never contains folds of two repetitions, so adding a repetition leaves the other
    chunks unchanged. The chunks of a repetition differ in length by one fold at most. Their number is even if there are
    enough folds, so that two processes finish at about the same time.

    Args:
        plans: folds, sorted by repetition.
        size: largest number of folds in a chunk.
        mixed: put folds of all repetitions together, in as few chunks as possible. A graphics processor is faster then.

    Returns:
        Chunks in the order of the plans.
    """
    chunks: list[Chunk] = []
    for _, group in groupby(plans, key=lambda plan: 0 if mixed else plan.repeat):
        repetition = list(group)
        fewest = -(-len(repetition) // size)
        count = fewest if mixed else min(len(repetition), fewest + fewest % 2)
        ends = [len(repetition) * number // count for number in range(count + 1)]
        chunks += [tuple(repetition[start:end]) for start, end in pairwise(ends)]
    return chunks
