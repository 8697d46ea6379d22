import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from microfacial.metrics import accuracy, calibration_error, confusion, f1_by_class, recall_by_class, uar, uf1


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_those_of_scikit_learn(seed: int) -> None:
    truth, predicted = np.random.default_rng(seed).integers(0, 4, (2, 60))
    counts = confusion(truth, predicted, 4)
    assert np.array_equal(counts, confusion_matrix(truth, predicted, labels=range(4)))
    assert uf1(counts) == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert uar(counts) == pytest.approx(recall_score(truth, predicted, average="macro"))
    assert accuracy(counts) == pytest.approx((truth == predicted).mean())
    assert f1_by_class(counts) == pytest.approx(f1_score(truth, predicted, average=None))
    assert recall_by_class(counts) == pytest.approx(recall_score(truth, predicted, average=None))


def test_scores_of_classes_have_the_means_uf1_and_uar_and_none_for_a_class_without_clips() -> None:
    counts = np.array([[[3, 1, 0], [2, 4, 1], [0, 0, 0]], [[0, 4, 0], [0, 7, 0], [0, 0, 0]]])
    f1, recall = f1_by_class(counts), recall_by_class(counts)
    assert f1[0] == pytest.approx([6 / 9, 8 / 12, np.nan], nan_ok=True)
    assert recall[1] == pytest.approx([0, 1, np.nan], nan_ok=True)
    assert np.nanmean(f1, axis=1) == pytest.approx(uf1(counts))
    assert np.nanmean(recall, axis=1) == pytest.approx(uar(counts))


def test_scores_equal_a_hand_computation() -> None:
    counts = np.array([[3, 1], [2, 4]])
    assert uf1(counts) == pytest.approx((6 / 9 + 8 / 11) / 2)
    assert uar(counts) == pytest.approx((3 / 4 + 4 / 6) / 2)


def test_a_class_that_is_never_predicted_counts_with_a_score_of_zero() -> None:
    assert uf1(np.array([[4, 0], [2, 0]])) == pytest.approx((8 / 10 + 0) / 2)


def test_a_class_without_clips_is_left_out_of_the_mean() -> None:
    assert uar(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])) == pytest.approx((1 / 2 + 1) / 2)


def test_calibration_error_equals_a_hand_computation() -> None:
    """Bins are 1/15 wide. 0.95 and 0.96 share the last one; one is correct. 0.62 and 0.4 are correct in other bins."""
    top = np.array([0.95, 0.96, 0.62, 0.4])
    probabilities = np.stack([top, (1 - top) * 0.6, (1 - top) * 0.4], axis=1)
    truth = np.array([0, 1, 0, 0])
    by_hand = (abs((0.95 + 0.96) / 2 - 1 / 2) * 2 + abs(0.62 - 1) + abs(0.4 - 1)) / 4
    assert calibration_error(probabilities, truth) == pytest.approx(by_hand)


def test_calibration_error_equals_another_implementation_with_upper_edges_included() -> None:
    """The other implementation adds up bin by bin. Some probabilities lie on the edges of bins."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([1, 1], 400)
    probabilities[:20, 0] = np.linspace(8 / 15, 1, 20)
    probabilities[:20, 1] = 1 - probabilities[:20, 0]
    truth = random.integers(0, 2, 400)
    top, correct, total = probabilities.max(1), probabilities.argmax(1) == truth, 0.0
    for number in range(15):
        inside = (top > np.linspace(0, 1, 16)[number]) & (top <= np.linspace(0, 1, 16)[number + 1])
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - top[inside].mean())
    assert calibration_error(probabilities, truth) == pytest.approx(total)


def test_correct_predictions_with_full_confidence_have_no_calibration_error() -> None:
    assert calibration_error(np.eye(3), np.arange(3)) == 0
