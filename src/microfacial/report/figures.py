"""Figures of a model's scores, predictions and training.

MLflow runs show them as PNG, the report shows them as SVG. They need no display.
"""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from microfacial.metrics import CONFIDENCE_BINS
from microfacial.records import Comparison, Evaluation, FloatArray, History, Predictions
from microfacial.report.figure_style import (
    FAINT,
    FIRST,
    INK,
    SECOND,
    draw_cells,
    label_rows,
    start_figure,
    use_figure_style,
)

_NOTE_WIDTH = 48  # characters in a line of the note above a matrix


@use_figure_style
def draw_confusion(evaluation: Evaluation) -> Figure:
    """Draw the confusion matrix: counts summed over repetitions, tinted by recall.

    Args:
        evaluation: Scores of one model. Its note, if any, stands above the matrix.
    """
    counts = np.array(evaluation.overall.confusion)
    recall = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = start_figure(3.6, 3.2, evaluation.model)
    axes.set(xlabel="predicted", ylabel="truth")
    note = fill(evaluation.note, _NOTE_WIDTH)
    if note:
        axes.set_title(axes.get_title(), pad=6 + 12 * len(note.splitlines()))
        axes.text(0.5, 1.03, note, transform=axes.transAxes, ha="center", color=SECOND, fontsize=8)
    words = [[f"{count}" for count in row] for row in counts]
    draw_cells(axes, recall, words, evaluation.classes, evaluation.classes)
    return figure


@use_figure_style
def draw_curves(model: str, curves: Mapping[str, History]) -> Figure:
    """Draw the training and validation loss of every fold as thin lines, and their medians as bold lines.

    Test subjects have no curve, so nobody is tempted to choose an epoch by it.

    Args:
        model: Name of the model, for the title.
        curves: Curves of each fold by the fold's key. A fold without validation subjects has no validation curve.
    """
    figure, axes = start_figure(3.6, 2.5, f"{model}: loss per fold")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.grid(visible=True)
    for label, colour, losses in (
        ("training", FIRST, [history.training_loss for history in curves.values()]),
        ("validation", SECOND, [history.validation_loss for history in curves.values()]),
    ):
        drawn = [loss for loss in losses if loss]
        for loss in drawn:
            axes.plot(range(1, len(loss) + 1), loss, color=colour, alpha=0.25, linewidth=0.8)
        if drawn:
            median = [np.median([value for value in values if value is not None]) for values in zip_longest(*drawn)]
            axes.plot(range(1, len(median) + 1), median, color=colour, linewidth=2, label=f"{label}, median")
    axes.legend()
    return figure


@use_figure_style
def draw_differences(comparisons: Sequence[Comparison], *, narrow: bool = False) -> Figure:
    """Draw differences in UF1 to one baseline with their 95 % intervals.

    Args:
        comparisons: Comparisons with the same baseline, drawn from top to bottom. Those whose interval excludes zero
            are bold.
        narrow: Whether to write the numbers below the names, for a page that is as narrow as a phone.
    """
    size = (3.5, 1.0 + 0.5 * len(comparisons)) if narrow else (6.4, 1.0 + 0.34 * len(comparisons))
    figure, axes = start_figure(*size, "")
    axes.set(xlabel=f"UF1 minus that of {comparisons[0].baseline}")
    axes.grid(visible=True, axis="x")
    axes.axvline(0, color=INK, linewidth=1)
    labels = []
    for row, comparison in enumerate(comparisons):
        colour, width = (FIRST, 3.0) if comparison.tells_apart else (FAINT, 1.6)
        axes.plot(comparison.uf1_interval, [row, row], color=colour, linewidth=width, solid_capstyle="butt")
        axes.plot(comparison.uf1_difference, row, "o", color=colour, markersize=7)
        words = "{:+.3f}  ({:+.3f} to {:+.3f})".format(comparison.uf1_difference, *comparison.uf1_interval)
        words = words.replace("-", "−")
        labels.append((comparison.model, *words.split("  ")))
        if not narrow:
            axes.text(1.02, row, words, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    axes.set_ylim(len(comparisons) - 0.4, -0.6)
    if narrow:
        label_rows(axes, labels)
    else:
        axes.set_yticks(range(len(comparisons)), [comparison.model for comparison in comparisons])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    return figure


@use_figure_style
def draw_subjects(predictions: Predictions) -> Figure:
    """Draw the share of correct predictions for each test subject, averaged over repetitions, lowest share first.

    Args:
        predictions: Predictions of one model.
    """
    names, subject, clips = np.unique(predictions.subjects, return_inverse=True, return_counts=True)
    right = (predictions.predicted == predictions.truth).mean(axis=0)  # (n,)
    share = np.bincount(subject, weights=right) / clips
    order = np.lexsort((names, share))
    figure, axes = start_figure(4.4, 1.0 + 0.21 * len(names), f"{predictions.model}: accuracy per test subject")
    axes.set(xlabel="share of correct predictions", xlim=(0, 1))
    axes.grid(visible=True, axis="x")
    rows = np.arange(len(names))
    axes.barh(rows, share[order], color=FIRST, height=0.62)
    axes.axvline(float(right.mean()), color=SECOND, linewidth=1.4, label=f"all clips {right.mean():.2f}")
    axes.set_yticks(rows, [f"{names[row]} ({clips[row]})" for row in order])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.set_title(axes.get_title(), pad=22)
    return figure


@use_figure_style
def draw_reliability(predictions: Predictions) -> Figure:
    """Draw accuracy against confidence. The area of a dot grows with its number of predictions.

    On the diagonal, accuracy equals confidence. Below it, the model is overconfident.

    Args:
        predictions: Predictions of one model; all repetitions count.
    """
    confidence, right, count = bin_confidence(predictions)
    figure, axes = start_figure(3.3, 3.2, f"{predictions.model}: calibration")
    axes.set(xlabel="confidence", ylabel="share correct", xlim=(0, 1.02), ylim=(-0.03, 1.03), aspect="equal")
    axes.grid(visible=True, axis="both")
    axes.set(xticks=np.linspace(0, 1, 5), yticks=np.linspace(0, 1, 5))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.scatter(confidence, right, s=12 + 260 * count / count.sum(), color=FIRST, alpha=0.75, linewidth=0)
    error = np.abs(confidence - right) @ count / count.sum()
    axes.text(0.98, 0.02, f"ECE {error:.3f}", ha="right", color=FAINT)
    return figure


def bin_confidence(predictions: Predictions) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Sort predictions into the bins of the expected calibration error, and summarise each bin.

    Args:
        predictions: Predictions of one model; all repetitions count.

    Returns:
        Mean confidence `(b,)`, share of correct predictions `(b,)` and number of predictions `(b,)` of the bins that
        are not empty.
    """
    probabilities = predictions.probabilities
    confidence = probabilities.max(axis=-1).ravel()
    right = (probabilities.argmax(axis=-1) == predictions.truth).ravel()
    edges = np.linspace(0, 1, CONFIDENCE_BINS + 1)[1:-1]
    place = np.digitize(confidence, edges, right=True)
    count = np.bincount(place)
    filled = count > 0
    means = [np.bincount(place, weights=values)[filled] / count[filled] for values in (confidence, right)]
    return means[0], means[1], count[filled]
