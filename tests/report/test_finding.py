from dataclasses import replace

import pytest

from fake_results import make_comparison, make_result
from microfacial.report.finding import state_finding
from microfacial.report.results import ModelResult


def make_compared(model: str, difference: float, low: float, high: float) -> ModelResult:
    return replace(make_result(model, 0.5 + difference), against_best=make_comparison(model, difference, low, high))


SVM = make_result("linear_svm", 0.5)
ALIKE, ALSO_ALIKE = make_compared("a", 0.05, -0.1, 0.2), make_compared("b", -0.01, -0.2, 0.2)
BETTER, WORSE = make_compared("c", 0.2, 0.1, 0.3), make_compared("d", -0.3, -0.4, -0.2)


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ([SVM, ALIKE, ALSO_ALIKE], "No network can be told apart from the best simple model, linear_svm, by UF1."),
        ([SVM, WORSE], "No network is as good as the best simple model, linear_svm, by UF1."),
        (
            [SVM, ALIKE, WORSE],
            "No network is shown to be better than the best simple model, linear_svm, by UF1; "
            "one network cannot be told apart from it, and d is worse.",
        ),
        (
            [SVM, ALIKE, BETTER, ALSO_ALIKE, WORSE],
            "By uncorrected 95 % intervals, c (+0.200) is better than the best simple model, linear_svm, in UF1: one "
            "of four intervals lies above zero; two networks cannot be told apart from it, and d is worse.",
        ),
        (
            [SVM, BETTER, make_compared("e", 0.1, 0.05, 0.3)],
            "By uncorrected 95 % intervals, c (+0.200), e (+0.100) are better than the best simple model, linear_svm, "
            "in UF1: two of two intervals lie above zero.",
        ),
        (
            [SVM, BETTER],
            "By its 95 % interval, c (+0.200) is better than the best simple model, linear_svm, in UF1.",
        ),
        (
            [make_result("m", 0.5)],
            "m has the highest UF1, 0.500; nothing is compared, because there is no network or no simple model.",
        ),
    ],
)
def test_the_finding_is_one_sentence_that_claims_no_more_than_the_intervals_allow(
    results: list[ModelResult], sentence: str
) -> None:
    assert state_finding(results) == sentence


def test_one_test_subject_is_not_enough_to_tell_models_apart() -> None:
    comparison = BETTER.against_best
    assert comparison
    one_subject = replace(BETTER, against_best=replace(comparison, subjects=1))
    assert state_finding([SVM, one_subject]).startswith("No network can be told apart")


def test_a_difference_between_simple_models_is_not_a_finding() -> None:
    assert "majority" not in state_finding([SVM, ALIKE, make_compared("majority", -0.3, -0.4, -0.2)])
