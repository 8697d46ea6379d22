"""Points of DVC's plots, a file a model, so that `dvc plots diff` draws two commits side by side."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from microfacial.files import atomic_write, write_csv
from microfacial.records import Predictions
from microfacial.report.results import Result
from microfacial.report.tables import share_by_subject


def write_plots(folder: Path, results: Sequence[Result]) -> None:
    """Write confusion/, subjects/ and loss/, a table a model in each; a model without epochs has no loss."""
    with atomic_write(folder) as fresh:
        for result in results:
            name = f"{result.model}.csv"
            write_csv(fresh / "confusion" / name, _list_predictions(result.predictions), ("truth", "predicted"))
            subjects = ({"subject": row.subject, "right": row.shares[0]} for row in share_by_subject([result]))
            write_csv(fresh / "subjects" / name, subjects, ("subject", "right"))
            if any(history.training_loss for history in result.curves.values()):
                write_csv(fresh / "loss" / name, _list_losses(result), ("epoch", "training_loss"))


def _list_predictions(found: Predictions) -> Iterator[dict[str, Any]]:
    for predicted in found.predicted:
        for truth, own in zip(found.truth, predicted, strict=True):
            yield {"truth": found.classes[truth], "predicted": found.classes[own]}


def _list_losses(result: Result) -> Iterator[dict[str, Any]]:
    """The median over folds of each epoch."""
    curves = [history.training_loss for history in result.curves.values()]
    for epoch, values in enumerate(zip_longest(*curves), 1):
        yield {"epoch": epoch, "training_loss": np.median([value for value in values if value is not None])}
