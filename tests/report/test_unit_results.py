from dataclasses import replace

import pytest
from rich.console import Console

from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.records import UnitEvaluation, UnitMeans, UnitScore
from microfacial.report.unit_results import (
    UnitPageContent,
    draw_unit_leaderboard,
    list_unit_metrics,
    rank_units,
    render_unit_page,
    summarise_units,
)


def evaluation(model: str, f1: float | None, **changes: object) -> UnitEvaluation:
    units = tuple(
        UnitScore(
            unit=unit,
            clips=20,
            positives=0 if unit == 17 else 5,
            f1=None if unit == 17 else f1,
            f1_interval=None if unit == 17 else (0.1, 0.9),
            roc_area=None if unit == 17 else 0.7512,
            roc_interval=None if unit == 17 else (0.5, 0.95),
        )
        for unit in SCORED_UNITS
    )
    made = UnitEvaluation(
        model=model,
        protocol="leave-one-dataset-out",
        repeats=1,
        units=units,
        overall=UnitMeans(f1=f1, roc_area=0.75, clips=20, subjects=4),
        f1_interval=(0.12345, 0.6),
        roc_interval=(0.6, 0.8),
        f1_sd=0.0,
        corpora={
            "casme2": UnitMeans(f1=0.2, roc_area=0.7, clips=12, subjects=2),
            "samm": UnitMeans(f1=0.4, roc_area=0.8, clips=8, subjects=2),
        },
        note="synthetic",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


EVALUATIONS = [evaluation("worse", 0.25), evaluation("none", None), evaluation("better", 0.45678)]


def test_the_best_mean_f1_comes_first_and_a_model_without_one_last() -> None:
    assert [entry.model for entry in rank_units(EVALUATIONS)] == ["better", "worse", "none"]


def test_the_leaderboard_fits_80_columns_and_shows_means_over_corpora() -> None:
    console = Console(width=80, record=True)
    console.print(draw_unit_leaderboard("demo", EVALUATIONS, {"worse": 3.2}))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["better", "0.457", "0.123–0.600", "0.750", "0.600–0.800", "0.300", "–"] in lines
    assert ["worse", "0.250", "0.123–0.600", "0.750", "0.600–0.800", "0.300", "3"] in lines
    assert ["none", "–", "0.123–0.600", "0.750", "0.600–0.800", "0.300", "–"] in lines


def test_metrics_and_scores_are_rounded_and_ordered() -> None:
    assert list_unit_metrics(EVALUATIONS)["better"] == {"f1": 0.4568, "roc_area": 0.75}
    scores = summarise_units(EVALUATIONS)
    assert list(scores["models"]) == ["better", "worse", "none"]
    better = scores["models"]["better"]
    assert better["f1_interval"] == [0.1235, 0.6]
    assert better["f1_over_corpora"] == pytest.approx(0.3)
    assert better["units"][0] == {
        "unit": 1,
        "clips": 20,
        "positives": 5,
        "f1": 0.4568,
        "f1_interval": [0.1, 0.9],
        "roc_area": 0.7512,
        "roc_interval": [0.5, 0.95],
    }
    assert scores["task"] == "units"


def test_the_page_has_a_row_per_unit_and_model() -> None:
    content = UnitPageContent(
        dataset="demo<",
        evaluations=EVALUATIONS,
        data_digest="abc",
        settings={"train": {"task": "units"}},
        versions={"torch": "1"},
    )
    page = render_unit_page(content)
    assert page.count('<th scope="row">12 lip corner puller</th>') == 3
    assert '<tr><th scope="row">17 chin raiser</th><td>0</td><td>20</td><td>–</td><td class="quiet">–</td>' in page
    assert f"<td>{2 * 5 / 25:.3f}</td>" in page  # F1 of always predicting a unit
    assert "demo&lt;" in page
    assert "http" not in page
