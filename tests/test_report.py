from dataclasses import replace

import pytest
from conftest import make_clip

from microfacial.figures import as_png, draw_confusion
from microfacial.records import Evaluation, Score
from microfacial.report import SYNTHETIC, Prediction, ReportConfig, rank, render, summarise

SCORE = Score(confusion=((3, 1), (2, 4)), uf1=0.123456, uar=0.7, accuracy=0.7, clips=10, subjects=2)


def evaluation(model: str, uf1: float = 0.123456) -> Evaluation:
    return Evaluation(
        model=model,
        classes=("happiness", "disgust"),
        overall=replace(SCORE, uf1=uf1),
        corpora={"casme2": SCORE},
        uf1_interval=(0.1, 0.2),
        uar_interval=(0.6, 0.8),
        mean_over_folds_uar=0.5,
    )


def page(corpus: str = "casme2", predictions: tuple[Prediction, ...] = ()) -> str:
    return render(
        "d",
        "s",
        [make_clip(corpus=corpus, label="happiness")],
        [evaluation("<b>"), evaluation("m")],
        predictions,
        ReportConfig(hardest_clips=1),
    )


def test_metrics_are_rounded_to_four_digits_best_first() -> None:
    metrics = summarise([evaluation("a"), evaluation("b", 0.5)])
    assert list(metrics) == ["b", "a"]
    assert metrics["a"]["uf1"] == 0.1235


def test_ties_are_ordered_by_name() -> None:
    assert [e.model for e in rank([evaluation("b"), evaluation("a")])] == ["a", "b"]


def test_demo_scores_are_marked_synthetic_and_others_are_not() -> None:
    assert SYNTHETIC in page("demo")
    assert SYNTHETIC not in page("casme2")


def test_the_page_needs_nothing_from_elsewhere_and_escapes_names() -> None:
    html = page()
    assert "http" not in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_pictures_say_what_they_show() -> None:
    assert 'alt="Confusion matrix of m, truth down, prediction across: happiness 3, 1; disgust 2, 4"' in page()


def test_hardest_clips_are_those_most_models_get_wrong() -> None:
    rows = [
        Prediction(model=model, clip=name, truth="x", predicted=guess)
        for model, name, guess in (("a", "c1", "y"), ("b", "c1", "y"), ("a", "c2", "y"), ("b", "c2", "x"))
    ]
    html = page(predictions=tuple(rows))
    assert "<td>c1</td><td>x</td><td>2 of 2</td>" in html
    assert "<td>c2</td>" not in html


def test_equal_figures_are_equal_bytes() -> None:
    assert as_png(draw_confusion(evaluation("m"))) == as_png(draw_confusion(evaluation("m")))


@pytest.mark.parametrize("word", ["lie", "never saw that person"])
def test_the_page_says_what_it_means_and_does_not_mean(word: str) -> None:
    assert word in page()
