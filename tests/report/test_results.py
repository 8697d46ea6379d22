import pytest
from pydantic import ValidationError

from fake_results import make_comparison, make_result
from microfacial.records import Comparison, Predictions
from microfacial.report.results import ReportConfig, add_comparisons, find_best_simple, join_notes, rank_results


def test_the_best_result_comes_first_and_ties_are_sorted_by_name() -> None:
    results = [make_result("b"), make_result("c", 0.9), make_result("a")]
    assert [result.model for result in rank_results(results)] == ["c", "a", "b"]


def test_the_best_simple_model_is_never_a_network() -> None:
    scores = {"hybrid": 0.9, "mlp": 0.5, "linear_svm": 0.6, "logistic_regression": 0.6, "majority": 0.2}
    assert find_best_simple([make_result(model, uf1) for model, uf1 in scores.items()]) == "linear_svm"
    assert find_best_simple([make_result("hybrid")]) is None


@pytest.mark.parametrize(
    ("scores", "compared"),
    [
        ({"linear_svm": 0.6, "hybrid": 0.5}, [("hybrid", "linear_svm")]),
        (
            {"linear_svm": 0.5, "mlp": 0.6, "hybrid": 0.7},
            [("linear_svm", "mlp"), ("mlp", "linear_svm"), ("hybrid", "mlp"), ("hybrid", "linear_svm")],
        ),
        ({"majority": 0.5, "hybrid": 0.7}, [("hybrid", "majority")]),
        ({"hybrid": 0.7, "flow_cnn": 0.6}, []),
    ],
)
def test_each_model_is_compared_with_the_best_simple_model_and_the_baseline(
    scores: dict[str, float], compared: list[tuple[str, str]]
) -> None:
    calls = []

    def compare(model: Predictions, baseline: Predictions) -> Comparison:
        calls.append((model.model, baseline.model))
        return make_comparison(model.model, 0.0, -0.1, 0.1, baseline.model)

    results = add_comparisons([make_result(model, uf1) for model, uf1 in scores.items()], compare)
    assert calls == compared
    assert [result.model for result in results] == list(scores)
    for result in results:
        if result.against_baseline:
            assert (result.against_baseline.model, result.against_baseline.baseline) == (result.model, "linear_svm")
        if result.against_best:
            assert (result.model, result.against_best.baseline) in compared


def test_an_ablation_is_named_by_its_digest() -> None:
    assert ReportConfig(ablation="0123456789abcdef").ablation
    with pytest.raises(ValidationError):
        ReportConfig(ablation="yes")


def test_each_note_is_told_once() -> None:
    results = [
        make_result("a", note="x; y"),
        make_result("b", note="x"),
        make_result("c", note="x; z"),
        make_result("d"),
    ]
    assert join_notes(result.evaluation for result in results) == "x; y; z"
    assert join_notes(result.evaluation for result in results[3:]) == ""
