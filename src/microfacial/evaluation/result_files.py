"""Read and write the results of a training: predictions, an audit of its folds, curves and scores.

These formats have their own module so that `tuning` can be forbidden to import it: a study must not read predictions
for test subjects.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from microfacial.errors import DamagedError, StorageError
from microfacial.evaluation.fold_tables import read_fold_curves
from microfacial.evaluation.result_tables import (
    CURVE_COLUMNS,
    audit_row,
    class_rows,
    curve_rows,
    prediction_rows,
    result_rows,
    summary_row,
)
from microfacial.evaluation.score_check import check_evaluation, check_note, check_scores
from microfacial.evaluation.stored_results import (
    PREDICTION_COLUMNS,
    TrainedSettings,
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
from microfacial.models.lookup import stored_settings_use_prior
from microfacial.records import Evaluation, FoldResult, History, Importances, Predictions, Samples

_IMPORTANCES = "importances.npz"


def write_training(folder: Path, samples: Samples, folds: Sequence[FoldResult], evaluation: Evaluation) -> None:
    """Write the results of a training.

    The files are evaluation.json (scores), predictions.csv, folds.csv (the audit: subjects and rows of each fold),
    history.csv (curves), and three tables: results per subject, scores per class, and the summary. importances.npz is
    written if the model explains its predictions, and checkpoints/ if the folds carry checkpoints.

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
        _write_rows(scratch / "predictions.csv", [row for fold in folds for row in prediction_rows(fold, samples)])
        _write_rows(scratch / "folds.csv", [audit_row(fold, samples) for fold in folds])
        write_csv(scratch / "history.csv", [row for fold in folds for row in curve_rows(fold)], CURVE_COLUMNS)
        results = [row for fold in folds for row in result_rows(fold, samples, evaluation.note)]
        _write_rows(scratch / f"{tables}_results.csv", results)
        _write_rows(scratch / f"{tables}_summary.csv", [summary_row(evaluation)])
        _write_rows(scratch / f"{tables}_classes.csv", list(class_rows(folds, evaluation)))
        if all(fold.importances for fold in folds):
            write_arrays(scratch / _IMPORTANCES, vars(gather_importances(samples, folds)))
        for fold in folds:
            if fold.checkpoint:
                write_arrays(scratch / "checkpoints" / f"{as_file_name(fold.plan.key)}.npz", fold.checkpoint)


def read_evaluation(folder: Path, remedy: str = REPAIR, model: str | None = None) -> Evaluation:
    """Read the scores of one model.

    Args:
        folder: folder that `write_training` wrote.
        remedy: what to do if the file is damaged.
        model: name of the model that the scores must have. None accepts any model.

    Returns:
        The scores.

    Raises:
        StorageError: the file is missing or damaged, another version wrote it, it has the scores of another model, or
            its note differs from what corpora and settings give.
    """
    evaluation = _read_scores(folder, remedy, model)
    prior = trained_with_prior(folder, evaluation.model, remedy)
    with refuse_damaged(folder / "evaluation.json", remedy):
        check_note(evaluation, prior=prior)
    return evaluation


def trained_with_prior(folder: Path, model: str, remedy: str) -> bool | None:
    """Return whether a trained model uses the motion prior.

    Args:
        folder: folder of the training.
        model: name of the model.
        remedy: what to do if settings.json is damaged.

    Returns:
        Whether it does, or None if its settings are unknown to this version.

    Raises:
        StorageError: settings.json is damaged.
    """
    if not (folder / "settings.json").exists():  # only the stage writes it
        return None
    return stored_settings_use_prior(model, read_trained_settings(folder, model, remedy)["models"][model])


def _read_scores(folder: Path, remedy: str, model: str | None) -> Evaluation:
    """Read evaluation.json without a check of its note, whose words depend on the version that wrote it."""
    path = folder / "evaluation.json"
    if not path.exists() and (folder / "units.json").exists():
        raise StorageError(
            f"{folder} has results of action units, not of classes. Run `dvc repro`, which trains it again, or set "
            "train.task: units in params.yaml"
        )
    evaluation = read_json(path, Evaluation, remedy)
    with refuse_damaged(path, remedy):
        check_evaluation(evaluation)
        if model not in (None, evaluation.model):
            raise DamagedError(f"it has the scores of {evaluation.model}")
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


def read_predictions(folder: Path, remedy: str = REPAIR, model: str | None = None) -> Predictions:
    """Read the predictions of one model.

    Args:
        folder: folder that `write_training` wrote.
        remedy: what to do if a file is damaged.
        model: name of the model that the scores must have. None accepts any model.

    Returns:
        Predictions, sorted by the ids of clips. Probabilities are rounded to six digits.

    Raises:
        StorageError: a file is missing or damaged, another version wrote it, or scores and predictions contradict.
    """
    evaluation = _read_scores(folder, remedy, model)
    path = folder / "predictions.csv"
    rows = read_csv(path, (*PREDICTION_COLUMNS, *(f"p_{label}" for label in evaluation.classes)), remedy)
    with refuse_damaged(path, remedy):
        predictions = to_predictions(rows, evaluation)
        check_scores(evaluation, predictions, read_bootstrap(folder, remedy))
    return predictions


def read_bootstrap(folder: Path, remedy: str) -> tuple[int, int] | None:
    """Return the number of bootstrap draws and their seed, which run.json has. None without run.json.

    Args:
        folder: folder of the training.
        remedy: what to do if run.json is damaged.

    Raises:
        StorageError: run.json is damaged.
    """
    path = folder / "run.json"
    if not path.exists():
        return None
    settings = read_json(path, dict[str, Any], remedy).get("settings")
    train = settings.get("train") if isinstance(settings, dict) else None
    draws, seed = (train.get(name) for name in ("bootstrap_draws", "seed")) if isinstance(train, dict) else (None, None)
    return (draws, seed) if isinstance(draws, int) and isinstance(seed, int) else None


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
            name: values.reshape(len(clips), len(rows) // len(clips), *values.shape[1:]).mean(axis=1)  # (n, repeats, …)
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
    return read_fold_curves(folder, evaluation.overall.clips, evaluation.repeats)


def _write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    write_csv(path, rows, list(rows[0]))
