from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import make_data
from microfacial.errors import ConfigError, ProtocolError
from microfacial.models.presets import resolve
from microfacial.records import FoldResult, Predictions
from microfacial.tuning.objective import Candidate, InnerFolds, outer_groups, score_candidate, tuning_subjects
from microfacial.tuning.search_space import StudyConfig

MLP = Candidate("mlp", resolve("mlp", {"epochs": 2, "flip": False, "test_time_flip": False}, "mlp"))


def make_bench(tmp_path: Path, processes: int = 1, **changes: object) -> InnerFolds:
    data = make_data()
    config = StudyConfig(inner_folds=4, repeats=2, **changes)  # type: ignore[arg-type]
    return InnerFolds(
        data=data,
        subjects=tuning_subjects(data, ()),
        config=config,
        folder=tmp_path,
        features="f",
        code="c",
        processes=processes,
    )


def train(bench: InnerFolds, order: int = 0) -> list[FoldResult]:
    return [fold for chunk in bench.try_settings(MLP, order) for fold in chunk]


def test_every_second_subject_of_each_corpus_is_tuned_on_unless_others_are_listed() -> None:
    data = make_data(subjects=5)
    two = replace(data, clips=data.clips + tuple(replace(clip, corpus="d") for clip in data.clips[:12]))
    assert tuning_subjects(two, ()) == ("c/s00", "c/s02", "c/s04", "d/s00", "d/s02")
    assert tuning_subjects(two, ("d/s01", "c/s03")) == ("c/s03", "d/s01")


def test_under_holdout_those_that_are_held_out_are_never_tuned_on() -> None:
    assert tuning_subjects(make_data(4, protocol="holdout", holdout=("c/s02",)), ()) == ("c/s00", "c/s01", "c/s03")


def test_strangers_and_a_tuning_part_of_everyone_are_refused() -> None:
    data = make_data(3)
    with pytest.raises(ConfigError, match=r"study\.subjects: no clip is of c/s7; such as c/s00"):
        tuning_subjects(data, ("c/s7",))
    with pytest.raises(ConfigError, match="nobody is left to score"):
        tuning_subjects(data, ("c/s00", "c/s01", "c/s02"))


def test_settings_are_tried_on_clips_of_the_tuning_part_and_of_nobody_else(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    assert set(bench.inputs(MLP).subjects) == {"c/s00", "c/s02", "c/s04", "c/s06"}
    loud = replace(bench.data.store, flow=bench.data.store.flow.copy())
    loud.flow[[row for row, clip in enumerate(bench.data.clips) if clip.person not in bench.subjects]] = np.nan
    other = replace(bench, data=replace(bench.data, store=loud), folder=tmp_path / "other")
    for own, same in zip(train(bench), train(other), strict=True):
        assert np.array_equal(own.probabilities, same.probabilities)


def test_inner_folds_share_no_subject_and_predict_every_clip_once_a_repetition(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    subjects = bench.inputs(MLP).subjects
    assert bench.folds == 4
    for plan in bench.plans:
        assert not set(subjects[plan.test_rows]) & set(subjects[plan.training_rows])
    for repeat in (0, 1):
        held_out = np.concatenate([plan.test_rows for plan in bench.plans if plan.repeat == repeat])
        assert np.array_equal(np.sort(held_out), np.arange(len(subjects)))


def test_neither_the_order_of_folds_nor_processes_change_what_settings_give(tmp_path: Path) -> None:
    first = train(make_bench(tmp_path / "a"), order=0)
    benches = [make_bench(tmp_path / "b"), make_bench(tmp_path / "c", processes=2)]
    others = [train(bench, order=5) for bench in benches]
    by_key = {fold.plan.key: fold.probabilities for fold in first}
    assert [fold.plan.key for fold in first] != [fold.plan.key for fold in others[0]]
    assert [fold.plan.key for fold in others[0]] == [fold.plan.key for fold in others[1]]
    for fold in [*others[0], *others[1]]:
        assert np.array_equal(fold.probabilities, by_key[fold.plan.key])


def test_finished_folds_are_read_back(tmp_path: Path) -> None:
    first = train(make_bench(tmp_path))
    again = train(make_bench(tmp_path))
    assert [fold.seconds for fold in again] == [fold.seconds for fold in first]


def test_outer_groups_are_of_everyone_once_and_want_a_protocol_of_single_subjects() -> None:
    groups = outer_groups(make_data(), 3, 0)
    assert sorted(name for group in groups for name in group) == [f"c/s{number:02d}" for number in range(8)]
    with pytest.raises(ProtocolError, match=r"set train\.protocol to loso or composite"):
        outer_groups(make_data(protocol="holdout", holdout=("c/s01",)), 3, 0)
    with pytest.raises(ConfigError, match="there are 8 subjects"):
        outer_groups(make_data(), 9, 0)


def test_the_protocol_can_be_planned_for_some_subjects_only(tmp_path: Path) -> None:
    plans = make_bench(tmp_path).plan_protocol({"c/s01", "c/s05"})
    assert [plan.name for plan in plans] == ["c/s01", "c/s05"]


def test_findings_are_of_the_subjects_that_were_asked_for() -> None:
    truth = np.array([0, 1, 0, 1])
    found = Predictions(
        model="found",
        protocol="loso",
        classes=("x", "y"),
        clips=np.array(["1", "2", "3", "4"]),
        subjects=np.array(["a", "a", "b", "b"]),
        truth=truth,
        predicted=np.array([[0, 1, 1, 0]]),
        probabilities=np.eye(2)[[0, 1, 1, 0]][None],
    )
    reference = replace(found, model="trial 0", predicted=np.array([[1, 0, 0, 1]]))
    finding = score_candidate("a", found.of_subjects(["a"]), reference.of_subjects(["a"]), config=make_data().protocol)
    assert (finding.uf1, finding.uar, finding.clips, finding.subjects) == ((1.0, 0.0), (1.0, 0.0), 2, 1)
    assert finding.difference.uf1_difference == 1.0
