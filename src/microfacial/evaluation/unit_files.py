"""Read and write the results of a training with the task `units`."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from microfacial.datasets.action_units import SCORED_UNITS, UNIT_NAMES
from microfacial.errors import DamagedError, StorageError
from microfacial.evaluation.result_tables import CURVE_COLUMNS, audit_row, curve_rows
from microfacial.files import REPAIR, atomic_write, read_json, refuse_damaged, write_csv, write_json
from microfacial.records import FoldResult, Samples, UnitEvaluation

UNIT_SCORES = "units.json"
"""File of the scores."""


def write_units(folder: Path, samples: Samples, folds: Sequence[FoldResult], evaluation: UnitEvaluation) -> None:
    """Write the results of a training with the task `units`.

    The files are units.json (scores), predictions.csv, folds.csv (the audit: subjects and rows of each fold),
    history.csv (curves), and a table of the scores per unit.

    Args:
        folder: the output folder. An existing folder is replaced.
        samples: the annotated rows of the data set.
        folds: results of all folds, sorted by repetition and name.
        evaluation: their pooled scores.
    """
    with atomic_write(folder) as scratch:
        scratch.mkdir()
        write_json(scratch / UNIT_SCORES, asdict(evaluation))
        for name, rows in (
            ("predictions.csv", [row for fold in folds for row in _prediction_rows(fold, samples)]),
            ("folds.csv", [audit_row(fold, samples) for fold in folds]),
            (f"{evaluation.protocol}_{evaluation.model}_units.csv", list(unit_rows(evaluation))),
        ):
            write_csv(scratch / name, rows, list(rows[0]))
        write_csv(scratch / "history.csv", [row for fold in folds for row in curve_rows(fold)], CURVE_COLUMNS)


def read_units(folder: Path, remedy: str = REPAIR, model: str | None = None) -> UnitEvaluation:
    """Read the scores of one model.

    Args:
        folder: folder that `write_units` wrote.
        remedy: what to do if the file is damaged.
        model: name of the model that the scores must have. None accepts any model.

    Raises:
        StorageError: the file is missing or damaged, or it has the scores of another model.
    """
    path = folder / UNIT_SCORES
    if not path.exists() and (folder / "evaluation.json").exists():
        raise StorageError(
            f"{folder} has results of classes, not of action units. Set train.task: units in params.yaml and run "
            "`dvc repro`"
        )
    evaluation = read_json(path, UnitEvaluation, remedy)
    with refuse_damaged(path, remedy):
        if model not in (None, evaluation.model):
            raise DamagedError(f"it has the scores of {evaluation.model}")
        if tuple(score.unit for score in evaluation.units) != SCORED_UNITS:
            raise DamagedError(f"its units are not {', '.join(map(str, SCORED_UNITS))}")
        for score in evaluation.units:
            values = (score.f1, score.roc_area, *(score.f1_interval or ()), *(score.roc_interval or ()))
            if not 0 <= score.positives <= score.clips or any(
                not 0 <= value <= 1 for value in values if value is not None
            ):
                raise DamagedError(f"the scores of unit {score.unit} are not from 0 to 1")
    return evaluation


def unit_rows(evaluation: UnitEvaluation) -> Iterator[dict[str, Any]]:
    """Yield the scores of each unit. Cells of a unit without a score are empty.

    Args:
        evaluation: scores of one model.
    """
    for score in evaluation.units:
        f1_low, f1_high = score.f1_interval or (None, None)
        roc_low, roc_high = score.roc_interval or (None, None)
        yield {
            "unit": score.unit,
            "name": UNIT_NAMES[score.unit],
            "clips": score.clips,
            "positives": score.positives,
            "f1": score.f1,
            "f1_low": f1_low,
            "f1_high": f1_high,
            "f1_of_always": score.f1_of_always,
            "roc_area": score.roc_area,
            "roc_area_low": roc_low,
            "roc_area_high": roc_high,
            "note": evaluation.note,
        }


def _prediction_rows(fold: FoldResult, samples: Samples) -> Iterator[dict[str, Any]]:
    """Yield one row for each test clip. The cell of a unit whose state is unknown is empty."""
    assert samples.units is not None
    for row, probabilities in zip(fold.plan.test_rows, fold.probabilities, strict=True):
        cells: dict[str, Any] = {}
        for unit, moves, probability in zip(SCORED_UNITS, samples.units[row], probabilities, strict=True):
            cells |= {f"AU{unit}": None if np.isnan(moves) else int(moves), f"p_AU{unit}": probability}
        yield {"clip": samples.clips[row], "subject": samples.subjects[row], "repeat": fold.plan.repeat, **cells}
