"""Records of training: the samples of a data set, its folds, and the result of one fold."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from microfacial.disk import take_rows

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
"""A device of PyTorch in params.yaml. `auto` is the first of cuda, mps and cpu that this machine has."""

LearningTask = Literal["classes", "units"]
"""What models learn: one class per clip, or which action units move in it."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Inputs of one model variant for all clips.

    Attributes:
        values: float32. `(N, C, s, s)` for whole faces, `(N, R, C, s, s)` for regions, `(N, T, R, C, s, s)` for regions
            over windows, or `(N, P)` flat vectors.
        windows: names of the windows; empty if the inputs have no such axis.
        regions: names of the regions; empty if the inputs have no such axis.
        mirror: for each region, the index of its mirror image, `(R,)`: the region on the other side of the face, or the
            region itself in the middle. Empty if the inputs have no regions.
    """

    values: NDArray[np.float32]
    windows: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Inputs and labels of a model, one row per clip.

    Attributes:
        inputs: inputs, `(N, …)` float32.
        labels: class of each row as an index into `classes`, `(N,)` int64.
        subjects: person of each row, corpus/subject, `(N,)` str.
        corpora: corpus of each row, `(N,)` str.
        clips: clip id of each row, `(N,)` str.
        active: whether the annotated action units of a row move a region, `(N, R)` bool; `(N, 0)` without regions.
        classes: names of the K classes.
        windows: see `Inputs`.
        regions: see `Inputs`.
        mirror: see `Inputs`.
        units: whether each of the U units of the task `units` moves in a row, `(N, U)` float32: 1 if it does, 0 if it
            does not, NaN if that is not annotated. None if annotations were not read.
        task: what a model learns from the rows: their classes, or the units that move.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    subjects: NDArray[np.str_]
    corpora: NDArray[np.str_]
    clips: NDArray[np.str_]
    active: NDArray[np.bool_]
    classes: tuple[str, ...]
    windows: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()
    units: NDArray[np.float32] | None = None
    task: LearningTask = "classes"

    def take(self, rows: NDArray[np.int64], *, shared: bool = False) -> Self:
        """Return a copy with the selected rows only. A large copy is in a temporary file.

        Args:
            rows: indices of the rows, `(n,)`.
            shared: whether worker processes can use the copy, too; see `disk.empty_array`.
        """
        names = (f.name for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray))
        arrays: dict[str, Any] = {name: take_rows(getattr(self, name), rows, shared=shared) for name in names}
        return replace(self, **arrays)


@dataclass(frozen=True, kw_only=True)
class FoldPlan:
    """Rows of one fold. Test rows and training rows share no subject.

    Attributes:
        name: name of the test subject or test corpus, or `holdout`.
        repeat: repetition of the protocol that the fold belongs to: `train.seed`, `train.seed` + 1, …
        seed: seed of the fold.
        test_rows: rows that the fold predicts, `(n,)` int64.
        training_rows: rows that the fold trains on, `(m,)` int64.
        validation_fold: validation fold of each training row, `(m,)` int64 from 0. All rows of a subject have the same
            one. A model that validates on one of them trains on the others.
    """

    name: str
    repeat: int
    seed: int
    test_rows: NDArray[np.int64]
    training_rows: NDArray[np.int64]
    validation_fold: NDArray[np.int64]

    @property
    def key(self) -> str:
        """Name and repetition, which together are unique among the folds of all repetitions."""
        return f"{self.name}#{self.repeat}"


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """All data that the training of one fold may use. It holds no test rows.

    Attributes:
        samples: the m training rows.
        validation_fold: validation fold of each row, `(m,)` int64.
        seed: seed of the fold.
    """

    samples: Samples
    validation_fold: NDArray[np.int64]
    seed: int

    def split(self, fold: int) -> tuple[Samples, Samples]:
        """Split the rows for validation on one of the validation folds.

        Args:
            fold: number of the validation fold.

        Returns:
            The rows of the other validation folds, to train on, and the rows of this one, to validate on.
        """
        validates = self.validation_fold == fold
        return self.samples.take(np.flatnonzero(~validates)), self.samples.take(np.flatnonzero(validates))


@dataclass(frozen=True, kw_only=True)
class History:
    """Curves of one training, one value per epoch. They never use test rows. Empty for models without epochs.

    Attributes:
        training_loss: mean loss of the training batches.
        validation_loss: mean loss of the validation rows.
        validation_uar: unweighted average recall of the validation rows, 0 to 1.
    """

    training_loss: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    validation_uar: tuple[float, ...] = ()


class Fitted(Protocol):
    """A trained model, with a record of its training."""

    @property
    def chosen(self) -> str:
        """Choice that the training made by validation, as text: an epoch, or a regularisation strength."""
        ...

    @property
    def history(self) -> History:
        """Training and validation curves."""
        ...

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of the classes.

        Args:
            inputs: inputs of n clips, `(n, …)`.

        Returns:
            Probabilities, `(n, K)`; each row sums to 1. For the task `units`, the probability of each unit, `(n, U)`.
        """
        ...

    def checkpoint(self) -> Mapping[str, NDArray[Any]]:
        """Return arrays from which the trained model can be restored, with the `shape` of one sample among them."""
        ...


@runtime_checkable
class Explainable(Protocol):
    """A trained model that can explain its predictions."""

    def explain(self, inputs: NDArray[np.float32]) -> Mapping[str, NDArray[np.float64]]:
        """Return the importance of regions, windows and branches for each input.

        Args:
            inputs: inputs of n clips, `(n, …)`.

        Returns:
            Arrays `(n, …)`, named like the attributes of `Importances`. May be empty.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """Predictions of one fold for its n test rows, with a record of its training.

    Attributes:
        plan: the rows of the fold.
        truth: classes of the test rows, `(n,)` int64.
        probabilities: predicted probabilities, `(n, K)` float64. For the task `units`, those of U units, `(n, U)`.
        chosen: choice that the training made by validation; see `Fitted.chosen`.
        history: training and validation curves.
        seconds: duration of training and prediction.
        importances: explanation of each test row; see `Explainable.explain`. Empty if the model cannot explain.
        checkpoint: arrays from which the model can be restored. Empty unless checkpoints were requested.
        uses_prior: whether the model uses the motion prior.
        device: device that trained it, `cpu`, `cuda` or `mps`.
    """

    plan: FoldPlan
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    chosen: str
    history: History
    seconds: float
    importances: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    checkpoint: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    uses_prior: bool = False
    device: str = "cpu"

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Most probable class of each test row, `(n,)`."""
        return self.probabilities.argmax(axis=1)
