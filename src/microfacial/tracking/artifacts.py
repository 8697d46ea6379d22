"""Figures and tables of a model's run, made from the files of its training."""

import shutil
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from microfacial.evaluation.result_files import read_curves, read_evaluation, read_importances, read_predictions
from microfacial.files import read_csv
from microfacial.report import figures, hybrid_figures
from microfacial.report.figure_style import as_png

TABLES = ("folds.json", "predictions.json", "subjects.json")


def write_figures_and_files(folder: Path, target: Path) -> None:
    """Write the figures of a training and copies of its files into two folders, `figures` and `files`.

    Args:
        folder: results/<data set>/train/<model>.
        target: an empty folder. Its content becomes the artifacts of the run.

    Raises:
        StorageError: a file is missing or damaged.
    """
    for part in ("figures", "files"):
        (target / part).mkdir()
    for name, figure in draw_figures(folder).items():
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


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of a training: its folds, its predictions and the accuracy of each subject.

    Args:
        folder: results/<data set>/train/<model>.

    Returns:
        Tables by file name.
    """
    evaluation = read_evaluation(folder)
    predictions = _read_table(folder / "predictions.csv")
    return {
        "folds.json": _read_table(folder / "folds.csv"),
        "predictions.json": predictions.assign(right=predictions["truth"] == predictions["predicted"]),
        "subjects.json": _read_table(folder / f"{evaluation.protocol}_{evaluation.model}_results.csv").drop(
            columns="note"
        ),
    }


def list_files(folder: Path) -> list[Path]:
    """Return the files that are copied into the run. Checkpoints are left out: a copy would only take space.

    Args:
        folder: results/<data set>/train/<model>.
    """
    return sorted(path for path in folder.iterdir() if path.is_file())


def _read_table(path: Path) -> pd.DataFrame:
    read_csv(path)  # refuses a damaged file
    return pd.read_csv(path, keep_default_na=False)
