import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from microfacial.evaluation.unit_metrics import binary_f1, count_outcomes, count_pairs, roc_area


def draw(clips: int = 60, groups: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    moves = random.integers(0, 2, clips).astype(float)
    return moves, random.integers(0, 9, clips) / 8, random.integers(0, groups, clips)  # with ties


def test_f1_and_area_are_those_of_scikit_learn() -> None:
    moves, probabilities, group = draw()
    counts = count_outcomes(moves, probabilities, group, 5)
    assert binary_f1(counts.sum(0)) == pytest.approx(f1_score(moves, probabilities >= 0.5))
    assert roc_area(*count_pairs(moves, probabilities, group, 5), np.ones((1, 5)))[0] == pytest.approx(
        roc_auc_score(moves, probabilities)
    )


def test_a_group_that_is_drawn_twice_counts_twice_and_one_that_is_not_drawn_does_not_count() -> None:
    moves, probabilities, group = draw()
    times = np.array([2.0, 0, 1, 1, 3])
    rows = np.repeat(np.arange(len(moves)), times[group].astype(int))
    counts = times @ count_outcomes(moves, probabilities, group, 5)
    assert binary_f1(counts) == pytest.approx(f1_score(moves[rows], probabilities[rows] >= 0.5))
    area = roc_area(*count_pairs(moves, probabilities, group, 5), times[None])[0]
    assert area == pytest.approx(roc_auc_score(moves[rows], probabilities[rows]))


def test_unknown_states_count_neither_as_still_nor_as_moving() -> None:
    moves, probabilities, group = draw()
    known = np.arange(60) % 3 > 0
    masked = np.where(known, moves, np.nan)
    few = moves[known], probabilities[known], group[known], 5
    assert np.array_equal(count_outcomes(masked, probabilities, group, 5), count_outcomes(*few))
    for all_rows, known_rows in zip(count_pairs(masked, probabilities, group, 5), count_pairs(*few), strict=True):
        assert np.array_equal(all_rows, known_rows)


@pytest.mark.parametrize("state", [0.0, 1.0])
def test_without_pairs_there_is_no_area_and_without_movement_no_f1(state: float) -> None:
    moves, probabilities, group = np.full(4, state), np.array([0.1, 0.6, 0.7, 0.2]), np.array([0, 0, 1, 1])
    assert np.isnan(roc_area(*count_pairs(moves, probabilities, group, 2), np.ones((1, 2)))[0])
    expected = pytest.approx(2 * 2 / (4 + 2)) if state else pytest.approx(np.nan, nan_ok=True)
    assert float(binary_f1(count_outcomes(moves, probabilities, group, 2).sum(0))) == expected
