"""Figures of the hybrid's weights: its branches, windows and regions, and the attention in its graph."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch

from microfacial.records import FloatArray, Importances
from microfacial.report.face_drawing import REGION_ANCHORS, RegionAnchor, draw_face
from microfacial.report.figure_style import (
    CELL,
    FAINT,
    FIRST,
    PAPER,
    RULE,
    draw_cells,
    label_rows,
    start_figure,
    use_figure_style,
)

_MAX_ARROWS = 12  # more arrows hide one another; the table next to the face has all numbers


@use_figure_style
def draw_region_importances(importances: Importances, *, narrow: bool = False) -> Figure:
    """Draw how the branches of a hybrid share their weight among windows and regions.

    Each cell shows the mean over clips ± the standard deviation, in percent. All cells together are 100 %.
    The parts with constant weights, the whole face and the motion prior, are not shown.

    Args:
        importances: Weights for each test clip.
        narrow: Whether to write sums below the names of rows, for a page that is as narrow as a phone.
    """
    names, shares = list_shares(importances)  # (n, rows, R)
    mean, deviation = shares.mean(axis=0), shares.std(axis=0)
    regions = importances.region_names
    sums = [f"Σ {100 * total:.1f} %" for total in mean.sum(axis=1)]
    if narrow:
        figure, axes = start_figure(1.2 + 0.54 * len(regions), 1.15 + 0.56 * len(names), "shares of branches")
    else:
        figure, axes = start_figure(2.3 + 0.72 * len(regions), 1.15 + 0.5 * len(names), "hybrid: shares of branches")
    words = [
        [f"{100 * share:.1f}\n±{100 * spread:.1f}" for share, spread in zip(*row, strict=True)]
        for row in zip(mean, deviation, strict=True)
    ]
    draw_cells(axes, mean / mean.max(), words, names, regions, text_px=8)
    if narrow:
        label_rows(axes, [(*name.split(", "), total) for name, total in zip(names, sums, strict=True)])
    else:
        for row, total in enumerate(sums):
            axes.text(len(regions) - 0.4, row, total, va="center", color=FAINT, fontsize=8)
        axes.set_xlim(-0.5, len(regions) + 0.35)
    return figure


def list_shares(importances: Importances) -> tuple[list[str], FloatArray]:
    """List the weight of every branch and window, divided among regions.

    Args:
        importances: Weights for each test clip.

    Returns:
        Names of the rows, such as "transformer, onset→rise", and the shares `(n, rows, R)`, which sum to 1 for each
        clip. A branch that the model lacks and a window that it does not use have no row.
    """
    graph, transformer = importances.fusion.T[..., None]  # (n, 1) each
    rows = [("graph, onset→apex", graph * importances.graph_regions)]
    rows += [
        (f"transformer, {name.replace('>', '→')}", transformer * window[:, None] * importances.transformer_regions)
        for name, window in zip(importances.window_names, importances.windows.T, strict=True)
    ]
    used = [(name, shares) for name, shares in rows if shares.any()]
    return [name for name, _ in used], np.stack([shares for _, shares in used], axis=1)


@use_figure_style
def draw_attention(importances: Importances, *, narrow: bool = False) -> Figure:
    """Draw the attention in the hybrid's graph, on a drawn face and as numbers in percent.

    An arrow leads from the attention source to the target. It is wider than normal if the target takes more than an
    equal share from the source, and thinner if it takes less. Only the twelve strongest arrows are drawn. Without a
    graph, the face has no arrows.

    Args:
        importances: Weights for each test clip; the figure shows their mean.
        narrow: Whether to draw the numbers below the face, for a page that is as narrow as a phone.
    """
    attention, names = importances.attention.mean(axis=0), importances.region_names  # (R, R)
    figure = Figure(figsize=(3.5, 6.6) if narrow else (6.6, 3.5), layout="constrained")
    if narrow:
        face, table = figure.subplots(2, 1, height_ratios=(1.1, 1))
    else:
        face, table = figure.subplots(1, 2, width_ratios=(1.2, 1))
    anchors = [REGION_ANCHORS[name] for name in names]
    face.set(xlim=(0, 1.2), ylim=(1.02, 0.02), aspect="equal")
    face.set_axis_off()
    draw_face(face, FAINT)
    _draw_patches(face, anchors)
    _draw_arrows(face, anchors, attention)
    for anchor, name in zip(anchors, names, strict=True):
        ground = {"facecolor": PAPER, "edgecolor": RULE, "boxstyle": "round,pad=0.25"}
        face.text(*anchor.node, name.replace(" ", "\n"), ha="center", va="center", fontsize=8, bbox=ground, zorder=5)
    table.set_title("attention in percent")
    table.set(ylabel="target", xlabel="source")
    words = [[f"{100 * share:.0f}" for share in row] for row in attention]
    draw_cells(table, np.minimum(attention * len(names) / 2, 1), words, names, names, text_px=8)
    return figure


def _draw_patches(axes: Axes, anchors: Sequence[RegionAnchor]) -> None:
    for anchor in anchors:
        for centre in anchor.centres:
            size = (2 * anchor.half_size[0], 2 * anchor.half_size[1])
            axes.add_patch(Ellipse(centre, *size, facecolor=CELL, alpha=0.25, edgecolor="none"))


def _draw_arrows(axes: Axes, anchors: Sequence[RegionAnchor], attention: FloatArray) -> None:
    """Draw the strongest arrows between different regions; the width grows with the ratio to an equal share."""
    equal = 1 / len(anchors)
    between = np.where(np.eye(len(anchors), dtype=bool), 0, attention)
    strongest = np.argsort(-between, axis=None, kind="stable")[:_MAX_ARROWS]
    for target, source in zip(*np.unravel_index(strongest, attention.shape), strict=True):
        share = between[target, source]
        if share > 0:
            width = float(np.clip(1.1 * (share / equal) ** 2, 0.2, 4))
            axes.add_patch(
                FancyArrowPatch(
                    anchors[source].node,
                    anchors[target].node,
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
