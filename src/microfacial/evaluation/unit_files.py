"""Read and write the results of a training with the task `units`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from microfacial.datasets.action_units import SCORED_UNITS, UNIT_NAMES
from microfacial.errors import DamagedError, StorageError
from microfacial.evaluation.fold_tables import read_fold_curves
from microfacial.evaluation.result_files import read_bootstrap, trained_with_prior
from microfacial.evaluation.result_tables import CURVE_COLUMNS, audit_row, curve_rows
from microfacial.evaluation.score_check import check_note
from microfacial.evaluation.unit_check import check_unit_evaluation, check_unit_scores, require_same_evaluation
from microfacial.evaluation.unit_scoring import UnitPredictions
from microfacial.files import REPAIR, atomic_write, read_csv, read_json, refuse_damaged, write_csv, write_json
from microfacial.formats import parse_decimal, parse_whole
from microfacial.records import FoldResult, History, Samples, UnitEvaluation

UNIT_SCORES = "units.json"
"""File of the scores."""

_KEY_COLUMNS = ("clip", "subject", "repeat")


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
        StorageError: the file is missing or damaged, it has the scores of another model, or its note differs from what
            corpora and settings give.
    """
    path = folder / UNIT_SCORES
    if not path.exists() and (folder / "evaluation.json").exists():
        raise StorageError(
            f"{folder} has results of classes, not of action units. Run `dvc repro`, which trains it again, or set "
            "train.task: classes in params.yaml"
        )
    evaluation = read_json(path, UnitEvaluation, remedy)
    prior = trained_with_prior(folder, evaluation.model, remedy)
    with refuse_damaged(path, remedy):
        if model not in (None, evaluation.model):
            raise DamagedError(f"it has the scores of {evaluation.model}")
        check_unit_evaluation(evaluation)
        check_note(evaluation, prior=prior)
    return evaluation


def read_unit_predictions(folder: Path, remedy: str = REPAIR, model: str | None = None) -> UnitPredictions:
    """Read the predictions of one model.

    Args:
        folder: folder that `write_units` wrote.
        remedy: what to do if a file is damaged.
        model: name of the model that the scores must have. None accepts any model.

    Returns:
        Predictions, sorted by the ids of clips. Probabilities are rounded to six digits.

    Raises:
        StorageError: a file is missing or damaged, or scores and predictions contradict.
    """
    evaluation = read_units(folder, remedy, model)
    path = folder / "predictions.csv"
    rows = read_csv(path, (*_KEY_COLUMNS, *(column for unit in SCORED_UNITS for column in _columns(unit))), remedy)
    with refuse_damaged(path, remedy):
        predictions = _to_predictions(rows, evaluation)
        check_unit_scores(evaluation, predictions, read_bootstrap(folder, remedy))
    return predictions


def read_ranked_units(folder: Path, models: Sequence[str]) -> list[UnitEvaluation]:
    """Read the scores of models that one table ranks, and check them against the predictions.

    Args:
        folder: folder with one folder for each model, `results/<data set>/train`.
        models: names of the models.

    Returns:
        Scores in the order of the models.

    Raises:
        StorageError: a file is missing or damaged, or scores and predictions contradict.
        ProtocolError: two models have other protocols, clips or annotations.
    """
    for model in models:
        read_unit_predictions(folder / model, model=model)
    evaluations = [read_units(folder / model, model=model) for model in models]
    require_same_evaluation(evaluations)
    return evaluations


def read_unit_curves(folder: Path) -> dict[str, History]:
    """Read the curves of each fold.

    Args:
        folder: folder that `write_units` wrote.

    Returns:
        Curves by the key of the fold. They are empty for a model without epochs.

    Raises:
        StorageError: a file is missing or damaged.
    """
    evaluation = read_units(folder)
    return read_fold_curves(folder, evaluation.overall.clips, evaluation.repeats)


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
    """Yield one row for each test clip. The cell of a unit whose state is unknown is empty.

    States are text, because pandas would write the whole numbers of a column with empty cells as decimals.
    """
    assert samples.units is not None
    for row, probabilities in zip(fold.plan.test_rows, fold.probabilities, strict=True):
        cells: dict[str, Any] = {}
        for unit, moves, probability in zip(SCORED_UNITS, samples.units[row], probabilities, strict=True):
            cells |= dict(zip(_columns(unit), ("" if np.isnan(moves) else str(int(moves)), probability), strict=True))
        yield {"clip": samples.clips[row], "subject": samples.subjects[row], "repeat": fold.plan.repeat, **cells}


def _columns(unit: int) -> tuple[str, str]:
    """Return the columns of a unit in predictions.csv: whether it moves, and the predicted probability."""
    return f"AU{unit}", f"p_AU{unit}"


def _to_predictions(rows: Sequence[Mapping[str, str]], evaluation: UnitEvaluation) -> UnitPredictions:
    """Return the predictions in the rows of predictions.csv, or raise a DamagedError."""
    shape = (evaluation.repeats, evaluation.overall.clips)
    if len(rows) != shape[0] * shape[1]:
        raise DamagedError(f"{len(rows)} rows instead of {shape[0]} × {shape[1]}, as {UNIT_SCORES} says")
    ordered = sorted(rows, key=lambda row: (parse_whole(row["repeat"]), row["clip"]))
    clips, subjects, repeat = (np.array([row[name] for row in ordered]).reshape(shape) for name in _KEY_COLUMNS)
    states, probabilities = (
        np.array([[_parse_cell(row[column]) for column in columns] for row in ordered]).reshape(*shape, -1)
        for columns in zip(*map(_columns, SCORED_UNITS), strict=True)
    )
    if len({*repeat[:, 0]}) < shape[0] or (repeat != repeat[:, :1]).any():
        raise DamagedError("a repetition has too few or too many rows")
    constant = clips, subjects, states.astype(np.str_)  # as text, NaN equals NaN
    if len({*clips[0]}) < shape[1] or any((values != values[0]).any() for values in constant):
        raise DamagedError("a clip appears twice in a repetition, or differs between repetitions")
    if not np.isin(states[~np.isnan(states)], (0, 1)).all():
        raise DamagedError("a unit has a state other than 0, 1 or empty")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():  # also refuses empty cells
        raise DamagedError("a probability is not from 0 to 1")
    return UnitPredictions(
        model=evaluation.model,
        protocol=evaluation.protocol,
        clips=clips[0],
        subjects=subjects[0],
        truth=states[0],
        probabilities=probabilities,
    )


def _parse_cell(cell: str) -> float:
    return parse_decimal(cell) if cell else math.nan
