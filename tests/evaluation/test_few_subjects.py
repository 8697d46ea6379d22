"""The benchmark of few subjects: paired draws, and the intervals of its table."""

from pathlib import Path

import few_subjects
import numpy as np
import pytest

from audit_cases import PROTOCOLS, samples_of
from microfacial.evaluation.protocols import plan_folds


@pytest.fixture
def row() -> few_subjects.Row:
    return few_subjects.Row(model="mlp", subjects=3, scores=np.array([[0.5, 0.7], [0.6, 0.7], [0.7, 0.7]]))


def test_the_mean_difference_has_the_interval_of_student(row: few_subjects.Row) -> None:
    assert row.means == pytest.approx([0.6, 0.7, 0.1])
    assert row.margins == pytest.approx([4.302653 * 0.1 / 3**0.5, 0, 4.302653 * 0.1 / 3**0.5], rel=1e-6)
    assert few_subjects.describe_row(row) == "| mlp | 3 | 3 | 0.600 ± 0.248 | 0.700 ± 0.000 | +0.100 ± 0.248 |"


def test_one_draw_has_no_interval() -> None:
    single = few_subjects.Row(model="mlp", subjects=0, scores=np.array([[0.5, 0.7]]))
    assert np.isnan(single.margins).all()


def test_draws_are_paired_and_stay_inside_the_training_rows() -> None:
    samples = samples_of("mlp")
    plans = plan_folds(samples, PROTOCOLS["composite"])
    first, same, other = (few_subjects.reduce_plans(plans, samples, 3, draw) for draw in (0, 0, 1))
    for plan, reduced, again in zip(plans, first, same, strict=True):
        assert np.array_equal(reduced.training_rows, again.training_rows)
        assert set(reduced.training_rows) <= set(plan.training_rows)
        assert len(np.unique(samples.subjects[reduced.training_rows])) == 3
        assert len(reduced.validation_fold) == len(reduced.training_rows)
        assert np.array_equal(reduced.test_rows, plan.test_rows)
    assert any(not np.array_equal(one.training_rows, two.training_rows) for one, two in zip(first, other, strict=True))


@pytest.mark.parametrize("subjects", [0, 6, 99])
def test_all_subjects_are_all_training_rows(subjects: int) -> None:
    samples = samples_of("mlp")
    (plan, *_) = plan_folds(samples, PROTOCOLS["composite"])
    (reduced,) = few_subjects.reduce_plans([plan], samples, subjects, 0)
    assert np.array_equal(reduced.training_rows, plan.training_rows)


@pytest.mark.figures
def test_the_plot_names_both_starts_and_is_the_same_every_time(row: few_subjects.Row, tmp_path: Path) -> None:
    plots = tmp_path / "first.svg", tmp_path / "second.svg"
    for path in plots:
        few_subjects.draw_plot([row], path)
    first, second = (path.read_text() for path in plots)
    assert first == second
    assert all(f">{text}</text>" in first for text in ("from scratch", "from the prior", "mlp"))


@pytest.mark.parametrize(
    "options",
    [("--models", "rgb"), ("--draws", "0"), ("--subjects", "-1"), ("--plot", "plot.pdf"), ("--plot", "x/y.svg")],
)
def test_wrong_options_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        few_subjects.parse_options(options)


def test_a_model_that_can_start_from_the_prior_can_be_chosen() -> None:
    networks = {"mlp", "flow_cnn", "roi_cnn", "roi_graph", "roi_transformer", "hybrid"}
    assert set(few_subjects.CANDIDATES) == networks
