import numpy as np
import pytest

from microfacial.metrics import uf1
from microfacial.statistics import bootstrap_intervals


def test_equal_subjects_leave_no_uncertainty() -> None:
    per_subject = np.tile(np.array([[2, 1], [0, 3]]), (5, 1, 1))
    (low, high), _ = bootstrap_intervals(per_subject, 200, 0)
    assert low == high == pytest.approx(float(uf1(per_subject.sum(0))))


def test_whole_subjects_are_drawn_not_clips() -> None:
    """Of two subjects, one all right and one all wrong, UAR can only be 0, ½ or 1 if both clips of each go together."""
    right, wrong = np.array([[5, 0], [0, 5]]), np.array([[0, 5], [5, 0]])
    _, (low, high) = bootstrap_intervals(np.stack([right, wrong]), 500, 0)
    assert (low, high) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    per_subject = np.random.default_rng(0).integers(1, 5, (8, 3, 3))
    assert bootstrap_intervals(per_subject, 300, 7) == bootstrap_intervals(per_subject, 300, 7)
    assert bootstrap_intervals(per_subject, 300, 7) != bootstrap_intervals(per_subject, 300, 8)
