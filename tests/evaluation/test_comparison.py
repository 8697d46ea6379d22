from dataclasses import replace

import pytest

from microfacial.evaluation.comparison import describe_difference
from microfacial.records import Comparison, UnitComparison

BETTER = Comparison(
    model="roi_cnn",
    baseline="majority",
    uf1_difference=0.2,
    uf1_interval=(0.1, 0.3),
    uar_difference=0.1,
    uar_interval=(-0.1, 0.3),
    only_model=9,
    only_baseline=2,
    mcnemar_p=0.07,
    subjects=12,
)


@pytest.mark.parametrize(
    ("comparison", "claim"),
    [
        (BETTER, "roi_cnn is better than majority"),
        (replace(BETTER, uf1_difference=-0.2, uf1_interval=(-0.3, -0.1)), "roi_cnn is worse than majority"),
    ],
)
def test_a_clear_difference_is_claimed_with_its_sign(comparison: Comparison, claim: str) -> None:
    assert describe_difference(comparison).startswith(claim)


@pytest.mark.parametrize(
    "comparison", [replace(BETTER, uf1_interval=(-0.01, 0.3)), replace(BETTER, subjects=1)], ids=["zero", "one subject"]
)
def test_an_unclear_difference_is_not_claimed(comparison: Comparison) -> None:
    text = describe_difference(comparison)
    assert "cannot be told from zero" in text
    assert str(comparison.subjects) in text


def test_models_of_clips_in_which_no_unit_moves_are_not_compared() -> None:
    comparison = UnitComparison(
        model="mlp",
        baseline="linear_svm",
        f1_difference=None,
        f1_interval=None,
        roc_difference=None,
        roc_interval=None,
        subjects=40,
    )
    assert "Nothing to compare" in describe_difference(comparison)
