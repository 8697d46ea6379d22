"""Figure of the scores of action units, for runs in MLflow."""

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from microfacial.datasets.action_units import UNIT_NAMES
from microfacial.records import UnitEvaluation
from microfacial.report.figure_style import FAINT, FIRST, INK, SECOND, start_figure, use_figure_style

_NOTE_WIDTH = 64  # characters in a line of the note


@use_figure_style
def draw_unit_scores(evaluation: UnitEvaluation) -> Figure:
    """Draw the F1 of each action unit with its 95 % interval, next to the F1 of predicting the unit in every clip.

    Args:
        evaluation: scores of one model. Its note, if any, stands below. A unit without a score has an empty row.
    """
    figure, axes = start_figure(5.4, 1.2 + 0.24 * len(evaluation.units), f"{evaluation.model}: F1 of action units")
    axes.set(xlabel="\n".join(filter(None, ["F1", fill(evaluation.note, _NOTE_WIDTH)])), xlim=(0, 1))
    axes.grid(visible=True, axis="x")
    for row, score in enumerate(evaluation.units):
        if score.f1_interval is not None:
            axes.plot(score.f1_interval, [row, row], color=FIRST, linewidth=2.4, solid_capstyle="butt")
    scores = np.array([[score.f1, score.f1_of_always] for score in evaluation.units], dtype=np.float64)  # None → NaN
    rows = np.arange(len(scores))
    axes.plot(scores[:, 0], rows, "o", color=FIRST, markersize=6, label="model")
    axes.plot(scores[:, 1], rows, "|", color=SECOND, markersize=11, markeredgewidth=2, label="unit in every clip")
    if evaluation.overall.f1 is not None:
        axes.axvline(evaluation.overall.f1, color=FAINT, linewidth=1.2, label=f"mean {evaluation.overall.f1:.2f}")
    names = [f"AU{score.unit} {UNIT_NAMES[score.unit]} ({score.positives})" for score in evaluation.units]
    axes.set_yticks(rows, names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    axes.set_title(axes.get_title(), pad=22)
    return figure
