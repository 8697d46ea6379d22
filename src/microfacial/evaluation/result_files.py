"""Read and write the results of a training: predictions, an audit of its folds, curves and scores.

These formats have their own module so that `tuning` can be forbidden to import it: a study must not read predictions
for test subjects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from microfacial.evaluation.stored_results import (
    CURVES,
    PREDICTION_COLUMNS,
    TrainedSettings,
    check_evaluation,
    to_curves,
    to_folds,
    to_importances,
    to_predictions,
)
from microfacial.files import (
    REPAIR,
    as_file_name,
    atomic_write,
    read_arrays,
    read_csv,
    read_json,
    refuse_damaged,
    write_arrays,
    write_csv,
    write_json,
)
from microfacial.records import Evaluation, FoldResult, History, Importances, Predictions, Samples

_IMPORTANCES = "importances.npz"
_CURVE_COLUMNS = ("held_out", "repeat", "epoch", *CURVES)
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


def write_training(folder: Path, samples: Samples, folds: Sequence[FoldResult], evaluation: Evaluation) -> None:
    """Write the results of a training.

    The files are evaluation.json (scores), predictions.csv, folds.csv (the audit: subjects and rows of each fold),
    history.csv (curves), and the tables of results per subject and of the summary. importances.npz is written if the
    model explains its predictions, and checkpoints/ if the folds carry checkpoints.

    Args:
        folder: the output folder. An existing folder is replaced.
        samples: all rows of the data set.
        folds: results of all folds, sorted by repetition and name.
        evaluation: their pooled scores.
    """
    tables = f"{evaluation.protocol}_{evaluation.model}"
    with atomic_write(folder) as scratch:
        scratch.mkdir()
        write_json(scratch / "evaluation.json", asdict(evaluation))
        _write_rows(scratch / "predictions.csv", [row for fold in folds for row in _prediction_rows(fold, samples)])
        _write_rows(scratch / "folds.csv", [_audit_row(fold, samples) for fold in folds])
        write_csv(scratch / "history.csv", [row for fold in folds for row in _curve_rows(fold)], _CURVE_COLUMNS)
        results = [row for fold in folds for row in _result_rows(fold, samples, evaluation.note)]
        _write_rows(scratch / f"{tables}_results.csv", results)
        _write_rows(scratch / f"{tables}_summary.csv", [_summary_row(evaluation)])
        if all(fold.importances for fold in folds):
            write_arrays(scratch / _IMPORTANCES, vars(gather_importances(samples, folds)))
        for fold in folds:
            if fold.checkpoint:
                write_arrays(scratch / "checkpoints" / f"{as_file_name(fold.plan.key)}.npz", fold.checkpoint)


def read_evaluation(folder: Path, remedy: str = REPAIR) -> Evaluation:
    """Read the scores of one model.

    Args:
        folder: folder that `write_training` wrote.
        remedy: what to do if the file is damaged.

    Returns:
        The scores.

    Raises:
        StorageError: the file is missing or damaged, or another version wrote it.
    """
    path = folder / "evaluation.json"
    evaluation = read_json(path, Evaluation, remedy)
    with refuse_damaged(path, remedy):
        check_evaluation(evaluation)
    return evaluation


def read_trained_settings(folder: Path, model: str, remedy: str = REPAIR) -> dict[str, Any]:
    """Read the settings that turn a clip into the input of a trained model.

    Args:
        folder: folder of a training.
        model: name of the model.
        remedy: what to do if the file is damaged.

    Returns:
        The sections `faces`, `flow` and `models` by name. `models` has one model.

    Raises:
        StorageError: the file is missing or damaged, or is for another model.
    """
    path = folder / "settings.json"
    content = read_json(path, TrainedSettings, remedy)
    with refuse_damaged(path, remedy):
        content.check(model)
    return {"faces": content.faces, "flow": content.flow, "models": content.models}


def read_predictions(folder: Path, remedy: str = REPAIR) -> Predictions:
    """Read the predictions of one model.

    Args:
        folder: folder that `write_training` wrote.
        remedy: what to do if a file is damaged.

    Returns:
        Predictions, sorted by the ids of clips. Probabilities are rounded to six digits.

    Raises:
        StorageError: a file is missing or damaged, or another version wrote it.
    """
    evaluation = read_evaluation(folder, remedy)
    path = folder / "predictions.csv"
    rows = read_csv(path, (*PREDICTION_COLUMNS, *(f"p_{label}" for label in evaluation.classes)), remedy)
    with refuse_damaged(path, remedy):
        return to_predictions(rows, evaluation)


def gather_importances(samples: Samples, folds: Sequence[FoldResult]) -> Importances:
    """Join the importances of all folds and average them over repetitions.

    Args:
        samples: all rows of the data set.
        folds: results of all folds. Each must have importances.

    Returns:
        Importances, sorted by the ids of clips.
    """
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
    """Read the importances of each test clip.

    Args:
        folder: folder that `write_training` wrote.

    Returns:
        Importances, sorted by the ids of clips, or None for a model that does not explain its predictions.

    Raises:
        StorageError: the file is damaged.
    """
    path = folder / _IMPORTANCES
    if not path.exists():
        return None
    arrays = read_arrays(path, [field.name for field in fields(Importances)])
    clips = read_evaluation(folder).overall.clips
    with refuse_damaged(path):
        return to_importances(arrays, clips)


def read_curves(folder: Path) -> dict[str, History]:
    """Read the curves of each fold.

    Args:
        folder: folder that `write_training` wrote.

    Returns:
        Curves by the key of the fold, rounded to six digits. They are empty for a model without epochs.

    Raises:
        StorageError: a file is missing or damaged.
    """
    evaluation = read_evaluation(folder)
    audit, history = folder / "folds.csv", folder / "history.csv"
    rows = read_csv(audit, _FOLD_COLUMNS)
    with refuse_damaged(audit):
        folds = to_folds(rows, evaluation)
    rows = read_csv(history, _CURVE_COLUMNS)
    with refuse_damaged(history):
        return to_curves(rows, folds)


def _write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    write_csv(path, rows, list(rows[0]))


def _prediction_rows(fold: FoldResult, samples: Samples) -> Iterator[dict[str, Any]]:
    for row, truth, predicted, probabilities in zip(
        fold.plan.test_rows, fold.truth, fold.predicted, fold.probabilities, strict=True
    ):
        yield {
            "clip": samples.clips[row],
            "subject": samples.subjects[row],
            "repeat": fold.plan.repeat,
            "truth": samples.classes[truth],
            "predicted": samples.classes[predicted],
            **{f"p_{label}": probability for label, probability in zip(samples.classes, probabilities, strict=True)},
        }


def _audit_row(fold: FoldResult, samples: Samples) -> dict[str, Any]:
    """Return a row of folds.csv by column: the test subjects of a fold, and the subjects in each validation fold."""
    plan = fold.plan
    return {
        "held_out": plan.name,
        "repeat": plan.repeat,
        "held_out_subjects": " ".join(np.unique(samples.subjects[plan.test_rows])),
        "held_out_clips": len(plan.test_rows),
        "known_clips": len(plan.training_rows),
        "validation_folds": " | ".join(
            " ".join(np.unique(samples.subjects[plan.training_rows[plan.validation_fold == number]]))
            for number in np.unique(plan.validation_fold)
        ),
        "chosen": fold.chosen,
        "seed": plan.seed,
    }


def _curve_rows(fold: FoldResult) -> Iterator[dict[str, Any]]:
    """Yield one row for each epoch. A curve that the model does not have leaves its cells empty."""
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
