from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from microfacial.metrics import calibration_error
from microfacial.models.inputs import WHOLE_FACE
from microfacial.preprocessing.regions import FACE_SCHEMES, MAP_SCHEMES
from microfacial.records import Evaluation, History, Importances, Predictions, Score
from microfacial.report.face_drawing import PLACES
from microfacial.report.figures import (
    as_png,
    bin_confidence,
    draw_attention,
    draw_confusion,
    draw_curves,
    draw_region_importances,
    draw_reliability,
    draw_subjects,
    list_shares,
)

SCORE = Score(confusion=((3, 1), (2, 4)), uf1=0.7, uar=0.7, accuracy=0.7, clips=10, subjects=2)
SCORES = Evaluation(
    model="m",
    protocol="loso",
    repeats=1,
    classes=("happiness", "disgust"),
    overall=SCORE,
    corpora={"casme2": SCORE},
    uf1_interval=(0.1, 0.2),
    uar_interval=(0.6, 0.8),
    uf1_sd=0.0,
    uar_sd=0.0,
    ece=0.1,
    mean_over_folds_uf1=0.4,
    mean_over_folds_uar=0.5,
    mean_over_folds_accuracy=0.6,
    note="",
)
CURVES = {"a#0": History(training_loss=(1.0, 0.5, 0.25)), "b#0": History(training_loss=(3.0, 1.5))}


def predictions() -> Predictions:
    """Three repetitions; subject b has every clip wrong, and every other one of a's eight is right."""
    truth = np.array([0, 1] * 4 + [1, 1], np.int64)
    predicted = np.tile(np.array([0, 0] * 4 + [0, 0], np.int64), (3, 1))
    sure = np.random.default_rng(0).uniform(0.5, 1, (3, 10))
    return Predictions(
        model="m",
        protocol="loso",
        classes=("x", "y"),
        clips=np.array([f"c{row}" for row in range(10)]),
        subjects=np.array(["s/a"] * 8 + ["s/b"] * 2),
        truth=truth,
        predicted=predicted,
        probabilities=np.stack([sure, 1 - sure], axis=-1),
    )


def importances(graph: float = 0.25, regions: tuple[str, ...] = ("eyes", "mouth")) -> Importances:
    """Two clips and two windows, of which the transformer sees the second alone."""
    share = np.full((2, len(regions)), 1 / len(regions))
    return Importances(
        clips=np.array(["c1", "c2"]),
        region_names=regions,
        window_names=("onset>apex", "apex>offset"),
        fusion=np.tile([graph, 1 - graph], (2, 1)),
        graph_regions=share if graph else 0 * share,
        transformer_regions=share if graph < 1 else 0 * share,
        windows=np.tile([0.0, 1.0 if graph < 1 else 0.0], (2, 1)),
        attention=np.stack([share] * len(regions), axis=1) if graph else np.zeros((2, len(regions), len(regions))),
    )


FIGURES: dict[str, Callable[[], Figure]] = {
    "confusion": lambda: draw_confusion(SCORES),
    "curves": lambda: draw_curves("m", CURVES),
    "subjects": lambda: draw_subjects(predictions()),
    "reliability": lambda: draw_reliability(predictions()),
    "importances": lambda: draw_region_importances(importances()),
    "attention": lambda: draw_attention(importances()),
}


def words(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_equal_figures_are_equal_bytes_whatever_the_user_has_set(draw: Callable[[], Figure]) -> None:
    first = as_png(draw())
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 30, "savefig.bbox": "tight"}):
        assert as_png(draw()) == first


def test_curves_are_drawn_where_nothing_was_held_back() -> None:
    lines = {line.get_label(): line for line in draw_curves("m", CURVES).axes[0].get_lines()}
    assert np.array_equal(lines["training, median"].get_ydata(), [2.0, 1.0, 0.25])  # one fold stopped earlier
    assert "validation, median" not in lines


def test_the_subject_with_the_lowest_share_comes_first() -> None:
    axes = draw_subjects(predictions()).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["s/b (2)", "s/a (8)"]
    assert [bar.get_width() for bar in axes.containers[0]] == [0.0, 0.5]


def test_the_calibration_drawn_is_the_one_that_is_scored() -> None:
    found = predictions()
    confidence, right, count = bin_confidence(found)
    drawn = float(np.abs(confidence - right) @ count / count.sum())
    truth = np.tile(found.truth, 3)
    assert drawn == pytest.approx(calibration_error(found.probabilities.reshape(-1, 2), truth))


def test_shares_of_branches_windows_and_regions_sum_to_one_a_clip() -> None:
    names, shares = list_shares(importances())
    assert names == ["graph, onset→apex", "transformer, apex→offset"]
    assert np.allclose(shares, [[[0.125, 0.125], [0.375, 0.375]]] * 2)
    assert words(draw_region_importances(importances()))[0] == "12.5\n±0.0"


@pytest.mark.parametrize(("graph", "rows"), [(0.0, ["transformer, apex→offset"]), (1.0, ["graph, onset→apex"])])
def test_a_missing_branch_has_no_row_and_draws_no_arrow(graph: float, rows: list[str]) -> None:
    assert list_shares(importances(graph))[0] == rows
    arrows = [patch for patch in draw_attention(importances(graph)).axes[0].patches if "Arrow" in type(patch).__name__]
    assert len(arrows) == (2 if graph else 0)


@pytest.mark.parametrize("regions", [*FACE_SCHEMES.values(), *MAP_SCHEMES.values()])
def test_every_region_has_its_place_on_the_drawn_face(regions: dict[str, object]) -> None:
    names = (*regions, WHOLE_FACE)
    assert set(names) <= PLACES.keys()
    assert set(names) <= {text.replace("\n", " ") for text in words(draw_attention(importances(regions=names)))}
