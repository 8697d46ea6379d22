from dataclasses import replace

from fake_results import make_comparison, make_result
from microfacial.records import SYNTHETIC
from microfacial.report.summary import list_metrics, summarise


def test_scores_are_rounded_to_four_digits_and_the_best_model_comes_first() -> None:
    metrics = summarise([make_result("a"), make_result("b", 0.5)])
    assert list(metrics["models"]) == ["b", "a"]
    assert metrics["models"]["a"]["uf1"] == 0.1235
    assert metrics["note"] == ""


def test_demo_scores_are_marked_synthetic() -> None:
    assert summarise([make_result("m", note=SYNTHETIC)])["note"] == SYNTHETIC


def test_scores_compare_with_the_baseline_even_if_another_simple_model_is_better() -> None:
    result = replace(
        make_result("m"),
        against_baseline=make_comparison("m", -0.123456, -0.2, 0.04),
        against_best=make_comparison("m", -0.3, -0.4, -0.2, "mlp"),
    )
    metrics = summarise([result, make_result("linear_svm")])["models"]
    assert metrics["m"]["against_linear_svm"] == {"uf1_difference": -0.1235, "interval": [-0.2, 0.04], "p": 0.7266}
    assert "against_mlp" not in metrics["m"]
    assert "against_linear_svm" not in metrics["linear_svm"]


def test_scores_name_calibration_means_over_folds_and_the_protocol() -> None:
    metrics = summarise([make_result("m")])
    assert metrics["models"]["m"]["ece"] == 0.0877
    assert [metrics["models"]["m"][f"mean_over_folds_{name}"] for name in ("uf1", "uar", "accuracy")] == [0.4, 0.5, 0.6]
    assert (metrics["protocol"], metrics["repeats"]) == ("loso", 1)
    assert not any("repeats" in scores for scores in metrics["models"].values())


def test_the_oracle_is_not_in_the_scores() -> None:
    assert "0.9" not in str(summarise([replace(make_result("a", 0.2), oracle=0.9)]))


def test_a_model_with_fewer_repetitions_has_its_own_number() -> None:
    metrics = summarise([make_result("linear_svm"), make_result("m", repeats=3)])
    assert metrics["repeats"] == 3
    assert [metrics["models"][name].get("repeats") for name in ("linear_svm", "m")] == [1, None]


def test_metrics_have_two_numbers_per_model_and_the_best_model_comes_first() -> None:
    metrics = list_metrics([make_result("a", note=SYNTHETIC), make_result("b", 0.5)])
    assert metrics == {"b": {"uf1": 0.5, "uar": 0.7}, "a": {"uf1": 0.1235, "uar": 0.7}}
    assert list(metrics) == ["b", "a"]
