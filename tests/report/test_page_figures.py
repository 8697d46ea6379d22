from dataclasses import replace

import numpy as np

from fake_results import make_comparison, make_hybrid, make_result
from microfacial.report.page_figures import describe_preference, draw_page_figures


def test_every_figure_has_a_title_and_a_description() -> None:
    compared = replace(make_result("m"), against_best=make_comparison("m", 0.1, 0.05, 0.2))
    figures = draw_page_figures([compared, make_hybrid()])
    models = {f"{model}-{kind}" for model in ("m", "hybrid") for kind in ("confusion", "reliability")}
    wide = ("differences", "importances", "attention")
    assert figures.keys() == models | {"hybrid-curves", *wide, *(f"{key}-narrow" for key in wide)}
    assert "m: +0.100, +0.050 to +0.200." in figures["differences"]
    assert "Confusion matrix of m</title>" in figures["m-confusion"]
    assert "in the order happiness, disgust: happiness 3, 1; disgust 2, 4." in figures["m-confusion"]
    assert "confidence 0.90, 0.50 correct, 2 predictions" in figures["m-reliability"]
    assert "of 1 folds goes from 2.00 to 1.00." in figures["hybrid-curves"]
    assert "graph, onset→apex: eyes 40.0 %, mouth 10.0 %" in figures["importances"]
    assert "eyes takes 50 % from eyes, 50 % from mouth" in figures["attention"]


def test_there_is_no_figure_of_attention_without_a_graph() -> None:
    importances = make_hybrid().importances
    assert importances
    without_graph = replace(importances, attention=np.zeros((2, 2, 2)))
    assert "attention" not in draw_page_figures([replace(make_hybrid(), importances=without_graph)])


def test_equal_weights_are_said_to_explain_little() -> None:
    importances = make_hybrid().importances
    assert importances
    assert "eyes: 1.60 times" in describe_preference(importances)
    equal = replace(importances, graph_regions=np.full((2, 2), 0.5))
    assert "explain little" in describe_preference(equal)
