"""What a training came to, in files: predictions, the audit of its folds, curves, scores.

Apart from the other formats, so that a study, which must not see what held-out subjects gave, cannot import it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from microfacial.errors import StorageError
from microfacial.files import (
    as_file_name,
    atomic_write,
    read_arrays,
    read_csv,
    read_json,
    write_arrays,
    write_csv,
    write_json,
)
from microfacial.records import Evaluation, FoldResult, History, Importances, Predictions, Samples, Score


def write_training(folder: Path, samples: Samples, folds: Sequence[FoldResult], evaluation: Evaluation) -> None:
    """Write what a training came to: predictions, the audit of its folds, curves, scores and the protocol's two tables.

    Checkpoints that folds have are written beside, a file each, and what counted where a model can say.
    """
    tables = f"{evaluation.protocol}_{evaluation.model}"
    with atomic_write(folder) as fresh:
        fresh.mkdir()
        write_json(fresh / "evaluation.json", asdict(evaluation))
        _write_rows(fresh / "predictions.csv", [row for fold in folds for row in _prediction_rows(fold, samples)])
        _write_rows(fresh / "folds.csv", [_audit_row(fold, samples) for fold in folds])
        write_csv(fresh / "history.csv", [row for fold in folds for row in _curve_rows(fold)], _CURVE_COLUMNS)
        results = [row for fold in folds for row in _result_rows(fold, samples, evaluation.note)]
        _write_rows(fresh / f"{tables}_results.csv", results)
        _write_rows(fresh / f"{tables}_summary.csv", [_summary_row(evaluation)])
        if all(fold.importances for fold in folds):
            write_arrays(fresh / _IMPORTANCES, vars(gather_importances(samples, folds)))
        for fold in folds:
            if fold.checkpoint:
                write_arrays(fresh / "checkpoints" / f"{as_file_name(fold.plan.key)}.npz", fold.checkpoint)


def read_evaluation(folder: Path) -> Evaluation:
    """Scores of one model, as `write_training` wrote them.

    Raises:
        StorageError: the file is missing or damaged, or another version wrote it.
    """
    content = read_json(folder / "evaluation.json")
    if content.keys() != {field.name for field in fields(Evaluation)}:
        raise StorageError(f"{folder}: another version of microfacial wrote this. Run `dvc repro`")
    return Evaluation(
        **{
            **content,
            "classes": tuple(content["classes"]),
            "overall": _read_score(content["overall"]),
            "corpora": {name: _read_score(score) for name, score in content["corpora"].items()},
            "uf1_interval": tuple(content["uf1_interval"]),
            "uar_interval": tuple(content["uar_interval"]),
        }
    )


def read_predictions(folder: Path) -> Predictions:
    """Predictions of one model, as `write_training` wrote them, in the order of clips' ids; probabilities are rounded.

    Raises:
        StorageError: a file is missing or damaged, or another version wrote it.
    """
    evaluation = read_evaluation(folder)
    table = pd.DataFrame(read_csv(folder / "predictions.csv"))
    table = table.assign(repeat=table["repeat"].astype(int)).sort_values(["repeat", "clip"])
    shape = (evaluation.repeats, -1)
    number = {label: index for index, label in enumerate(evaluation.classes)}
    chances = table[[f"p_{label}" for label in evaluation.classes]].to_numpy(np.float64)
    clips, subjects = (table[name].to_numpy(np.str_).reshape(shape)[0] for name in ("clip", "subject"))
    truth, predicted = (
        np.array([number[label] for label in table[name]], dtype=np.int64).reshape(shape)
        for name in ("truth", "predicted")
    )
    return Predictions(
        model=evaluation.model,
        protocol=evaluation.protocol,
        classes=evaluation.classes,
        clips=clips,
        subjects=subjects,
        truth=truth[0],
        predicted=predicted,
        probabilities=chances.reshape(*shape, len(number)),
    )


def gather_importances(samples: Samples, folds: Sequence[FoldResult]) -> Importances:
    """What counted in each clip, in the order of clips' ids, averaged over repetitions; every fold must say."""
    rows = np.concatenate([fold.plan.test_rows for fold in folds])
    order = np.argsort(samples.clips[rows], kind="stable")
    clips = np.unique(samples.clips[rows])
    joined = {name: np.concatenate([fold.importances[name] for fold in folds])[order] for name in folds[0].importances}
    return Importances(
        clips=clips,
        region_names=samples.regions,
        window_names=samples.windows,
        **{
            name: values.reshape(len(clips), -1, *values.shape[1:]).mean(axis=1)  # (n, repeats, …)
            for name, values in joined.items()
        },
    )


def read_importances(folder: Path) -> Importances | None:
    """What counted in each held-out clip, in the order of clips' ids; None for a model that cannot say.

    Raises:
        StorageError: the file is damaged.
    """
    path = folder / _IMPORTANCES
    if not path.exists():
        return None
    kept: dict[str, Any] = read_arrays(path)
    named = {name: tuple(kept[name].tolist()) for name in ("region_names", "window_names")}
    return Importances(**{**kept, **named})


def read_curves(folder: Path) -> dict[str, History]:
    """Curves of each fold by its key, as `write_training` wrote them, rounded; empty for a model without epochs.

    Raises:
        StorageError: a file is missing or damaged.
    """
    curves: dict[str, dict[str, list[float]]] = {
        f"{row['held_out']}#{row['repeat']}": {name: [] for name in _CURVE_COLUMNS[3:]}
        for row in read_csv(folder / "folds.csv")
    }
    for row in read_csv(folder / "history.csv"):
        for name, values in curves[f"{row['held_out']}#{row['repeat']}"].items():
            values.extend([float(row[name])] if row[name] else [])
    return {key: History(**{name: tuple(values) for name, values in found.items()}) for key, found in curves.items()}


def _read_score(content: dict[str, Any]) -> Score:
    return Score(**{**content, "confusion": tuple(map(tuple, content["confusion"]))})


_IMPORTANCES = "importances.npz"
_CURVE_COLUMNS = ("held_out", "repeat", "epoch", "training_loss", "validation_loss", "validation_uar")


def _write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    write_csv(path, rows, list(rows[0]))


def _prediction_rows(fold: FoldResult, samples: Samples) -> Iterator[dict[str, Any]]:
    for row, truth, predicted, chances in zip(
        fold.plan.test_rows, fold.truth, fold.predicted, fold.probabilities, strict=True
    ):
        yield {
            "clip": samples.clips[row],
            "subject": samples.subjects[row],
            "repeat": fold.plan.repeat,
            "truth": samples.classes[truth],
            "predicted": samples.classes[predicted],
            **{f"p_{label}": chance for label, chance in zip(samples.classes, chances, strict=True)},
        }


def _audit_row(fold: FoldResult, samples: Samples) -> dict[str, Any]:
    """Who was held out, and the parts of the known, of which one chooses while the rest train."""
    plan = fold.plan
    return {
        "held_out": plan.name,
        "repeat": plan.repeat,
        "held_out_subjects": " ".join(np.unique(samples.subjects[plan.test_rows])),
        "held_out_clips": len(plan.test_rows),
        "known_clips": len(plan.training_rows),
        "validation_folds": " | ".join(
            " ".join(np.unique(samples.subjects[plan.training_rows[plan.validation_fold == part]]))
            for part in np.unique(plan.validation_fold)
        ),
        "chosen": fold.chosen,
        "seed": plan.seed,
    }


def _curve_rows(fold: FoldResult) -> Iterator[dict[str, Any]]:
    """A row an epoch; a curve that was not drawn leaves its cells empty."""
    curves = (fold.history.training_loss, fold.history.validation_loss, fold.history.validation_uar)
    for epoch, values in enumerate(zip_longest(*curves), 1):
        yield dict(zip(_CURVE_COLUMNS, (fold.plan.name, fold.plan.repeat, epoch, *values), strict=True))


def _result_rows(fold: FoldResult, samples: Samples, note: str) -> Iterator[dict[str, Any]]:
    subjects = samples.subjects[fold.plan.test_rows]
    for subject in np.unique(subjects):
        right = (fold.predicted == fold.truth)[subjects == subject]
        yield {
            "subject": subject,
            "repeat": fold.plan.repeat,
            "clips": len(right),
            "right": int(right.sum()),
            "accuracy": right.mean(),
            "chosen": fold.chosen,
            "note": note,
        }


def _summary_row(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "model": evaluation.model,
        "protocol": evaluation.protocol,
        "repeats": evaluation.repeats,
        "subjects": evaluation.overall.subjects,
        "clips": evaluation.overall.clips,
        "uf1": evaluation.overall.uf1,
        "uf1_sd": evaluation.uf1_sd,
        "uf1_low": evaluation.uf1_interval[0],
        "uf1_high": evaluation.uf1_interval[1],
        "uar": evaluation.overall.uar,
        "uar_sd": evaluation.uar_sd,
        "uar_low": evaluation.uar_interval[0],
        "uar_high": evaluation.uar_interval[1],
        "accuracy": evaluation.overall.accuracy,
        "ece": evaluation.ece,
        "mean_over_folds_uf1": evaluation.mean_over_folds_uf1,
        "mean_over_folds_uar": evaluation.mean_over_folds_uar,
        "mean_over_folds_accuracy": evaluation.mean_over_folds_accuracy,
        "note": evaluation.note,
    }
