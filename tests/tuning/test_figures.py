from collections.abc import Callable, Sequence

import pytest
from matplotlib.figure import Figure

from microfacial.report.figure_style import as_png
from microfacial.tuning.figures import (
    draw_history,
    draw_parallel_coordinates,
    draw_parameter_importances,
    draw_slices,
    draw_study,
)
from microfacial.tuning.search_space import Categorical, Float, Integer, Space
from microfacial.tuning.trials import State, Trial

SPACE: Space = {"a_rate": Float(0.01, 1.0, log=True), "depth": Integer(1, 3), "kind": Categorical(("gate", "fixed"))}
PARAMS = [
    {"a_rate": 0.01, "depth": 1, "kind": "gate"},
    {"a_rate": 0.1, "depth": 3, "kind": "fixed"},
    {"a_rate": 1.0, "depth": 2, "kind": "fixed"},
]


def make_trial(number: int, value: float | None, state: State = "complete", **changes: object) -> Trial:
    facts: dict[str, object] = {"model": "m", "settings": {}, "params": {}, "scores": {}, "seconds": 1.0, **changes}
    return Trial(number=number, state=state, value=value, **facts)  # type: ignore[arg-type]


TRIALS = [
    make_trial(0, 0.5, reference=True),
    make_trial(1, 0.6, params=PARAMS[0]),
    make_trial(2, None, "pruned", params=PARAMS[1]),
    make_trial(3, 0.4, params=PARAMS[1]),
    make_trial(4, 0.7, params=PARAMS[2]),
]


def test_the_history_shows_the_best_so_far_trial_0_and_stopped_trials() -> None:
    (axes,) = draw_history(TRIALS).axes
    best, reference = axes.get_lines()
    assert best.get_ydata().tolist() == [0.5, 0.6, 0.6, 0.7]  # type: ignore[union-attr]
    assert set(reference.get_ydata()) == {0.5}  # type: ignore[arg-type]
    complete, stopped = axes.collections
    assert complete.get_offsets().tolist() == [[0, 0.5], [1, 0.6], [3, 0.4], [4, 0.7]]  # type: ignore[union-attr]
    assert stopped.get_offsets().tolist()[0][0] == 2  # type: ignore[union-attr]


def test_the_largest_importance_is_at_the_top() -> None:
    (axes,) = draw_parameter_importances({"depth": 0.2, "kind": 0.5, "a_rate": 0.3}).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["depth", "a_rate", "kind"]


def test_parallel_coordinates_scale_each_parameter_to_its_range_and_draw_the_best_trial_last() -> None:
    (axes,) = draw_parallel_coordinates(TRIALS, SPACE).axes
    lines = [line.get_ydata().tolist() for line in axes.get_lines() if len(line.get_xdata()) == 3]  # type: ignore[arg-type,union-attr]
    assert lines == [[0.5, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.5, 1.0]]  # of trials 3, 1 and 4


def test_slices_have_a_panel_for_each_parameter() -> None:
    figure = draw_slices(TRIALS, SPACE)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert panels.keys() == SPACE.keys()
    assert panels["a_rate"].get_xscale() == "log"
    assert panels["kind"].collections[0].get_offsets().tolist() == [[0, 0.6], [1, 0.4], [1, 0.7]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "draw", [lambda trials: draw_parallel_coordinates(trials, SPACE), lambda trials: draw_slices(trials, SPACE)]
)
@pytest.mark.figures
def test_figures_are_the_same_every_time(draw: Callable[[Sequence[Trial]], Figure]) -> None:
    assert as_png(draw(TRIALS)) == as_png(draw(TRIALS))


def test_figures_for_which_there_are_too_few_trials_are_left_out() -> None:
    assert draw_study(TRIALS[:2], SPACE, {}).keys() == {"history"}
    assert draw_study(TRIALS, SPACE, {}).keys() == {"history", "parallel_coordinates", "slice"}
    assert "importance" in draw_study(TRIALS, SPACE, {"depth": 1.0})
