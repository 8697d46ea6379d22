from collections.abc import Callable

from microfacial.tuning.objective import InnerFolds


def test_the_protocol_can_be_planned_for_some_subjects_only(make_inner_folds: Callable[..., InnerFolds]) -> None:
    plans = make_inner_folds(subjects=8).trainer.plan_protocol({"c/s01", "c/s05"})
    assert [plan.name for plan in plans] == ["c/s01", "c/s05"]


def test_the_protocol_tests_every_subject(make_inner_folds: Callable[..., InnerFolds]) -> None:
    plans = make_inner_folds(subjects=8).trainer.plan_protocol()
    assert [plan.name for plan in plans] == [f"c/s{number:02d}" for number in range(8)]
