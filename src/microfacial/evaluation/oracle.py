"""The oracle: the score of choosing the epoch on the test rows. Many papers report it, but it measures nothing.

The oracle is separate so that code which trains, chooses or scores cannot import it. It watches training but cannot
change it, and it writes its own files, which only the `train` stage pools and only the report shows.

Source: Varanka et al., Data Leakage and Evaluation Issues in Micro-Expression Analysis, IEEE TAC 2023,
arXiv:2211.11425. The paper describes the practice and how much it inflates scores.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from microfacial.disk import take_rows
from microfacial.errors import DamagedError, ProtocolError, StorageError
from microfacial.evaluation.stored_results import check_fold
from microfacial.files import as_file_name, read_arrays, read_json, refuse_damaged, write_arrays
from microfacial.metrics import Counts, confusion, uar, uf1
from microfacial.records import FoldPlan, Samples

if TYPE_CHECKING:
    from microfacial.evaluation.folds import Chunk, MakeWatch
    from microfacial.training.fit import Predict, Watch


@dataclass(frozen=True, kw_only=True)
class OracleFold:
    """The epoch of a fold with the highest accuracy on the test rows. The earliest epoch wins a tie.

    Attributes:
        name: name of the fold.
        repeat: repetition of the protocol.
        epoch: the chosen epoch, from 1.
        truth: classes of the test rows, `(n,)` int64.
        probabilities: predictions of the chosen epoch for the test rows, `(n, K)` float64.
    """

    name: str
    repeat: int
    epoch: int
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OracleScore:
    """Scores of predictions that were chosen with the true classes, pooled over folds, averaged over repetitions.

    Attributes:
        oracle_uf1: unweighted F1.
        oracle_uar: unweighted average recall.
    """

    oracle_uf1: float
    oracle_uar: float


def record_oracle(folder: Path) -> "MakeWatch":
    """Return a function that opens a watcher. The watcher writes the oracle of each fold once its chunk is trained.

    Args:
        folder: folder of the files, one for each fold.

    Returns:
        A function for the argument `make_watch` of `train_folds`.
    """
    return partial(_watch_chunk, folder)


@contextmanager
def _watch_chunk(folder: Path, samples: Samples, chunk: "Chunk") -> Iterator["Watch"]:
    best: dict[int, OracleFold] = {}

    def watch(fold: int, epoch: int, predict: "Predict") -> None:
        plan = chunk[fold]
        current = OracleFold(
            name=plan.name,
            repeat=plan.repeat,
            epoch=epoch,
            truth=samples.labels[plan.test_rows],
            probabilities=predict(take_rows(samples.inputs, plan.test_rows)),
        )
        if fold not in best or _hits(current) > _hits(best[fold]):
            best[fold] = current

    yield watch
    for number, fold in best.items():
        write_arrays(_path(folder, chunk[number]), {name: np.array(value) for name, value in asdict(fold).items()})


def read_oracle(folder: Path, plans: Sequence[FoldPlan]) -> list[OracleFold]:
    """Read the oracle of each plan.

    Args:
        folder: folder of the files, `oracle/<model>/<key>` in the folder of the data set's caches.
        plans: the folds to read.

    Returns:
        The oracle of each fold, in the order of the plans. The list is empty for a model without epochs.

    Raises:
        StorageError: some folds have a file and others do not, or a file is damaged.
    """
    missing = [plan.key for plan in plans if not _path(folder, plan).exists()]
    if len(missing) == len(plans):
        return []
    finished = folder.parents[2] / "folds" / folder.parent.name / folder.name  # without them, all folds train again
    remedy = f"Delete {folder} and {finished}, and train again"
    if missing:
        raise StorageError(f"{folder} has no oracle of fold {missing[0]}. {remedy}")
    return [_read(_path(folder, plan), plan, remedy) for plan in plans]


def pool_oracle(folds: Sequence[OracleFold], classes: int) -> OracleScore:
    """Score the oracle's predictions like real ones: pooled over a repetition's folds, averaged over repetitions.

    Args:
        folds: the oracle of each fold.
        classes: number of classes.

    Returns:
        The scores.

    Raises:
        ProtocolError: there are no folds.
    """
    if not folds:
        raise ProtocolError("no fold has an oracle, because the model has no epochs. Set train.oracle to false")
    counts: dict[int, Counts] = {}
    for fold in folds:
        fold_counts = confusion(fold.truth, fold.probabilities.argmax(axis=1), classes)
        counts[fold.repeat] = counts.get(fold.repeat, 0) + fold_counts
    by_repeat = np.stack(list(counts.values()))  # (repeats, K, K)
    return OracleScore(oracle_uf1=float(uf1(by_repeat).mean()), oracle_uar=float(uar(by_repeat).mean()))


@dataclass(frozen=True, kw_only=True)
class OracleFile:
    """Content of oracle.json.

    Attributes:
        note: the warning `ORACLE`.
        model: name of the model.
        oracle_uf1: see `OracleScore`.
        oracle_uar: see `OracleScore`.
    """

    note: str
    model: str
    oracle_uf1: float
    oracle_uar: float


def read_oracle_uf1(path: Path) -> float:
    """Read the oracle's UF1 from oracle.json.

    Args:
        path: the file.

    Raises:
        StorageError: the file is missing or damaged.
    """
    content = read_json(path, OracleFile)
    with refuse_damaged(path):
        for score in (content.oracle_uf1, content.oracle_uar):
            if not 0 <= score <= 1:
                raise DamagedError(f"a score is {score}, not between 0 and 1")
    return content.oracle_uf1


def _hits(fold: OracleFold) -> int:
    return int((fold.probabilities.argmax(axis=1) == fold.truth).sum())


def _path(folder: Path, plan: FoldPlan) -> Path:
    return folder / f"{as_file_name(plan.key)}.npz"


def _read(path: Path, plan: FoldPlan, remedy: str) -> OracleFold:
    arrays = read_arrays(path, [field.name for field in fields(OracleFold)], remedy)
    with refuse_damaged(path, remedy):
        check_fold(arrays, len(plan.test_rows), ("name",), ("repeat", "epoch"))
        if (str(arrays["name"]), int(arrays["repeat"])) != (plan.name, plan.repeat):
            raise DamagedError(f"it belongs to fold {arrays['name']}#{arrays['repeat']}")
    return OracleFold(
        name=str(arrays["name"]),
        repeat=int(arrays["repeat"]),
        epoch=int(arrays["epoch"]),
        truth=arrays["truth"],
        probabilities=arrays["probabilities"],
    )
