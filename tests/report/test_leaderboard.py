import io
from dataclasses import replace

from rich.console import Console

from fake_results import make_comparison, make_result
from microfacial.records import PRIOR_ON_DRAWN, SYNTHETIC
from microfacial.report.leaderboard import draw_leaderboard
from microfacial.report.results import ModelResult


def print_leaderboard(*results: ModelResult, **seconds: float) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(draw_leaderboard("demo", "casme2-4", results, seconds))
    return console.export_text()


def test_the_table_fits_80_columns_with_the_longest_name_and_repetitions() -> None:
    result = make_result("logistic_regression", repeats=5, note=SYNTHETIC)
    printed = print_leaderboard(replace(result, against_baseline=make_comparison("x", -0.123, -0.2, -0.1)), x=12345.0)
    assert "logistic_regression" in printed
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_model_that_was_fitted_once_has_no_deviation() -> None:
    printed = print_leaderboard(make_result("a"), make_result("b", 0.4, repeats=5))
    rows = [line.split()[:3] for line in printed.splitlines() if line.startswith(("a ", "b "))]
    assert rows == [["b", "0.400", ".012"], ["a", "0.123", "–"]]
    assert "over 5 repetitions" in printed
    assert "fitted once" in printed
    assert "fitted once" not in print_leaderboard(make_result("a", repeats=5), make_result("b", repeats=5))


def test_models_are_ranked_and_show_their_seconds() -> None:
    lines = print_leaderboard(make_result("a", 0.2), make_result("b", 0.4), a=61.4).splitlines()
    rows = [line.split() for line in lines if line.startswith(("a ", "b "))]
    assert [row[0] for row in rows] == ["b", "a"]
    assert [row[-1] for row in rows] == ["–", "61"]
    assert rows[1][1:3] == ["0.200", ".100–.200"]


def test_a_star_marks_differences_whose_interval_excludes_zero() -> None:
    better = replace(make_result("a"), against_baseline=make_comparison("a", 0.2, 0.1, 0.3))
    alike = replace(make_result("b"), against_baseline=make_comparison("b", 0.1, -0.1, 0.3))
    printed = print_leaderboard(better, alike)
    assert "+0.200*" in printed
    assert "+0.100 " in printed
    assert "excludes 0" in printed


def test_captions_are_shown_only_if_they_apply() -> None:
    printed = print_leaderboard(make_result("a"))
    assert "±" not in printed
    assert "Δ:" not in printed
    assert SYNTHETIC in print_leaderboard(make_result("a", note=SYNTHETIC))
    assert "over 3 repetitions" in print_leaderboard(make_result("a", repeats=3))


def test_the_note_of_one_model_is_shown_whatever_its_rank() -> None:
    results = [make_result("hybrid", 0.8, note=SYNTHETIC)]
    prior = make_result("motion_prior", 0.5, note=f"{SYNTHETIC}; {PRIOR_ON_DRAWN}")
    words = " ".join(print_leaderboard(*results, prior).split())
    assert words.count(SYNTHETIC) == 1
    assert PRIOR_ON_DRAWN in words
    assert PRIOR_ON_DRAWN not in " ".join(print_leaderboard(*results).split())
