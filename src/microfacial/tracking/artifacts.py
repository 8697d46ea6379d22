"""What a model's run shows beside numbers, made from the folder of its training: figures and tables."""

import shutil
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from microfacial.evaluation.result_files import read_curves, read_evaluation, read_importances, read_predictions
from microfacial.report import figures, hybrid_figures
from microfacial.report.figure_style import as_png

TABLES = ("folds.json", "predictions.json", "subjects.json")


def lay_out(folder: Path, target: Path) -> None:
    """Put figures and files of a training into the folders of `target` that its run shows them in.

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
    """Figures by name; a model without epochs has no curves, and only one that can say what counted shows it.

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
    if importances is not None:
        drawn["regions"] = hybrid_figures.draw_region_importances(importances)
        drawn["attention"] = hybrid_figures.draw_attention(importances)
    return drawn


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Tables by name: the audit of folds, every prediction with whether it is right, each subject's accuracy."""
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
    """Files to keep with the run. Checkpoints stay where they are: a second copy would cost disk and tell nothing."""
    return sorted(path for path in folder.iterdir() if path.is_file())


def _read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False)
