import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from microfacial.metrics import accuracy, confusion, uar, uf1


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
