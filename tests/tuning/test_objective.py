from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microfacial.models.presets import resolve
from microfacial.records import FoldResult
from microfacial.tuning.candidates import Candidate
from microfacial.tuning.objective import InnerFolds

MakeInnerFolds = Callable[..., InnerFolds]
MLP = Candidate("mlp", resolve("mlp", {"epochs": 2, "flip": False, "test_time_flip": False}, "mlp"))
SETUP = {"subjects": 8, "inner_folds": 4, "repeats": 2}


def train(inner_folds: InnerFolds, order: int = 0) -> list[FoldResult]:
    return [fold for chunk in inner_folds.train(MLP, order) for fold in chunk]


def test_candidates_are_trained_on_clips_of_the_tuning_subjects_only(
    make_inner_folds: MakeInnerFolds, tmp_path: Path
) -> None:
    inner_folds = make_inner_folds(**SETUP)
    data = inner_folds.trainer.data
    assert set(inner_folds.make_samples(MLP).subjects) == {"c/s00", "c/s02", "c/s04", "c/s06"}
    store = replace(data.store, flow=data.store.flow.copy())
    store.flow[[row for row, clip in enumerate(data.clips) if clip.person not in inner_folds.subjects]] = np.nan
    trainer = replace(inner_folds.trainer, data=replace(data, store=store), folder=tmp_path / "other")
    with_nan = train(replace(inner_folds, trainer=trainer))
    for fold, same in zip(train(inner_folds), with_nan, strict=True):
        assert np.array_equal(fold.probabilities, same.probabilities)


def test_inner_folds_share_no_subject_and_test_every_clip_once_per_repetition(make_inner_folds: MakeInnerFolds) -> None:
    inner_folds = make_inner_folds(**SETUP)
    subjects = inner_folds.make_samples(MLP).subjects
    assert inner_folds.folds_per_repetition == 4
    for plan in inner_folds.plans:
        assert not set(subjects[plan.test_rows]) & set(subjects[plan.training_rows])
    for repeat in (0, 1):
        tested = np.concatenate([plan.test_rows for plan in inner_folds.plans if plan.repeat == repeat])
        assert np.array_equal(np.sort(tested), np.arange(len(subjects)))


@pytest.mark.parametrize("protocol", ["loso", "composite", "leave-one-dataset-out", "holdout"])
def test_inner_folds_predict_all_clips_of_the_tuning_subjects_under_every_protocol(
    make_inner_folds: MakeInnerFolds, protocol: str
) -> None:
    inner_folds = make_inner_folds(**SETUP)
    data = inner_folds.trainer.data
    config = data.protocol.model_copy(update={"protocol": protocol, "holdout": ("c/s01", "c/s03")})
    inner_folds = replace(inner_folds, trainer=replace(inner_folds.trainer, data=replace(data, protocol=config)))
    predictions = inner_folds.gather("mlp", train(inner_folds))
    assert sorted(set(predictions.subjects)) == list(inner_folds.subjects)
    assert len(predictions.clips) == len(inner_folds.rows)


@pytest.mark.slow
def test_results_do_not_depend_on_the_order_of_folds_or_the_number_of_processes(
    make_inner_folds: MakeInnerFolds, tmp_path: Path
) -> None:
    first = train(make_inner_folds(folder=tmp_path / "a", **SETUP))
    one_process = train(make_inner_folds(folder=tmp_path / "b", **SETUP), order=5)
    two_processes = train(make_inner_folds(folder=tmp_path / "c", processes=2, **SETUP), order=5)
    by_key = {fold.plan.key: fold.probabilities for fold in first}
    assert [fold.plan.key for fold in first] != [fold.plan.key for fold in one_process]
    assert [fold.plan.key for fold in one_process] == [fold.plan.key for fold in two_processes]
    for fold in [*one_process, *two_processes]:
        assert np.array_equal(fold.probabilities, by_key[fold.plan.key])


def test_a_model_that_ignores_the_seed_is_fitted_once_and_repeated_for_comparisons(
    make_inner_folds: MakeInnerFolds, tmp_path: Path
) -> None:
    inner_folds = make_inner_folds(folder=tmp_path / "folds", **SETUP)
    svm = Candidate("linear_svm", resolve("linear_svm", {"input_px": 14, "inner_folds": 2}, "linear_svm"))
    folds = {fold.plan.key: fold for chunk in inner_folds.train(svm, 0) for fold in chunk}
    assert len(folds) == 8
    assert len(list((tmp_path / "folds").rglob("*.npz"))) == 4
    predictions = inner_folds.gather("svm", list(folds.values()))
    assert np.array_equal(predictions.probabilities[0], predictions.probabilities[1])


def test_finished_folds_are_read_from_the_cache(make_inner_folds: MakeInnerFolds) -> None:
    first = train(make_inner_folds(**SETUP))
    again = train(make_inner_folds(**SETUP))
    assert [fold.seconds for fold in again] == [fold.seconds for fold in first]
