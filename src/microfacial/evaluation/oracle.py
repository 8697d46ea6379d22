"""What choosing the epoch on the held-out rows would claim: the score of many papers, and no measure of anything.

It is kept apart so that nothing which trains, chooses or scores can import it: it watches training, which cannot hear
it, and writes its own files, which only the report reads.

Source: the practice and what it hides, Varanka et al., Data Leakage and Evaluation Issues in Micro-Expression Analysis,
IEEE TAC 2023, arXiv:2211.11425.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ProtocolError, StorageError
from microfacial.evaluation.folds import Chunk, MakeWatch
from microfacial.files import atomic_write
from microfacial.metrics import Counts, confusion, uar, uf1
from microfacial.records import FoldPlan, Samples
from microfacial.training.fit import Predict, Watch


@dataclass(frozen=True, kw_only=True)
class OracleFold:
    """The epoch of highest accuracy on the held-out rows, the earliest on ties; its probabilities are `(n, K)`."""

    name: str
    repeat: int
    epoch: int
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OracleScore:
    """Scores of predictions that were chosen by the truth, pooled over folds and averaged over repetitions."""

    oracle_uf1: float
    oracle_uar: float


def watch_into(folder: Path) -> MakeWatch:
    """What writes the oracle's fold of each fold of a chunk into a folder, once the chunk has been trained."""
    return partial(_watch_chunk, folder)


@contextmanager
def _watch_chunk(folder: Path, samples: Samples, chunk: Chunk) -> Iterator[Watch]:
    best: dict[int, OracleFold] = {}

    def watch(fold: int, epoch: int, predict: Predict) -> None:
        plan = chunk[fold]
        seen = OracleFold(
            name=plan.name,
            repeat=plan.repeat,
            epoch=epoch,
            truth=samples.labels[plan.test_rows],
            probabilities=predict(samples.inputs[plan.test_rows]),
        )
        if fold not in best or _hits(seen) > _hits(best[fold]):
            best[fold] = seen

    yield watch
    for number, fold in best.items():
        with atomic_write(_path(folder, chunk[number])) as fresh:
            np.savez(fresh, **asdict(fold))


def read_oracle(folder: Path, plans: Sequence[FoldPlan]) -> list[OracleFold]:
    """The oracle's folds of some plans, as they were written; empty for a model without epochs.

    Raises:
        StorageError: some folds are there and some are not.
    """
    missing = [plan.key for plan in plans if not _path(folder, plan).exists()]
    if len(missing) == len(plans):
        return []
    if missing:
        raise StorageError(f"{folder} lacks the oracle of {missing[0]}. Delete .microfacial/folds and train again")
    return [_read(_path(folder, plan)) for plan in plans]


def pool_oracle(folds: Sequence[OracleFold], classes: int) -> OracleScore:
    """Score the oracle's predictions as honest ones are: pooled over a repetition's folds, averaged over repetitions.

    Raises:
        ProtocolError: there are none.
    """
    if not folds:
        raise ProtocolError("no fold has an oracle: models without epochs have none. Set train.oracle to false")
    counts: dict[int, Counts] = {}
    for fold in folds:
        found = confusion(fold.truth, fold.probabilities.argmax(axis=1), classes)
        counts[fold.repeat] = counts.get(fold.repeat, 0) + found
    each = np.stack(list(counts.values()))  # (repeats, K, K)
    return OracleScore(oracle_uf1=float(uf1(each).mean()), oracle_uar=float(uar(each).mean()))


def _hits(fold: OracleFold) -> int:
    return int((fold.probabilities.argmax(axis=1) == fold.truth).sum())


def _path(folder: Path, plan: FoldPlan) -> Path:
    return folder / f"{plan.key.replace('/', '-')}.npz"


def _read(path: Path) -> OracleFold:
    with np.load(path) as kept:
        return OracleFold(
            name=str(kept["name"]),
            repeat=int(kept["repeat"]),
            epoch=int(kept["epoch"]),
            truth=kept["truth"],
            probabilities=kept["probabilities"],
        )
