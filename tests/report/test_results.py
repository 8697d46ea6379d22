from dataclasses import replace

import pytest
from pydantic import ValidationError

from fake_results import make_comparison, make_evaluation, make_result
from microfacial.report.results import ReportConfig, Result, best_simple, rank, say_what_was_found, summarise


def compared(model: str, difference: float, low: float, high: float) -> Result:
    return replace(make_result(model, 0.5 + difference), against_best=make_comparison(model, difference, low, high))


SVM = make_result("linear_svm", 0.5)
ALIKE, ALSO_ALIKE = compared("a", 0.05, -0.1, 0.2), compared("b", -0.01, -0.2, 0.2)
BETTER, WORSE = compared("c", 0.2, 0.1, 0.3), compared("d", -0.3, -0.4, -0.2)


def test_metrics_are_rounded_to_four_digits_best_first() -> None:
    metrics = summarise([make_result("a"), make_result("b", 0.5)])
    assert list(metrics["models"]) == ["b", "a"]
    assert metrics["models"]["a"]["uf1"] == 0.1235
    assert metrics["note"] == ""


def test_ties_are_ordered_by_name() -> None:
    assert [one.model for one in rank([make_result("b"), make_result("a")])] == ["a", "b"]


def test_metrics_compare_with_one_reference_whichever_simple_model_is_best() -> None:
    found = replace(
        make_result("m"),
        against_reference=make_comparison("m", -0.123456, -0.2, 0.04),
        against_best=replace(make_comparison("m", -0.3, -0.4, -0.2), baseline="mlp"),
    )
    metrics = summarise([found, make_result("linear_svm")])["models"]
    assert metrics["m"]["against_linear_svm"] == {"uf1_difference": -0.1235, "interval": [-0.2, 0.04], "p": 0.7266}
    assert "against_mlp" not in metrics["m"]
    assert "against_linear_svm" not in metrics["linear_svm"]


def test_calibration_and_means_over_folds_stand_under_their_names() -> None:
    metrics = summarise([make_result("m")])
    assert metrics["models"]["m"]["ece"] == 0.0877
    assert [metrics["models"]["m"][f"mean_over_folds_{name}"] for name in ("uf1", "uar", "accuracy")] == [0.4, 0.5, 0.6]
    assert (metrics["protocol"], metrics["repeats"]) == ("loso", 1)


def test_the_baseline_is_the_best_simple_model_and_no_network() -> None:
    scores = {"hybrid": 0.9, "mlp": 0.5, "linear_svm": 0.6, "logistic_regression": 0.6, "majority": 0.2}
    assert best_simple([make_evaluation(model, uf1) for model, uf1 in scores.items()]) == "linear_svm"
    assert best_simple([make_evaluation("hybrid")]) is None


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ([SVM, ALIKE, ALSO_ALIKE], "No network can be told from the best simple model, linear_svm, by UF1."),
        ([SVM, WORSE], "No network is as good as the best simple model, linear_svm, by UF1."),
        (
            [SVM, ALIKE, WORSE],
            "No network is better than the best simple model, linear_svm, beyond doubt; "
            "one network cannot be told from it, and d is worse.",
        ),
        (
            [SVM, ALIKE, BETTER, ALSO_ALIKE, WORSE],
            "c (+0.200) is better than the best simple model, linear_svm, in UF1, by one of four uncorrected 95 % "
            "intervals; two networks cannot be told from it, and d is worse.",
        ),
        ([SVM, BETTER], "c (+0.200) is better than the best simple model, linear_svm, in UF1, by its 95 % interval."),
        (
            [make_result("m", 0.5)],
            "m has the highest UF1, 0.500; with no network beside a simple model there is nothing to tell apart.",
        ),
    ],
)
def test_what_was_found_is_said_in_one_sentence_that_claims_no_more(results: list[Result], sentence: str) -> None:
    assert say_what_was_found(results) == sentence


def test_one_held_out_subject_tells_nothing_apart() -> None:
    found = BETTER.against_best
    assert found
    alone = replace(BETTER, against_best=replace(found, subjects=1))
    assert say_what_was_found([SVM, alone]).startswith("No network can be told")


def test_a_simple_model_that_beats_another_is_no_finding() -> None:
    assert "majority" not in say_what_was_found([SVM, ALIKE, compared("majority", -0.3, -0.4, -0.2)])


def test_an_ablation_is_named_by_its_digest() -> None:
    assert ReportConfig(ablation="0123456789abcdef").ablation
    with pytest.raises(ValidationError):
        ReportConfig(ablation="yes")
