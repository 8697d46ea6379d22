"""Test rows and training rows of every protocol. A `fit` that records its data checks the rows that it receives."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold

from microfacial.errors import ConfigError, ProtocolError
from microfacial.evaluation.folds import chunk_plans, train_chunks
from microfacial.evaluation.protocols import TrainConfig, plan_folds, plan_groups, scored_rows
from microfacial.models.lookup import Model
from microfacial.models.majority import MajoritySettings
from microfacial.records import PROTOCOL_NAMES, Fitted, FoldPlan, History, Samples, TrainingData
from microfacial.settings import Section, check
from microfacial.training.fit import Watch

CONFIGS = {
    "loso": TrainConfig(validation_folds=3),
    "composite": TrainConfig(protocol="composite", repeats=2),
    "leave-one-dataset-out": TrainConfig(protocol="leave-one-dataset-out", validation_folds=2),
    "holdout": TrainConfig(protocol="holdout", holdout=("a/1", "b/0"), repeats=2),
}


@dataclass
class Recorder:
    """A model that records the rows it receives. Each input is the number of its row."""

    received: list[tuple[int, NDArray[np.int64]]] = field(default_factory=list)
    predicted: list[NDArray[np.int64]] = field(default_factory=list)
    chosen: str = ""
    history: History = field(default_factory=History)

    def fit(
        self, chunk: Sequence[TrainingData], *, model: Model, settings: Section, watch: Watch | None = None
    ) -> list[Fitted]:
        for data in chunk:
            self.received.append((data.seed, data.samples.inputs.ravel().astype(np.int64)))
        return [self] * len(chunk)

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        self.predicted.append(inputs.ravel().astype(np.int64))
        return np.tile([0.5, 0.3, 0.2], (len(inputs), 1))

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        return {}


@pytest.fixture
def people(samples: Samples) -> Samples:
    """Three corpora of 3, 3 and 4 subjects with two clips each. Subjects have the same ids in all corpora."""
    subjects = np.repeat([f"{corpus}/{n}" for corpus, count in (("a", 3), ("b", 3), ("c", 4)) for n in range(count)], 2)
    rows = np.arange(len(subjects))
    return Samples(
        inputs=rows.astype(np.float32)[:, None],
        labels=rows % 3,
        subjects=subjects,
        corpora=np.array([subject[0] for subject in subjects]),
        clips=np.array([f"{subject}/{row}" for row, subject in enumerate(subjects)]),
        active=np.zeros((len(rows), 0), np.bool_),
        classes=("x", "y", "z"),
    )


def of_subjects(samples: Samples, *names: str) -> Samples:
    return samples.take(np.flatnonzero(np.isin(samples.subjects, names)))


def named(plans: list[FoldPlan], name: str) -> FoldPlan:
    return next(plan for plan in plans if plan.name == name)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("size", [1, 3])
def test_fit_never_receives_a_test_subject(people: Samples, config: TrainConfig, size: int) -> None:
    recorder, plans = Recorder(), plan_folds(people, config)
    chunks = chunk_plans(plans, size)
    list(train_chunks(people, chunks, "majority", MajoritySettings(), processes=1, fit=recorder.fit))
    assert len(recorder.received) == len(recorder.predicted) == len(plans)
    for plan, (seed, received), predicted in zip(plans, recorder.received, recorder.predicted, strict=True):
        assert seed == plan.seed
        assert np.array_equal(received, plan.training_rows)
        assert np.array_equal(predicted, plan.test_rows)
        assert set(people.subjects[received]).isdisjoint(people.subjects[predicted])


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_validation_folds_share_no_subject_and_contain_all_training_rows(people: Samples, config: TrainConfig) -> None:
    for plan in plan_folds(people, config):
        data = TrainingData(
            samples=people.take(plan.training_rows), validation_fold=plan.validation_fold, seed=plan.seed
        )
        validation_rows = [data.split(number)[1] for number in np.unique(plan.validation_fold)]
        assert sorted(row for rows in validation_rows for row in rows.inputs.ravel()) == plan.training_rows.tolist()
        for number in np.unique(plan.validation_fold):
            training, validation = data.split(number)
            assert len(training.labels)
            assert set(training.subjects).isdisjoint(validation.subjects)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_repetition_scores_each_row_of_the_protocol_once(people: Samples, config: TrainConfig) -> None:
    plans = plan_folds(people, config)
    assert sorted({plan.repeat for plan in plans}) == list(range(config.repeats))
    for repeat in range(config.repeats):
        test_rows = np.concatenate([plan.test_rows for plan in plans if plan.repeat == repeat])
        assert np.array_equal(np.sort(test_rows), scored_rows(people, config))


def test_composite_gives_the_splits_of_scikit_learns_leave_one_group_out(people: Samples) -> None:
    splits = LeaveOneGroupOut().split(people.labels, groups=people.subjects)
    expected = {str(people.subjects[test[0]]): (test.tolist(), training.tolist()) for training, test in splits}
    plans = plan_folds(people, TrainConfig(protocol="composite"))
    assert {plan.name: (plan.test_rows.tolist(), plan.training_rows.tolist()) for plan in plans} == expected


def test_loso_trains_only_on_other_subjects_of_the_same_corpus(people: Samples) -> None:
    plans = plan_folds(people, CONFIGS["loso"])
    assert len(plans) == 10
    assert set(people.subjects[named(plans, "b/1").training_rows]) == {"b/0", "b/2"}


def test_loso_and_composite_are_equal_on_one_corpus(people: Samples) -> None:
    alone = of_subjects(people, "c/0", "c/1", "c/2", "c/3")
    pairs = zip(plan_folds(alone, TrainConfig()), plan_folds(alone, TrainConfig(protocol="composite")), strict=True)
    for one, other in pairs:
        assert (one.name, one.seed) == (other.name, other.seed)
        assert all(
            np.array_equal(getattr(one, name), getattr(other, name))
            for name in ("test_rows", "training_rows", "validation_fold")
        )


def test_leave_one_dataset_out_trains_on_all_other_corpora(people: Samples) -> None:
    plans = plan_folds(people, CONFIGS["leave-one-dataset-out"])
    assert [plan.name for plan in plans] == ["a", "b", "c"]
    assert set(people.corpora[named(plans, "b").test_rows]) == {"b"}
    assert set(people.subjects[named(plans, "b").training_rows]) == {f"a/{n}" for n in range(3)} | {
        f"c/{n}" for n in range(4)
    }


def test_holdout_is_one_fold_of_the_listed_subjects(people: Samples) -> None:
    (plan, again) = plan_folds(people, CONFIGS["holdout"])
    assert set(people.subjects[plan.test_rows]) == {"a/1", "b/0"}
    assert len(plan.training_rows) == len(people.labels) - 4
    assert plan.seed != again.seed


@pytest.mark.parametrize(
    ("config", "subjects", "message"),
    [
        (TrainConfig(protocol="holdout"), (), r"train\.holdout is empty"),
        (TrainConfig(protocol="holdout", holdout=("a/1", "a/9")), (), "a/9"),
        (TrainConfig(protocol="holdout", holdout=("a/0", "a/1")), ("a/0", "a/1", "a/2"), "holdout: needs at least 2"),
        (TrainConfig(protocol="leave-one-dataset-out"), ("a/0", "a/1", "a/2"), "at least 2 corpora, .* only a"),
        (
            TrainConfig(protocol="leave-one-dataset-out"),
            ("a/0", "b/0", "b/1"),
            "b as .* needs .* found 1",
        ),
        (TrainConfig(), ("a/0", "a/1", "a/2", "b/0", "b/1"), "within b: needs at least 2 .* found 1"),
        (TrainConfig(protocol="composite"), ("a/0", "b/1"), "leave-one-subject-out: needs at least 2"),
    ],
)
def test_data_that_a_protocol_cannot_divide_are_refused(
    people: Samples, config: TrainConfig, subjects: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ProtocolError, match=message):
        plan_folds(of_subjects(people, *subjects) if subjects else people, config)


def test_the_smallest_composite_has_three_subjects(people: Samples) -> None:
    assert len(plan_folds(of_subjects(people, "a/0", "b/1", "c/2"), TrainConfig(protocol="composite"))) == 3


def test_the_seed_of_a_fold_depends_only_on_its_repetition_and_name(people: Samples) -> None:
    plans = plan_folds(people, TrainConfig(seed=4, repeats=3))
    assert {(plan.key, plan.seed) for plan in plans} == {
        (f"{subject}#{repeat}", crc32(f"{repeat}:{subject}".encode()))
        for subject in people.subjects.tolist()
        for repeat in (4, 5, 6)
    }


def test_a_repetition_equals_a_run_with_its_seed(people: Samples) -> None:
    later = [plan for plan in plan_folds(people, TrainConfig(seed=0, repeats=3)) if plan.repeat == 2]
    for one, other in zip(later, plan_folds(people, TrainConfig(seed=2)), strict=True):
        assert one.key == other.key
        assert np.array_equal(one.validation_fold, other.validation_fold)


def test_validation_folds_differ_between_repetitions(people: Samples) -> None:
    first, second = (named(plan_folds(people, replace_seed(seed)), "c/0").validation_fold for seed in (0, 1))
    assert not np.array_equal(first, second)


def replace_seed(seed: int) -> TrainConfig:
    return TrainConfig(protocol="composite", seed=seed)


def test_labels_of_test_rows_do_not_change_validation_folds(people: Samples) -> None:
    test = people.subjects == "c/1"
    corrupted = replace(people, labels=np.where(test, (people.labels + 1) % 3, people.labels))
    config = TrainConfig(protocol="composite")
    honest, other = (named(plan_folds(rows, config), "c/1") for rows in (people, corrupted))
    assert np.array_equal(honest.validation_fold, other.validation_fold)


@pytest.mark.filterwarnings("ignore:The least populated class")  # the test calls the splitter itself
def test_no_validation_fold_is_empty_if_the_splitter_leaves_one_empty() -> None:
    subjects = np.repeat(["a/0", "a/1", "a/2", "a/3", "b/0"], [4, 1, 2, 5, 1])
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 1, 2, 2, 1, 2, 0])
    splits = StratifiedGroupKFold(4).split(labels[:12], labels[:12], subjects[:12])
    assert min(len(rows) for _, rows in splits) == 0
    clips = Samples(
        inputs=np.zeros((13, 1), np.float32),
        labels=labels,
        subjects=subjects,
        corpora=np.repeat("a", 13),
        clips=np.arange(13).astype(str),
        active=np.zeros((13, 0), np.bool_),
        classes=("x", "y", "z"),
    )
    plan = named(plan_folds(clips, TrainConfig(validation_folds=4)), "b/0")
    assert np.unique(plan.validation_fold).tolist() == [0, 1, 2]
    assert len(np.unique(list(zip(plan.validation_fold, clips.subjects[plan.training_rows], strict=True)), axis=0)) == 4


def test_groups_test_every_subject_once_and_repetitions_differ_only_in_seeds(samples: Samples) -> None:
    plans = plan_groups(samples, 3, TrainConfig(protocol="composite", repeats=2))
    first, second = plans[:3], plans[3:]
    test_rows = [set(samples.subjects[plan.test_rows]) for plan in first]
    assert sorted(name for group in test_rows for name in group) == sorted(set(samples.subjects))
    for plan, again in zip(first, second, strict=True):
        assert not set(samples.subjects[plan.training_rows]) & set(samples.subjects[plan.test_rows])
        assert len(plan.training_rows) + len(plan.test_rows) == len(samples.labels)
        assert (plan.name, plan.test_rows.tolist()) == (again.name, again.test_rows.tolist())
        assert plan.seed != again.seed


def test_groups_under_loso_use_one_corpus(samples: Samples) -> None:
    two = replace(samples, corpora=np.where(np.isin(samples.subjects, ["a/0", "a/1", "a/2", "b/0"]), "b", "a"))
    plans = plan_groups(two, 3, TrainConfig(protocol="loso"))
    assert [plan.name for plan in plans] == [f"{corpus} group {number}" for corpus in "ab" for number in range(3)]
    for plan in plans:
        assert len(set(two.corpora[plan.test_rows]) | set(two.corpora[plan.training_rows])) == 1


def test_too_few_subjects_for_groups_are_refused(samples: Samples) -> None:
    few = samples.take(np.flatnonzero(np.isin(samples.subjects, ["a/0", "a/1"])))
    with pytest.raises(ProtocolError, match="groups of subjects a: needs at least 2"):
        plan_groups(few, 2, TrainConfig(protocol="loso"))


def test_the_old_name_of_validation_folds_is_refused_with_the_new_name() -> None:
    with pytest.raises(ConfigError, match=r"train\.validation_parts: .* validation_folds"):
        check({"validation_parts": 3}, TrainConfig, "train")


def test_every_protocol_has_a_name_in_words() -> None:
    assert PROTOCOL_NAMES.keys() == set(get_args(TrainConfig.model_fields["protocol"].annotation)) == CONFIGS.keys()
