from dataclasses import replace

import pytest

from microfacial.models.presets import resolve
from microfacial.records import DEMO_CORPUS, PRIOR_ON_DRAWN, SYNTHETIC
from microfacial.tuning.description import (
    describe_stored_study,
    describe_study_limits,
    describe_trial,
    remaining_seconds,
)
from microfacial.tuning.trials import Conclusion, StoredStudy, Trial, group_parts


def make_trial(number: int, **changes: object) -> Trial:
    facts: dict[str, object] = {
        "state": "complete",
        "model": "m",
        "settings": {},
        "params": {},
        "scores": dict.fromkeys(range(6), 0.5),
        "value": 0.5,
        "seconds": 10.0,
    }
    return Trial(number=number, **{**facts, **changes})  # type: ignore[arg-type]


PRUNED = make_trial(1, state="pruned", value=None, seconds=4.0)
FAILED = make_trial(2, state="failed", value=None, seconds=1.0, reason="training diverged")
STUDY = StoredStudy("demo-m-0", {}, (make_trial(0), PRUNED, FAILED), None)


def test_a_line_about_a_trial_has_its_outcome_and_the_best_so_far() -> None:
    assert (
        describe_trial(make_trial(0), STUDY, 10, 18) == "trial 0, 3 of 10 done: UF1 0.500, 10 s, best 0.500 (trial 0)"
    )
    assert "6 of 18 folds" in describe_trial(PRUNED, STUDY, 10, 18)
    assert "training diverged" in describe_trial(FAILED, STUDY, 10, 18)


def test_the_remaining_time_is_the_mean_time_of_a_trial_times_the_trials_to_do() -> None:
    assert remaining_seconds(STUDY, 7) == 20.0
    assert remaining_seconds(STUDY, 3) == 0.0


def test_a_study_without_a_conclusion_is_described_by_its_best_trial_so_far() -> None:
    first, second = describe_stored_study([STUDY])
    assert first.startswith("demo-m-0: 1 complete, 1 pruned, 1 failed")
    assert second.startswith("best of 1 complete trials")
    assert "trial 0, UF1 0.500" in second


@pytest.mark.parametrize(
    ("corpus", "settings", "note"),
    [
        ("casme2", {"start": "motion_prior"}, ""),
        (DEMO_CORPUS, {"start": None}, SYNTHETIC),
        (DEMO_CORPUS, {"start": "motion_prior"}, f"{SYNTHETIC}; {PRIOR_ON_DRAWN}"),
    ],
)
def test_a_study_says_when_its_scores_mean_nothing(corpus: str, settings: dict[str, object], note: str) -> None:
    resolved = resolve("mlp", settings, "mlp").model_dump(mode="json")
    facts: dict[str, object] = {"subjects": [f"{corpus}/sub01", f"{corpus}/sub02"], "study": "s", "mode": "split"}
    facts["reference"] = {"origin": "params.yaml"}
    study = StoredStudy("s", facts, (make_trial(0, model="mlp", settings=resolved),), None)
    assert describe_study_limits([study]) == note
    concluded = StoredStudy("s", facts, study.trials, Conclusion(best=(0,), findings=()))
    for described in (study, concluded):
        last = describe_stored_study([described])[-1]
        assert last == note if note else not last.startswith("synthetic")


def test_the_groups_of_a_nested_study_are_one_study_with_one_conclusion() -> None:
    facts = {"subjects": ["casme2/sub01"], "study": "s", "mode": "nested", "reference": {"origin": "params.yaml"}}
    groups = [
        StoredStudy(f"s group {number}", facts, (make_trial(0), make_trial(1)), conclusion)
        for number, conclusion in ((1, None), (0, Conclusion(best=(0, 1), findings=())))
    ]
    other = StoredStudy("t", {**facts, "study": "t"}, (make_trial(0),), None)
    assert group_parts([groups[0], other, groups[1]]) == [groups, [other]]
    first, *rest = describe_stored_study(groups)
    assert first == "s: 4 complete"
    assert not any("not concluded" in line for line in rest)
    unfinished = describe_stored_study([replace(group, conclusion=None) for group in groups])
    assert [line.partition(":")[0] for line in unfinished if "not concluded" in line] == ["s group 1", "s group 0"]


def test_a_study_of_a_model_that_is_not_installed_is_described() -> None:
    facts = {"subjects": [f"{DEMO_CORPUS}/sub01", f"{DEMO_CORPUS}/sub02"]}
    study = StoredStudy("s", facts, (make_trial(0, model="gone", settings={"a": 1}),), None)
    assert describe_study_limits([study]) == SYNTHETIC
