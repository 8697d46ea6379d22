"""Figures, drawn without a display, the same every time and whatever a user's matplotlibrc says.

They stand in MLflow as PNG and on the report's page as SVG, where `as_svg` turns each of `COLOURS` into a variable of
the page's style sheet, so that one drawing serves light and dark paper.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, Rectangle
from numpy.typing import NDArray

from microfacial.records import Comparison, Evaluation, History, Importances, Predictions
from microfacial.report.face_drawing import PLACES, RegionAnchor, draw_face

INK, FAINT, RULE, PAPER = "#1b2430", "#5a6675", "#d4dae2", "#fffffe"
FIRST, SECOND, CELL = "#1f66b5", "#b4530a", "#3b82d1"  # two series, and the tint of a table's cells
COLOURS: Mapping[str, str] = MappingProxyType(
    {INK: "ink", FAINT: "faint", RULE: "rule", PAPER: "paper", FIRST: "first", SECOND: "second", CELL: "cell"}
)
FONT = "DejaVu Sans"  # comes with matplotlib
_STYLE: list[Any] = [
    "default",
    {
        "font.family": FONT,
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": FAINT,
        "axes.titlecolor": INK,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.facecolor": "none",
        "figure.facecolor": PAPER,
        "grid.color": RULE,
        "legend.frameon": False,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "text.parse_math": False,  # a dollar in a name is a dollar
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "microfacial",  # ids are the same every time
    },
]
_DEEPEST = 0.72  # of a cell's tint, so that ink can be read on it
_MOST_ARROWS = 12  # more hide one another; the table beside has all
_CONFIDENCE_BINS = 15  # as `metrics.calibration_error` has
styled = style.context(_STYLE)


@styled
def draw_confusion(evaluation: Evaluation) -> Figure:
    """Confusion matrix in counts, summed over repetitions, shaded by recall."""
    counts = np.array(evaluation.overall.confusion)
    recall = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _start(3.6, 3.2, evaluation.model)
    axes.set(xlabel="predicted", ylabel="truth")
    if evaluation.note:
        axes.set_title(axes.get_title(), pad=18)
        axes.text(0.5, 1.03, evaluation.note, transform=axes.transAxes, ha="center", color=SECOND, fontsize=8)
    words = [[f"{count}" for count in row] for row in counts]
    _draw_cells(axes, recall, words, evaluation.classes, evaluation.classes)
    return figure


@styled
def draw_curves(model: str, curves: Mapping[str, History]) -> Figure:
    """Training and validation loss of every fold, thin, with their median, bold. Held-out subjects have no curve."""
    figure, axes = _start(3.6, 2.5, f"{model}: loss per fold")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.grid(visible=True)
    for label, colour, losses in (
        ("training", FIRST, [history.training_loss for history in curves.values()]),
        ("validation", SECOND, [history.validation_loss for history in curves.values()]),
    ):
        drawn = [loss for loss in losses if loss]  # nothing may have been held back to validate on
        for loss in drawn:
            axes.plot(range(1, len(loss) + 1), loss, color=colour, alpha=0.25, linewidth=0.8)
        if drawn:
            median = [np.median([value for value in values if value is not None]) for values in zip_longest(*drawn)]
            axes.plot(range(1, len(median) + 1), median, color=colour, linewidth=2, label=f"{label}, median")
    axes.legend()
    return figure


@styled
def draw_differences(comparisons: Sequence[Comparison]) -> Figure:
    """Differences in UF1 to one baseline with their intervals, in the order given; bold where told from zero."""
    figure, axes = _start(6.4, 1.0 + 0.34 * len(comparisons), "")
    axes.set(xlabel=f"UF1 minus that of {comparisons[0].baseline}")
    axes.grid(visible=True, axis="x")
    axes.axvline(0, color=INK, linewidth=1)
    for row, found in enumerate(comparisons):
        colour, width = (FIRST, 3.0) if found.tells_apart else (FAINT, 1.6)
        axes.plot(found.uf1_interval, [row, row], color=colour, linewidth=width, solid_capstyle="butt")
        axes.plot(found.uf1_difference, row, "o", color=colour, markersize=7)
        words = "{:+.3f}  ({:+.3f} to {:+.3f})".format(found.uf1_difference, *found.uf1_interval).replace("-", "−")
        axes.text(1.02, row, words, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    axes.set_yticks(range(len(comparisons)), [found.model for found in comparisons])
    axes.set_ylim(len(comparisons) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    return figure


@styled
def draw_subjects(predictions: Predictions) -> Figure:
    """Share of clips that are right for each held-out subject, averaged over repetitions, the lowest first."""
    names, subject, clips = np.unique(predictions.subjects, return_inverse=True, return_counts=True)
    right = (predictions.predicted == predictions.truth).mean(axis=0)  # (n,)
    share = np.bincount(subject, weights=right) / clips
    order = np.lexsort((names, share))
    figure, axes = _start(4.4, 1.0 + 0.21 * len(names), f"{predictions.model}: right per held-out subject")
    axes.set(xlabel="share of clips that are right", xlim=(0, 1))
    axes.grid(visible=True, axis="x")
    rows = np.arange(len(names))
    axes.barh(rows, share[order], color=FIRST, height=0.62)
    axes.axvline(float(right.mean()), color=SECOND, linewidth=1.4, label=f"all clips {right.mean():.2f}")
    axes.set_yticks(rows, [f"{names[row]} ({clips[row]})" for row in order])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.set_title(axes.get_title(), pad=22)
    return figure


@styled
def draw_reliability(predictions: Predictions) -> Figure:
    """How often predictions are right, by how sure the model was; areas of dots are numbers of predictions.

    On the diagonal a model is as often right as it is sure; below it, it is too sure.
    """
    confidence, right, count = bin_confidence(predictions)
    figure, axes = _start(3.3, 3.2, f"{predictions.model}: calibration")
    axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1.02), ylim=(-0.03, 1.03), aspect="equal")
    axes.grid(visible=True, axis="both")
    axes.set(xticks=np.linspace(0, 1, 5), yticks=np.linspace(0, 1, 5))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    axes.scatter(confidence, right, s=12 + 260 * count / count.sum(), color=FIRST, alpha=0.75, linewidth=0)
    error = np.abs(confidence - right) @ count / count.sum()
    axes.text(0.98, 0.02, f"ECE {error:.3f}", ha="right", color=FAINT)
    return figure


def bin_confidence(
    predictions: Predictions,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean confidence, share that is right and number of predictions, `(b,)` each, of the bins that have some.

    Bins are those of the expected calibration error.
    """
    chances = predictions.probabilities
    confidence = chances.max(axis=-1).ravel()
    right = (chances.argmax(axis=-1) == predictions.truth).ravel()
    edges = np.linspace(0, 1, _CONFIDENCE_BINS + 1)[1:-1]
    place = np.digitize(confidence, edges, right=True)
    count = np.bincount(place)
    filled = count > 0
    means = [np.bincount(place, weights=values)[filled] / count[filled] for values in (confidence, right)]
    return means[0], means[1], count[filled]


@styled
def draw_region_importances(importances: Importances) -> Figure:
    """How a hybrid's weight is shared among branches, windows and regions: means over clips ± deviation, in percent.

    All cells together are 100 %.
    """
    names, shares = list_shares(importances)  # (n, rows, R)
    mean, deviation = shares.mean(axis=0), shares.std(axis=0)
    regions = importances.region_names
    figure, axes = _start(2.3 + 0.72 * len(regions), 1.15 + 0.5 * len(names), "hybrid: where its weight goes")
    words = [
        [f"{100 * share:.1f}\n±{100 * spread:.1f}" for share, spread in zip(*row, strict=True)]
        for row in zip(mean, deviation, strict=True)
    ]
    _draw_cells(axes, mean / mean.max(), words, names, regions, text_px=8)
    for row, total in enumerate(mean.sum(axis=1)):
        axes.text(len(regions) - 0.4, row, f"Σ {100 * total:.1f} %", va="center", color=FAINT, fontsize=8)
    axes.set_xlim(-0.5, len(regions) + 0.35)
    return figure


def list_shares(importances: Importances) -> tuple[list[str], NDArray[np.float64]]:
    """Names of rows, branch and window, and the shares of each clip, `(n, rows, R)`: they sum to 1 a clip.

    A branch that is not there and a window that it does not see have no row.
    """
    graph, transformer = importances.fusion.T[..., None]  # (n, 1) each
    rows = [("graph, onset→apex", graph * importances.graph_regions)]
    rows += [
        (f"transformer, {name.replace('>', '→')}", transformer * window[:, None] * importances.transformer_regions)
        for name, window in zip(importances.window_names, importances.windows.T, strict=True)
    ]
    seen = [(name, shares) for name, shares in rows if shares.any()]
    return [name for name, _ in seen], np.stack([shares for _, shares in seen], axis=1)


@styled
def draw_attention(importances: Importances) -> Figure:
    """What regions took from one another in the hybrid's graph, on a drawn face and as numbers in percent.

    An arrow leads from the region that gave to the one that took, wider for more than an equal share and thinner for
    less; of many the twelve strongest are drawn. Without a graph the face is bare.
    """
    taken, names = importances.attention.mean(axis=0), importances.region_names  # (R, R)
    figure = Figure(figsize=(6.6, 3.5), layout="constrained")
    face, table = figure.subplots(1, 2, width_ratios=(1.2, 1))
    places = [PLACES[name] for name in names]
    face.set(xlim=(0, 1.2), ylim=(1.02, 0.02), aspect="equal")
    face.set_axis_off()
    draw_face(face, FAINT)
    _draw_regions(face, places)
    _draw_arrows(face, places, taken)
    for place, name in zip(places, names, strict=True):
        ground = {"facecolor": PAPER, "edgecolor": RULE, "boxstyle": "round,pad=0.25"}
        face.text(*place.node, name.replace(" ", "\n"), ha="center", va="center", fontsize=8, bbox=ground, zorder=5)
    table.set_title("percent taken from each")
    table.set(ylabel="taker", xlabel="giver")
    words = [[f"{100 * share:.0f}" for share in row] for row in taken]
    _draw_cells(table, np.minimum(taken * len(names) / 2, 1), words, names, names, text_px=8)
    return figure


def _draw_regions(axes: Axes, places: Sequence[RegionAnchor]) -> None:
    for place in places:
        for middle in place.middles:
            size = (2 * place.reach[0], 2 * place.reach[1])
            axes.add_patch(Ellipse(middle, *size, facecolor=CELL, alpha=0.25, edgecolor="none"))


def _draw_arrows(axes: Axes, places: Sequence[RegionAnchor], taken: NDArray[np.float64]) -> None:
    """The strongest arrows between different regions; widths grow with the difference from an equal share."""
    equal = 1 / len(places)
    between = np.where(np.eye(len(places), dtype=bool), 0, taken)
    strongest = np.argsort(-between, axis=None, kind="stable")[:_MOST_ARROWS]
    for taker, giver in zip(*np.unravel_index(strongest, taken.shape), strict=True):
        share = between[taker, giver]
        if share > 0:
            width = float(np.clip(1.1 * (share / equal) ** 2, 0.2, 4))
            axes.add_patch(
                FancyArrowPatch(
                    places[giver].node,
                    places[taker].node,
                    connectionstyle="arc3,rad=0.3",
                    arrowstyle="-|>,head_length=0.35,head_width=0.18",
                    mutation_scale=9 + width,
                    shrinkA=11,
                    shrinkB=12,
                    linewidth=width,
                    color=FIRST if share >= equal else FAINT,
                    alpha=0.9,
                )
            )


def _start(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """A figure of a size in inches with one empty axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot(title=title)


def _draw_cells(
    axes: Axes,
    depth: NDArray[np.float64],
    words: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    text_px: float = 9,
) -> None:
    """A table with names, each cell tinted by its depth of 0 to 1."""
    for (row, column), share in np.ndenumerate(depth):
        axes.add_patch(
            Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=CELL, alpha=_DEEPEST * share, linewidth=0)
        )
        axes.text(column, row, words[row][column], ha="center", va="center", fontsize=text_px)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    turn: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if len(columns) > 3 else {}
    axes.set_xticks(range(len(columns)), columns, **turn)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)


@styled
def as_png(figure: Figure) -> bytes:
    """PNG bytes without date or version, so that equal figures are equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
