"""Read the tables folds.csv and history.csv of a training, which both tasks write."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from microfacial.errors import DamagedError
from microfacial.evaluation.result_tables import CURVE_COLUMNS
from microfacial.evaluation.stored_results import CURVES
from microfacial.files import read_csv, refuse_damaged
from microfacial.formats import parse_decimal, parse_whole
from microfacial.records import History

_FOLD_COLUMNS = (
    "held_out",
    "repeat",
    "held_out_subjects",
    "held_out_clips",
    "known_clips",
    "validation_folds",
    "chosen",
    "seed",
)


def read_fold_curves(folder: Path, clips: int, repeats: int) -> dict[str, History]:
    """Read the curves of each fold.

    Args:
        folder: folder of a training.
        clips: number of test clips in each repetition, as the scores say.
        repeats: number of repetitions.

    Returns:
        Curves by the key of the fold, rounded to six digits. They are empty for a model without epochs.

    Raises:
        StorageError: a file is missing or damaged, or the folds do not have as many test clips as the scores.
    """
    audit, history = folder / "folds.csv", folder / "history.csv"
    rows = read_csv(audit, _FOLD_COLUMNS)
    with refuse_damaged(audit):
        choices = _to_choices(rows, clips, repeats)
    rows = read_csv(history, CURVE_COLUMNS)
    with refuse_damaged(history):
        return _to_curves(rows, choices)


def split_by_fold(
    predictions: Sequence[Mapping[str, str]], folds: Sequence[Mapping[str, str]]
) -> list[list[Mapping[str, str]]]:
    """Return the rows of predictions.csv of each fold. They are in the order of the folds.

    Args:
        predictions: rows of predictions.csv.
        folds: rows of folds.csv that `read_fold_curves` has accepted.

    Raises:
        DamagedError: the rows of a fold have another repetition or other subjects than the fold.
    """
    remaining, parts = iter(predictions), []
    for fold in folds:
        rows = list(islice(remaining, parse_whole(fold["held_out_clips"])))
        subjects = " ".join(sorted({row["subject"] for row in rows}))
        if subjects != fold["held_out_subjects"] or {row["repeat"] for row in rows} != {fold["repeat"]}:
            raise DamagedError(
                f"the rows of fold {fold['held_out']} have the subjects {subjects} or another repetition"
            )
        parts.append(rows)
    return parts


def _to_choices(rows: Sequence[Mapping[str, str]], expected: int, repeats: int) -> dict[str, str]:
    """Return the choice of each fold by its key, or raise a DamagedError."""
    for row in rows:
        if parse_whole(row["seed"]) < 0 or parse_whole(row["held_out_clips"]) < 1:
            raise DamagedError(f"fold {row['held_out']} has seed {row['seed']} and {row['held_out_clips']} test clips")
    folds = {f"{row['held_out']}#{parse_whole(row['repeat'])}": row["chosen"] for row in rows}
    clips = sum(parse_whole(row["held_out_clips"]) for row in rows)
    if len(folds) < len(rows) or clips != expected * repeats:
        raise DamagedError(f"the folds have {clips} test clips instead of {expected} × {repeats}")
    return folds


def _to_curves(rows: Sequence[Mapping[str, str]], folds: Mapping[str, str]) -> dict[str, History]:
    """Return the curves of each fold by its key, or raise a DamagedError if an epoch is missing or surplus."""
    curves: dict[str, dict[str, list[float]]] = {key: {name: [] for name in CURVES} for key in folds}
    epochs = dict.fromkeys(folds, 0)
    for row in rows:
        key = f"{row['held_out']}#{parse_whole(row['repeat'])}"
        if key not in curves:
            raise DamagedError(f"folds.csv has no fold {key}")
        epochs[key] += 1
        if parse_whole(row["epoch"]) != epochs[key]:
            raise DamagedError(f"fold {key} has epoch {row['epoch']} instead of {epochs[key]}")
        for name, values in curves[key].items():
            values.extend([parse_decimal(row[name])] if row[name] else [])
    for key, chosen in folds.items():
        last = max(map(int, re.findall(r"[0-9]+", chosen)), default=0) if chosen.startswith("epoch") else 0
        if epochs[key] < last:
            raise DamagedError(f"fold {key} has {epochs[key]} epochs and chose epoch {last}")
    return {key: History(**{name: tuple(values) for name, values in fold.items()}) for key, fold in curves.items()}
