"""Tables for `dvc plots`, one file per model, so that `dvc plots diff` can show two commits side by side."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from microfacial.files import atomic_write, write_csv
from microfacial.records import Predictions
from microfacial.report.results import ModelResult
from microfacial.report.tables import share_by_subject


def write_plots(folder: Path, results: Sequence[ModelResult]) -> None:
    """Write the folders confusion/, subjects/ and loss/ with one table per model.

    A model without epochs has no table in loss/.

    Args:
        folder: Folder to write; an existing one is replaced.
        results: Results of all models.
    """
    with atomic_write(folder) as fresh:
        for result in results:
            name = f"{result.model}.csv"
            write_csv(fresh / "confusion" / name, _list_predictions(result.predictions), ("truth", "predicted"))
            subjects = ({"subject": row.subject, "right": row.shares[0]} for row in share_by_subject([result]))
            write_csv(fresh / "subjects" / name, subjects, ("subject", "right"))
            if result.has_curves:
                write_csv(fresh / "loss" / name, _list_losses(result), ("epoch", "training_loss"))


def _list_predictions(predictions: Predictions) -> Iterator[dict[str, Any]]:
    classes = predictions.classes
    for repetition in predictions.predicted:
        for truth, predicted in zip(predictions.truth, repetition, strict=True):
            yield {"truth": classes[truth], "predicted": classes[predicted]}


def _list_losses(result: ModelResult) -> Iterator[dict[str, Any]]:
    """Yield the median loss over folds of each epoch."""
    curves = [history.training_loss for history in result.curves.values()]
    for epoch, values in enumerate(zip_longest(*curves), 1):
        yield {"epoch": epoch, "training_loss": np.median([value for value in values if value is not None])}
