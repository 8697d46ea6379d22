from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from microfacial.errors import ProtocolError
from microfacial.evaluation.protocols import TrainConfig, plan_folds
from microfacial.evaluation.scoring import ONE_SUBJECT, gather, pool
from microfacial.records import DEMO_CORPUS, PRIOR_ON_DRAWN, SYNTHETIC, FoldPlan, FoldResult, History, Samples

CONFIG = TrainConfig(protocol="composite", bootstrap_draws=100)
Probabilities = NDArray[np.float64]


def folds_of(
    samples: Samples, guess: Callable[[FoldPlan], Probabilities], config: TrainConfig = CONFIG
) -> list[FoldResult]:
    """Return folds that predict `guess(plan)` for their test rows."""
    return [
        FoldResult(
            plan=plan,
            truth=samples.labels[plan.test_rows],
            probabilities=guess(plan),
            chosen="",
            history=History(),
            seconds=0.0,
        )
        for plan in plan_folds(samples, config)
    ]


def fixed(guesses: NDArray[np.int64]) -> Callable[[FoldPlan], Probabilities]:
    """Predict each class with certainty. `guesses` has one row for all repetitions, or one row for each."""
    by_repeat = np.atleast_2d(guesses)
    return lambda plan: np.eye(3)[by_repeat[plan.repeat % len(by_repeat)][plan.test_rows]]


def draw(samples: Samples, repeats: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, 3, (repeats, len(samples.labels)))


def test_scores_are_pooled_over_folds_and_per_corpus(samples: Samples) -> None:
    guesses = draw(samples, 1)[0]
    scored = pool("m", samples, folds_of(samples, fixed(guesses)), CONFIG)
    assert scored.overall.uf1 == pytest.approx(f1_score(samples.labels, guesses, average="macro"))
    assert np.array_equal(scored.overall.confusion, confusion_matrix(samples.labels, guesses))
    assert (scored.overall.clips, scored.overall.subjects) == (25, 7)
    assert (scored.corpora["b"].clips, scored.corpora["b"].subjects) == (1, 1)
    assert scored.uf1_interval[0] <= scored.overall.uf1 <= scored.uf1_interval[1]
    assert (scored.repeats, scored.uf1_sd, scored.uar_sd, scored.protocol) == (1, 0, 0, "composite")


def test_scores_of_repetitions_are_averaged_and_their_deviation_is_that_of_a_sample(samples: Samples) -> None:
    config, guesses = replace_repeats(3), draw(samples, 3)
    scored = pool("m", samples, folds_of(samples, fixed(guesses), config), config)
    f1 = [f1_score(samples.labels, guess, average="macro") for guess in guesses]
    recall = [recall_score(samples.labels, guess, average="macro") for guess in guesses]
    assert scored.overall.uf1 == pytest.approx(np.mean(f1))
    assert scored.overall.uar == pytest.approx(np.mean(recall))
    assert scored.overall.accuracy == pytest.approx(
        np.mean([accuracy_score(samples.labels, guess) for guess in guesses])
    )
    assert scored.uf1_sd == pytest.approx(np.sqrt(np.square(np.array(f1) - np.mean(f1)).sum() / 2))
    assert scored.uar_sd == pytest.approx(np.std(recall, ddof=1))
    assert np.array_equal(
        scored.overall.confusion, sum(confusion_matrix(samples.labels, guess, labels=range(3)) for guess in guesses)
    )
    assert (scored.overall.clips, scored.overall.subjects, scored.repeats) == (25, 7, 3)
    assert scored.corpora["a"].clips == 24


def replace_repeats(repeats: int) -> TrainConfig:
    return TrainConfig(protocol="composite", repeats=repeats, bootstrap_draws=100)


def test_equal_repetitions_score_like_one(samples: Samples) -> None:
    guesses, config = draw(samples, 1), replace_repeats(4)
    single = pool("m", samples, folds_of(samples, fixed(guesses)), CONFIG)
    repeated = pool("m", samples, folds_of(samples, fixed(guesses), config), config)
    assert repeated.overall.uf1 == pytest.approx(single.overall.uf1)
    assert repeated.uf1_interval == pytest.approx(single.uf1_interval)  # repetitions do not count as more subjects
    assert repeated.uf1_sd == pytest.approx(0)


def test_subjects_are_counted_by_clip_and_not_by_fold(samples: Samples) -> None:
    config = TrainConfig(protocol="holdout", holdout=("a/0", "a/4", "a/5"), bootstrap_draws=100)
    guesses = draw(samples, 1)[0]
    scored = pool("m", samples, folds_of(samples, fixed(guesses), config), config)
    test_rows = np.isin(samples.subjects, config.holdout)
    assert (scored.overall.clips, scored.overall.subjects) == (12, 3)
    assert scored.overall.uf1 == pytest.approx(f1_score(samples.labels[test_rows], guesses[test_rows], average="macro"))
    assert list(scored.corpora) == ["a"]
    assert scored.uf1_interval[0] < scored.uf1_interval[1]


def test_one_test_subject_has_no_interval_and_a_note(samples: Samples) -> None:
    config = TrainConfig(protocol="holdout", holdout=("a/4",), bootstrap_draws=100)
    scored = pool("m", samples, folds_of(samples, fixed(draw(samples, 1)), config), config)
    assert scored.uf1_interval[0] == scored.uf1_interval[1]
    assert scored.note == ONE_SUBJECT


def test_means_over_folds_leave_out_classes_that_a_fold_lacks(samples: Samples) -> None:
    """The majority class has a UAR of ½ for a subject with two classes. The pooled UAR is ⅓."""
    guesses = np.zeros((1, 25), np.int64)
    scored = pool("m", samples, folds_of(samples, fixed(guesses)), CONFIG)
    assert scored.overall.uar == pytest.approx(1 / 3)
    by_fold = {f"a/{n}": 1 / 2 for n in range(4)} | {"a/4": 1 / 3, "a/5": 1 / 3, "b/0": 1.0}
    assert scored.mean_over_folds_uar == pytest.approx(np.mean(list(by_fold.values())))
    assert scored.mean_over_folds_accuracy == pytest.approx((4 * 2 / 4 + 2 * 1 / 4 + 1) / 7)
    assert scored.mean_over_folds_uf1 == pytest.approx((4 * (2 / 3) / 2 + 2 * (2 / 5) / 3 + 1) / 7)


def test_calibration_uses_all_predictions(samples: Samples) -> None:
    """Predictions with full confidence that are correct half of the time have an error of ½."""
    config = replace_repeats(2)
    wrong = (samples.labels + 1) % 3
    scored = pool("m", samples, folds_of(samples, fixed(np.stack([samples.labels, wrong])), config), config)
    assert scored.ece == pytest.approx(0.5)


def test_predictions_are_gathered_in_the_order_of_rows(samples: Samples) -> None:
    config, guesses = replace_repeats(2), draw(samples, 2)
    folds = folds_of(samples, fixed(guesses), config)
    predictions = gather("m", samples, folds[::-1], config)
    assert np.array_equal(predictions.predicted, guesses)
    assert np.array_equal(predictions.clips, samples.clips)
    assert np.array_equal(predictions.truth, samples.labels)


def test_only_scores_of_synthetic_clips_carry_their_note(samples: Samples) -> None:
    demo = replace(samples, corpora=np.where(samples.corpora == "b", DEMO_CORPUS, samples.corpora))
    assert pool("m", demo, folds_of(demo, fixed(demo.labels)), CONFIG).note == SYNTHETIC
    prior = [replace(fold, uses_prior=True) for fold in folds_of(demo, fixed(demo.labels))]
    assert pool("m", demo, prior, CONFIG).note == f"{SYNTHETIC}; {PRIOR_ON_DRAWN}"
    real = [replace(fold, uses_prior=True) for fold in folds_of(samples, fixed(samples.labels))]
    assert pool("m", samples, real, CONFIG).note == ""
    assert pool("m", samples, folds_of(samples, fixed(samples.labels)), CONFIG).note == ""


def test_folds_with_other_labels_are_refused(samples: Samples) -> None:
    relabelled = replace(samples, labels=2 - samples.labels)
    with pytest.raises(ProtocolError, match="forest"):
        pool("forest", relabelled, folds_of(samples, fixed(samples.labels)), CONFIG)


@pytest.mark.parametrize("folds_left", [slice(1, None), slice(0), slice(None, -1)])
def test_missing_folds_are_refused(samples: Samples, folds_left: slice) -> None:
    config = replace_repeats(2)
    with pytest.raises(ProtocolError, match="forest"):
        pool("forest", samples, folds_of(samples, fixed(samples.labels), config)[folds_left], config)


def test_a_repeated_fold_and_one_of_another_repetition_are_refused(samples: Samples) -> None:
    folds = folds_of(samples, fixed(samples.labels))
    other_repetition = replace(folds[0], plan=replace(folds[0].plan, repeat=1))
    for surplus in (folds[0], other_repetition):
        with pytest.raises(ProtocolError, match="forest"):
            pool("forest", samples, [*folds, surplus], CONFIG)


def test_scores_do_not_depend_on_the_order_of_folds(samples: Samples) -> None:
    config = replace_repeats(3)
    folds = folds_of(samples, fixed(draw(samples, 3)), config)
    random = np.random.default_rng(0)
    expected = pool("m", samples, folds, config)
    for _ in range(8):
        assert pool("m", samples, [folds[place] for place in random.permutation(len(folds))], config) == expected
