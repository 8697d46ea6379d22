import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from microfacial.metrics import accuracy, calibration_error, confusion, uar, uf1


@pytest.mark.parametrize("seed", range(5))
def test_pooled_scores_are_those_of_scikit_learn(seed: int) -> None:
    truth, guess = np.random.default_rng(seed).integers(0, 4, (2, 60))
    counts = confusion(truth, guess, 4)
    assert np.array_equal(counts, confusion_matrix(truth, guess, labels=range(4)))
    assert uf1(counts) == pytest.approx(f1_score(truth, guess, average="macro"))
    assert uar(counts) == pytest.approx(recall_score(truth, guess, average="macro"))
    assert accuracy(counts) == pytest.approx((truth == guess).mean())


def test_scores_by_hand() -> None:
    counts = np.array([[3, 1], [2, 4]])
    assert uf1(counts) == pytest.approx((6 / 9 + 8 / 11) / 2)
    assert uar(counts) == pytest.approx((3 / 4 + 4 / 6) / 2)


def test_a_class_that_is_never_predicted_scores_zero_and_counts() -> None:
    assert uf1(np.array([[4, 0], [2, 0]])) == pytest.approx((8 / 10 + 0) / 2)


def test_a_class_without_clips_is_left_out_of_the_mean() -> None:
    assert uar(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])) == pytest.approx((1 / 2 + 1) / 2)


def test_calibration_error_by_hand() -> None:
    """Bins of 1/15: .95 and .96 share the last (one of two right), .62 lies in another (right), .4 is right too."""
    top = np.array([0.95, 0.96, 0.62, 0.4])
    probabilities = np.stack([top, (1 - top) * 0.6, (1 - top) * 0.4], axis=1)
    truth = np.array([0, 1, 0, 0])
    by_hand = (abs((0.95 + 0.96) / 2 - 1 / 2) * 2 + abs(0.62 - 1) + abs(0.4 - 1)) / 4
    assert calibration_error(probabilities, truth) == pytest.approx(by_hand)


def test_calibration_error_is_that_of_bins_closed_above() -> None:
    """Another implementation: one bin after the other, with probabilities that stand on edges."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([1, 1], 400)
    probabilities[:20, 0] = np.linspace(8 / 15, 1, 20)
    probabilities[:20, 1] = 1 - probabilities[:20, 0]
    truth = random.integers(0, 2, 400)
    top, right, total = probabilities.max(1), probabilities.argmax(1) == truth, 0.0
    for number in range(15):
        inside = (top > np.linspace(0, 1, 16)[number]) & (top <= np.linspace(0, 1, 16)[number + 1])
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - top[inside].mean())
    assert calibration_error(probabilities, truth) == pytest.approx(total)


def test_certain_and_right_is_calibrated() -> None:
    assert calibration_error(np.eye(3), np.arange(3)) == 0
