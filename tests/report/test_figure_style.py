import re
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from fake_results import make_comparison, make_evaluation, make_importances, make_repeated_predictions
from microfacial.records import History
from microfacial.report.figure_style import as_png, draw_cells, start_figure
from microfacial.report.figures import draw_confusion, draw_curves, draw_differences, draw_reliability, draw_subjects
from microfacial.report.hybrid_figures import draw_attention, draw_region_importances

pytestmark = pytest.mark.figures

FIGURES: dict[str, Callable[[], Figure]] = {
    "confusion": lambda: draw_confusion(make_evaluation("m")),
    "curves": lambda: draw_curves("m", {"a#0": History(training_loss=(1.0, 0.5, 0.25))}),
    "subjects": lambda: draw_subjects(make_repeated_predictions()),
    "reliability": lambda: draw_reliability(make_repeated_predictions()),
    "importances": lambda: draw_region_importances(make_importances()),
    "attention": lambda: draw_attention(make_importances()),
    "narrow importances": lambda: draw_region_importances(make_importances(), narrow=True),
    "narrow attention": lambda: draw_attention(make_importances(), narrow=True),
    "narrow differences": lambda: draw_differences([make_comparison("m", 0.1, 0.05, 0.2)], narrow=True),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_equal_figures_have_equal_bytes_under_any_matplotlibrc(draw: Callable[[], Figure]) -> None:
    first = as_png(draw())
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 30, "savefig.bbox": "tight"}):
        assert as_png(draw()) == first


def test_narrow_figures_fit_a_phone_and_have_the_same_numbers() -> None:
    comparison, importances = make_comparison("hybrid", 0.1, 0.05, 0.2), make_importances()
    for wide, narrow in (
        (draw_region_importances(importances), draw_region_importances(importances, narrow=True)),
        (draw_attention(importances), draw_attention(importances, narrow=True)),
        (draw_differences([comparison]), draw_differences([comparison], narrow=True)),
    ):
        assert narrow.get_figwidth() <= 3.5
        words = [
            " ".join(text.get_text() for axes in figure.axes for text in [*axes.texts, *axes.get_yticklabels()])
            for figure in (wide, narrow)
        ]
        assert sorted(re.findall(r"[\d.]+", words[0])) == sorted(re.findall(r"[\d.]+", words[1]))


def test_more_than_three_columns_have_slanted_names() -> None:
    for count, rotation in ((3, 0), (4, 30)):
        _, axes = start_figure(3, 3, "")
        draw_cells(axes, np.zeros((1, count)), [["x"] * count], ["row"], ["column"] * count)
        assert {label.get_rotation() for label in axes.get_xticklabels()} == {rotation}
