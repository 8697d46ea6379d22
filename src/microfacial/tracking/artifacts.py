"""Figures and tables of a model's run, made from the files of its training."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from microfacial.evaluation.result_files import read_curves, read_evaluation, read_importances, read_predictions
from microfacial.evaluation.unit_files import read_unit_curves, read_units, unit_rows
from microfacial.files import read_csv
from microfacial.records import LearningTask
from microfacial.report import figures, hybrid_figures
from microfacial.report.figure_style import as_png
from microfacial.report.unit_figures import draw_unit_scores

_FOLDS, _PREDICTIONS, _SUBJECTS, _UNITS = "folds.json", "predictions.json", "subjects.json", "unit_scores.json"


def list_tables(task: LearningTask) -> tuple[str, ...]:
    """Return the file names of the tables of a training.

    Args:
        task: what the model recognises.
    """
    return (_FOLDS, _PREDICTIONS, _UNITS if task == "units" else _SUBJECTS)


def write_figures_and_files(folder: Path, target: Path, task: LearningTask) -> None:
    """Write the figures of a training and copies of its files into two folders, `figures` and `files`.

    Args:
        folder: results/<data set>/train/<model>.
        target: an empty folder. Its content becomes the artifacts of the run.
        task: what the model recognises.

    Raises:
        StorageError: a file is missing or damaged.
    """
    for part in ("figures", "files"):
        (target / part).mkdir()
    for name, figure in (draw_unit_figures if task == "units" else draw_figures)(folder).items():
        (target / "figures" / f"{name}.png").write_bytes(as_png(figure))
    for path in list_files(folder):
        shutil.copy(path, target / "files")


def draw_figures(folder: Path) -> dict[str, Figure]:
    """Draw the figures of a training.

    A model without epochs has no curve of the loss. Only a model with importances has figures of regions and attention.

    Args:
        folder: results/<data set>/train/<model>.

    Returns:
        Figures by name.

    Raises:
        StorageError: a file is missing or damaged.
    """
    evaluation, predictions = read_evaluation(folder), read_predictions(folder)
    curves, importances = read_curves(folder), read_importances(folder)
    drawn = {
        "confusion": figures.draw_confusion(evaluation),
        "subjects": figures.draw_subjects(predictions),
        "reliability": figures.draw_reliability(predictions),
    }
    if any(history.training_loss for history in curves.values()):
        drawn["loss"] = figures.draw_curves(evaluation.model, curves)
    if importances is not None and importances.of_hybrid:
        drawn["regions"] = hybrid_figures.draw_region_importances(importances)
        drawn["attention"] = hybrid_figures.draw_attention(importances)
    return drawn


def draw_unit_figures(folder: Path) -> dict[str, Figure]:
    """Draw the figures of a training of action units.

    Args:
        folder: results/<data set>/train/<model>.

    Returns:
        Figures by name.

    Raises:
        StorageError: a file is missing or damaged.
    """
    evaluation, curves = read_units(folder), read_unit_curves(folder)
    drawn = {"units": draw_unit_scores(evaluation)}
    if any(history.training_loss for history in curves.values()):
        drawn["loss"] = figures.draw_curves(evaluation.model, curves)
    return drawn


def read_tables(folder: Path, task: LearningTask) -> dict[str, pd.DataFrame]:
    """Read the tables of a training: its folds, its predictions, and the scores of each subject or action unit.

    Args:
        folder: results/<data set>/train/<model>.
        task: what the model recognises.

    Returns:
        Tables by file name.
    """
    folds, predictions = _read_table(folder / "folds.csv"), _read_table(folder / "predictions.csv")
    if task == "units":
        scores = pd.DataFrame(list(unit_rows(read_units(folder))))
        return {_FOLDS: folds, _PREDICTIONS: predictions, _UNITS: scores.drop(columns="note")}
    evaluation = read_evaluation(folder)
    predictions = predictions.assign(right=predictions["truth"] == predictions["predicted"])
    subjects = _read_table(folder / f"{evaluation.protocol}_{evaluation.model}_results.csv", ("note",))
    return {_FOLDS: folds, _PREDICTIONS: predictions, _SUBJECTS: subjects.drop(columns="note")}


def list_files(folder: Path) -> list[Path]:
    """Return the files that are copied into the run. Checkpoints are left out: a copy would only take space.

    Args:
        folder: results/<data set>/train/<model>.
    """
    return sorted(path for path in folder.iterdir() if path.is_file())


def _read_table(path: Path, columns: Iterable[str] = ()) -> pd.DataFrame:
    read_csv(path, columns)  # refuses a damaged file
    return pd.read_csv(path, keep_default_na=False)
