"""Finished folds, kept outside of what DVC hashes, so that a killed run goes on where it stopped.

A fold is kept under the key of everything it depends on: data, flow, settings and code. Another setting is another key,
so no fold of old settings is ever taken for a new one. Folds of one key differ in who is held out and in repetition.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microfacial.evaluation.folds import Chunk
from microfacial.files import as_file_name, read_arrays, write_arrays
from microfacial.records import FoldPlan, FoldResult, History

RunChunks = Callable[[Sequence[Chunk]], Iterator[list[FoldResult]]]
_CURVES = ("training_loss", "validation_loss", "validation_uar")
_CHECKPOINT, _IMPORTANCES = "checkpoint/", "importances/"


class FoldCache:
    """The finished folds of one key, a file each."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder / key

    def write(self, fold: FoldResult) -> None:
        """Keep a finished fold."""
        curves = {name: np.array(getattr(fold.history, name), dtype=np.float64) for name in _CURVES}
        further = {
            f"{prefix}{name}": array
            for prefix, arrays in ((_CHECKPOINT, fold.checkpoint), (_IMPORTANCES, fold.importances))
            for name, array in arrays.items()
        }
        facts: dict[str, NDArray[Any]] = {
            "truth": fold.truth,
            "probabilities": fold.probabilities,
            "chosen": np.array(fold.chosen),
            "seconds": np.array(fold.seconds),
        }
        write_arrays(self._path(fold.plan), {**facts, **curves, **further})

    def read(self, plan: FoldPlan) -> FoldResult | None:
        """The finished fold of a plan, or None if it is still to be trained."""
        path = self._path(plan)
        if not path.exists():
            return None
        kept = read_arrays(path)
        return FoldResult(
            plan=plan,
            truth=kept["truth"],
            probabilities=kept["probabilities"],
            chosen=str(kept["chosen"]),
            history=History(**{name: tuple(kept[name].tolist()) for name in _CURVES}),
            seconds=float(kept["seconds"]),
            importances=_below(_IMPORTANCES, kept),
            checkpoint=_below(_CHECKPOINT, kept),
        )

    def _path(self, plan: FoldPlan) -> Path:
        return self._folder / f"{as_file_name(plan.key)}.npz"


def resume(chunks: Sequence[Chunk], journal: FoldCache, run: RunChunks) -> Iterator[FoldResult]:
    """All folds: those of finished chunks from the journal, then the others as they finish, journaled at once."""
    todo = []
    for chunk in chunks:
        kept = [fold for fold in map(journal.read, chunk) if fold is not None]
        if len(kept) == len(chunk):
            yield from kept
        else:
            todo.append(chunk)
    for folds in run(todo):
        for fold in folds:
            journal.write(fold)
        yield from folds


def _below(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
