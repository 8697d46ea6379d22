from dataclasses import replace

import pytest

from fakes import make_clip
from microfacial.figures import as_png, draw_confusion
from microfacial.records import SYNTHETIC, Evaluation, Score
from microfacial.report import Prediction, ReportConfig, rank, render, summarise

SCORE = Score(confusion=((3, 1), (2, 4)), uf1=0.123456, uar=0.7, accuracy=0.7, clips=10, subjects=2)


def evaluation(model: str, uf1: float = 0.123456, note: str = "") -> Evaluation:
    return Evaluation(
        model=model,
        classes=("happiness", "disgust"),
        overall=replace(SCORE, uf1=uf1),
        corpora={"casme2": SCORE},
        uf1_interval=(0.1, 0.2),
        uar_interval=(0.6, 0.8),
        mean_over_folds_uar=0.5,
        note=note,
    )


def page(note: str = "", predictions: tuple[Prediction, ...] = ()) -> str:
    models = [evaluation("<b>", note=note), evaluation("m", note=note)]
    return render("d", "s", [make_clip(label="happiness")], models, predictions, ReportConfig(hardest_clips=1))


def test_metrics_are_rounded_to_four_digits_best_first() -> None:
    metrics = summarise([evaluation("a"), evaluation("b", 0.5)])
    assert list(metrics["models"]) == ["b", "a"]
    assert metrics["models"]["a"]["uf1"] == 0.1235
    assert metrics["note"] == ""


def test_ties_are_ordered_by_name() -> None:
    assert [e.model for e in rank([evaluation("b"), evaluation("a")])] == ["a", "b"]


def test_demo_scores_are_marked_synthetic_and_others_are_not() -> None:
    assert SYNTHETIC in page(SYNTHETIC)
    assert SYNTHETIC not in page()
    assert summarise([evaluation("m", note=SYNTHETIC)])["note"] == SYNTHETIC
    picture = draw_confusion(evaluation("m", note=SYNTHETIC))
    assert SYNTHETIC in picture.axes[0].get_title()


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
