"""Summaries of folds as MLflow shows them: from a training as it runs, or from its files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.evaluation.fold_tables import split_by_fold
from microfacial.evaluation.result_files import read_curves, read_predictions
from microfacial.evaluation.unit_files import read_unit_curves, read_unit_predictions
from microfacial.evaluation.unit_metrics import count_outcomes
from microfacial.files import read_csv, refuse_damaged
from microfacial.formats import parse_whole
from microfacial.records import FloatArray, FoldResult, History, LearningTask


@dataclass(frozen=True, kw_only=True)
class TrainedFold:
    """Summary of one fold.

    Attributes:
        name: the held-out subject, corpus or group.
        repeat: seed of the repetition.
        seed: seed of the fold.
        chosen: the choice inside the training rows in words, such as `epoch 60`.
        counts: counts of the held-out clips by the name of their metric, and shares of them.
        history: curves of the training.
    """

    name: str
    repeat: int
    seed: int
    chosen: str
    counts: Mapping[str, float]
    history: History

    @property
    def key(self) -> str:
        """Key of the fold, unique among the folds of all repetitions."""
        return f"{self.name}#{self.repeat}"

    @property
    def result(self) -> str:
        """The predictions in words, such as `4 of 6 correct`."""
        if "held_out_units" not in self.counts:
            return f"{self.counts['held_out_hits']:.0f} of {self.counts['held_out_clips']:.0f} correct"
        return (
            f"{self.counts['held_out_unit_hits']:.0f} of {self.counts['held_out_units']:.0f} moving units recognised, "
            f"{self.counts['held_out_unit_false_alarms']:.0f} false alarms"
        )


def summarise_fold(fold: FoldResult, units: FloatArray | None = None) -> TrainedFold:
    """Return the summary of a fold that has just been trained.

    Args:
        fold: the fold.
        units: annotated units of its test rows for the task `units`, `(n, U)`; see `Samples.units`.
    """
    hits = int((fold.predicted == fold.truth).sum())
    counts = _count_hits(len(fold.truth), hits) if units is None else _count_outcomes(units, fold.probabilities)
    return TrainedFold(
        name=fold.plan.name,
        repeat=fold.plan.repeat,
        seed=fold.plan.seed,
        chosen=fold.chosen,
        counts=counts,
        history=fold.history,
    )


def read_folds(folder: Path, task: LearningTask = "classes") -> Iterator[TrainedFold]:
    """Read the folds of a training from its files.

    Args:
        folder: results/<data set>/train/<model>.
        task: what the model recognises.

    Yields:
        One summary per fold.

    Raises:
        StorageError: a file is missing or damaged.
    """
    # The first call checks the table, and that it has as many rows as the folds.
    if task == "units":
        read_unit_predictions(folder)
        curves = read_unit_curves(folder)
    else:
        read_predictions(folder)
        curves = read_curves(folder)
    path, folds = folder / "predictions.csv", read_csv(folder / "folds.csv")
    rows = read_csv(path)
    with refuse_damaged(path):
        parts = split_by_fold(rows, folds)
    for fold, clips in zip(folds, parts, strict=True):
        yield TrainedFold(
            name=fold["held_out"],
            repeat=parse_whole(fold["repeat"]),
            seed=parse_whole(fold["seed"]),
            chosen=fold["chosen"],
            counts=_count_rows(clips, task),
            history=curves[f"{fold['held_out']}#{fold['repeat']}"],
        )


def _count_rows(rows: Sequence[Mapping[str, str]], task: LearningTask) -> dict[str, float]:
    """Return the counts of a fold from its rows of predictions.csv."""
    if task == "classes":
        return _count_hits(len(rows), sum(row["truth"] == row["predicted"] for row in rows))
    units, probabilities = (
        np.array([[float(row[f"{prefix}{unit}"] or "nan") for unit in SCORED_UNITS] for row in rows])
        for prefix in ("AU", "p_AU")
    )
    return _count_outcomes(units, probabilities)


def _count_hits(clips: int, hits: int) -> dict[str, float]:
    return {"held_out_clips": clips, "held_out_hits": hits, "held_out_accuracy": hits / clips}


def _count_outcomes(units: FloatArray, probabilities: FloatArray) -> dict[str, float]:
    """Count the action units of the held-out clips that move, those that are recognised, and false alarms."""
    rounded = probabilities.round(6)  # as predictions.csv has them, so that its readers count the same
    ((hits, false, missed),) = count_outcomes(units.ravel(), rounded.ravel(), np.zeros(units.size, np.int64), 1)
    return {
        "held_out_clips": len(units),
        "held_out_units": hits + missed,
        "held_out_unit_hits": hits,
        "held_out_unit_false_alarms": false,
    }
