import numpy as np
import pytest

from fake_results import make_comparison, make_evaluation, make_repeated_predictions
from microfacial.metrics import calibration_error
from microfacial.records import SYNTHETIC, History
from microfacial.report.figures import bin_confidence, draw_confusion, draw_curves, draw_differences, draw_subjects

CURVES = {"a#0": History(training_loss=(1.0, 0.5, 0.25)), "b#0": History(training_loss=(3.0, 1.5))}


def test_the_median_curve_goes_on_when_a_fold_stops_early_and_needs_no_validation() -> None:
    lines = {line.get_label(): line for line in draw_curves("m", CURVES).axes[0].get_lines()}
    assert np.array_equal(lines["training, median"].get_ydata(), [2.0, 1.0, 0.25])  # the second fold has two epochs
    assert "validation, median" not in lines


def test_the_subject_with_the_lowest_share_comes_first() -> None:
    axes = draw_subjects(make_repeated_predictions()).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["s/b (2)", "s/a (8)"]
    assert [bar.get_width() for bar in axes.containers[0]] == [0.0, 0.5]


def test_the_drawn_calibration_equals_the_calibration_error_of_the_scores() -> None:
    predictions = make_repeated_predictions()
    confidence, right, count = bin_confidence(predictions)
    drawn = float(np.abs(confidence - right) @ count / count.sum())
    truth = np.tile(predictions.truth, 3)
    assert drawn == pytest.approx(calibration_error(predictions.probabilities.reshape(-1, 2), truth))


def test_the_confusion_matrix_of_demo_scores_is_marked_synthetic() -> None:
    axes = draw_confusion(make_evaluation("m", note=SYNTHETIC)).axes[0]
    assert SYNTHETIC in [text.get_text() for text in axes.texts]


def test_only_differences_whose_interval_excludes_zero_are_bold() -> None:
    comparisons = [make_comparison("a", 0.1, 0.05, 0.2), make_comparison("b", 0.1, -0.05, 0.2)]
    axes = draw_differences(comparisons).axes[0]
    intervals = [line for line in axes.get_lines() if line.get_linewidth() in (3.0, 1.6)]
    assert [line.get_linewidth() for line in intervals] == [3.0, 1.6]
    assert axes.texts[0].get_text() == "+0.100  (+0.050 to +0.200)"
