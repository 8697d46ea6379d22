"""Figures, drawn without a display and the same every time."""

import io

import numpy as np
from matplotlib.figure import Figure

from microfacial.records import Evaluation, FoldResult


def draw_confusion(evaluation: Evaluation) -> Figure:
    """Confusion matrix in counts, summed over repetitions, shaded by recall."""
    counts = np.array(evaluation.overall.confusion)
    recall = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.2, 3.6), layout="constrained")
    axes = figure.add_subplot(
        xlabel="predicted", ylabel="truth", title="\n".join(filter(None, [evaluation.model, evaluation.note]))
    )
    axes.imshow(recall, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(evaluation.classes))
    axes.set_xticks(ticks, evaluation.classes, rotation=30, ha="right")
    axes.set_yticks(ticks, evaluation.classes)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if recall[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    return figure


def draw_curves(model: str, folds: list[FoldResult]) -> Figure:
    """Training and validation loss of every fold, thin, with their median, bold. Held-out subjects have no curve."""
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="loss", title=f"{model}: loss per fold")
    for label, colour, curves in (
        ("training", "tab:blue", [fold.history.training_loss for fold in folds]),
        ("validation", "tab:orange", [fold.history.validation_loss for fold in folds]),
    ):
        for curve in curves:
            axes.plot(range(1, len(curve) + 1), curve, color=colour, alpha=0.25, linewidth=0.8)
        shortest = min(map(len, curves))
        if not shortest:  # nothing was held back to validate on
            continue
        median = np.median([curve[:shortest] for curve in curves], axis=0)
        axes.plot(range(1, shortest + 1), median, color=colour, label=label)
    axes.legend()
    return figure


def as_png(figure: Figure) -> bytes:
    """PNG bytes without date or version, so that equal figures are equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
