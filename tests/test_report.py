from dataclasses import replace

import numpy as np
import pytest

from fakes import make_clip
from microfacial.figures import draw_confusion
from microfacial.records import (
    ORACLE,
    SYNTHETIC,
    Comparison,
    Evaluation,
    Predictions,
    Score,
)
from microfacial.report import ReportConfig, Result, rank, render, summarise

SCORE = Score(confusion=((3, 1), (2, 4)), uf1=0.123456, uar=0.7, accuracy=0.7, clips=10, subjects=2)
AGAINST = Comparison(
    model="m",
    baseline="linear_svm",
    uf1_difference=-0.123456,
    uf1_interval=(-0.2, 0.04),
    uar_difference=0.0,
    uar_interval=(-0.1, 0.1),
    only_model=3,
    only_baseline=5,
    mcnemar_p=0.7265625,
    subjects=2,
)


def evaluation(model: str, uf1: float = 0.123456, note: str = "", repeats: int = 1) -> Evaluation:
    return Evaluation(
        model=model,
        protocol="loso",
        repeats=repeats,
        classes=("happiness", "disgust"),
        overall=replace(SCORE, uf1=uf1),
        corpora={"casme2": SCORE},
        uf1_interval=(0.1, 0.2),
        uar_interval=(0.6, 0.8),
        uf1_sd=0.0123,
        uar_sd=0.0456,
        ece=0.08765,
        mean_over_folds_uf1=0.4,
        mean_over_folds_uar=0.5,
        mean_over_folds_accuracy=0.6,
        note=note,
    )


def predictions(model: str, predicted: list[int]) -> Predictions:
    """Clips c1, c2, … of class happiness."""
    return Predictions(
        model=model,
        protocol="loso",
        classes=("happiness", "disgust"),
        clips=np.array([f"c{number}" for number in range(1, len(predicted) + 1)]),
        subjects=np.array(["s"] * len(predicted)),
        truth=np.zeros(len(predicted), np.int64),
        predicted=np.array([predicted]),
        probabilities=np.eye(2)[[predicted]],
    )


def result(model: str, uf1: float = 0.123456, note: str = "", repeats: int = 1) -> Result:
    return Result(evaluation=evaluation(model, uf1, note, repeats), predictions=predictions(model, [1, 0]))


def page(*results: Result) -> str:
    return render("d", "s", [make_clip(label="happiness")], results, ReportConfig(hardest_clips=1))


def test_metrics_are_rounded_to_four_digits_best_first() -> None:
    metrics = summarise([result("a"), result("b", 0.5)])
    assert list(metrics["models"]) == ["b", "a"]
    assert metrics["models"]["a"]["uf1"] == 0.1235
    assert metrics["note"] == ""


def test_ties_are_ordered_by_name() -> None:
    assert [one.evaluation.model for one in rank([result("b"), result("a")])] == ["a", "b"]


def test_demo_scores_are_marked_synthetic_and_others_are_not() -> None:
    assert SYNTHETIC in page(result("m", note=SYNTHETIC))
    assert SYNTHETIC not in page(result("m"))
    assert summarise([result("m", note=SYNTHETIC)])["note"] == SYNTHETIC
    picture = draw_confusion(evaluation("m", note=SYNTHETIC))
    assert SYNTHETIC in picture.axes[0].get_title()


def test_the_page_needs_nothing_from_elsewhere_and_escapes_names() -> None:
    html = page(result("<b>"), result("m"))
    assert "http" not in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_pictures_say_what_they_show() -> None:
    assert 'alt="Confusion matrix of m, truth down, prediction across: happiness 3, 1; disgust 2, 4"' in page(
        result("m")
    )


def test_hardest_clips_are_those_most_models_get_wrong() -> None:
    html = page(result("a"), replace(result("b"), predictions=predictions("b", [1, 1])))
    assert "<td>c1</td><td>happiness</td><td>2 of 2</td>" in html
    assert "<td>c2</td>" not in html


def test_every_model_shows_its_difference_to_the_baseline() -> None:
    compared = replace(result("m"), against_baseline=AGAINST)
    metrics = summarise([compared, result("linear_svm")])["models"]
    assert metrics["m"]["against_linear_svm"] == {"uf1_difference": -0.1235, "interval": [-0.2, 0.04], "p": 0.7266}
    assert "against_linear_svm" not in metrics["linear_svm"]
    html = page(compared, result("linear_svm"))
    assert "<td>-0.123</td><td>-0.200 to +0.040</td>" in html
    assert "<td>0.727</td>" in html
    assert "McNemar" not in page(result("m"))


def test_calibration_and_means_over_folds_stand_under_their_names() -> None:
    metrics = summarise([result("m")])
    assert metrics["models"]["m"]["ece"] == 0.0877
    assert [metrics["models"]["m"][f"mean_over_folds_{name}"] for name in ("uf1", "uar", "accuracy")] == [0.4, 0.5, 0.6]
    assert (metrics["protocol"], metrics["repeats"]) == ("loso", 1)
    assert "not comparable with pooled scores" in page(result("m"))


def test_deviations_are_shown_over_repetitions_and_their_absence_is_said() -> None:
    several, one = page(result("m", repeats=3)), page(result("m"))
    assert "0.123 ± 0.012" in several
    assert "over 3 repetitions" in several
    assert "±" not in one
    assert "how much another seed would change is not" in one


def test_an_oracle_has_a_column_of_its_own_that_says_what_it_is_and_ranks_nothing() -> None:
    results = [replace(result("a", 0.2), oracle=0.9), result("b", 0.3)]
    html = page(*results)
    assert html.count(ORACLE) == 1
    assert "UF1 0.900" in html
    assert [one.evaluation.model for one in rank(results)] == ["b", "a"]
    assert "0.9" not in str(summarise(results))
    assert ORACLE not in page(result("a"))


@pytest.mark.parametrize("word", ["lie", "never saw that person"])
def test_the_page_says_what_it_means_and_does_not_mean(word: str) -> None:
    assert word in page(result("m"))
