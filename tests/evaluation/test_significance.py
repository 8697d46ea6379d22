from dataclasses import replace
from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, recall_score

from microfacial.errors import ProtocolError
from microfacial.evaluation.significance import bootstrap_intervals, compare_predictions, count_by_subject, mcnemar
from microfacial.metrics import uf1
from microfacial.records import Predictions

DRAWS = 15


def predictions(model: str, predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> Predictions:
    """Return predictions with certainty, `(repeats, n)`. Every five clips belong to one subject."""
    clips = np.arange(len(truth))
    return Predictions(
        model=model,
        protocol="loso",
        classes=("x", "y", "z"),
        clips=clips.astype(str),
        subjects=(clips // 5).astype(str),
        truth=truth,
        predicted=predicted,
        probabilities=np.eye(3)[predicted],
    )


def draw_pair(repeats: int) -> tuple[Predictions, Predictions]:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 40)
    good = np.where(random.random((repeats, 40)) < 0.7, truth, random.integers(0, 3, (repeats, 40)))
    return predictions("good", good, truth), predictions("poor", random.integers(0, 3, (repeats, 40)), truth)


def resample(model: Predictions, seed: int) -> tuple[list[float], list[float]]:
    """Compute UF1 and UAR of draws of subjects with scikit-learn, from the rows themselves."""
    subjects = np.unique(model.subjects)
    drawn = np.random.default_rng(seed).integers(len(subjects), size=(DRAWS, len(subjects)))
    f1, recall = [], []
    for draw in drawn:
        rows = np.concatenate([np.flatnonzero(model.subjects == subjects[number]) for number in draw])
        present = np.unique(model.truth[rows])
        options = {"average": "macro", "labels": present, "zero_division": 0}
        f1.append(np.mean([f1_score(model.truth[rows], predicted[rows], **options) for predicted in model.predicted]))
        recall.append(
            np.mean([recall_score(model.truth[rows], predicted[rows], **options) for predicted in model.predicted])
        )
    return f1, recall


def test_equal_subjects_have_an_interval_of_length_zero() -> None:
    by_subject = np.tile(np.array([[2, 1], [0, 3]]), (1, 5, 1, 1))
    (low, high), _ = bootstrap_intervals(by_subject, 200, 0)
    assert low == high == pytest.approx(float(uf1(by_subject[0].sum(0))))


def test_whole_subjects_are_drawn() -> None:
    """With one correct and one wrong subject, UAR can only be 0, ½ or 1 if clips of a subject stay together."""
    right, wrong = np.array([[5, 0], [0, 5]]), np.array([[0, 5], [5, 0]])
    _, (low, high) = bootstrap_intervals(np.stack([right, wrong])[None], 500, 0)
    assert (low, high) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    by_subject = np.random.default_rng(0).integers(1, 5, (2, 8, 3, 3))
    assert bootstrap_intervals(by_subject, 300, 7) == bootstrap_intervals(by_subject, 300, 7)
    assert bootstrap_intervals(by_subject, 300, 7) != bootstrap_intervals(by_subject, 300, 8)


def test_the_score_of_a_draw_is_the_mean_over_repetitions() -> None:
    """With one correct and one wrong repetition, the score of every draw is ½."""
    right, wrong = np.array([[5, 0], [0, 5]]), np.array([[0, 5], [5, 0]])
    by_subject = np.stack([np.tile(right, (6, 1, 1)), np.tile(wrong, (6, 1, 1))])
    assert bootstrap_intervals(by_subject, 100, 0) == ((0.5, 0.5), (0.5, 0.5))


@pytest.mark.parametrize("repeats", [1, 2])
def test_intervals_equal_those_of_scikit_learn_on_resampled_rows(repeats: int) -> None:
    model, _ = draw_pair(repeats)
    expected = [np.percentile(scores, [2.5, 97.5]) for scores in resample(model, 5)]
    assert np.allclose(bootstrap_intervals(count_by_subject(model), DRAWS, 5), expected)


@pytest.mark.parametrize("repeats", [1, 2])
def test_differences_equal_those_of_scikit_learn_on_the_same_resampled_rows(repeats: int) -> None:
    good, poor = draw_pair(repeats)
    comparison = compare_predictions(good, poor, DRAWS, 5)
    drawn = np.subtract(resample(good, 5), resample(poor, 5))
    assert np.allclose([comparison.uf1_interval, comparison.uar_interval], np.percentile(drawn, [2.5, 97.5], axis=1).T)
    scores = [
        np.mean([f1_score(model.truth, predicted, average="macro") for predicted in model.predicted])
        for model in (good, poor)
    ]
    assert comparison.uf1_difference == pytest.approx(scores[0] - scores[1])
    assert (comparison.model, comparison.baseline, comparison.subjects) == ("good", "poor", 8)
    assert comparison.tells_apart


def test_counts_of_subjects_equal_a_hand_computation() -> None:
    model = predictions("m", np.array([[0, 1, 1, 1, 2, 2]]), np.array([0, 0, 1, 1, 2, 0]))
    assert count_by_subject(model).tolist() == [
        [[[1, 1, 0], [0, 2, 0], [0, 0, 1]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]],
    ]


def test_a_model_does_not_differ_from_itself() -> None:
    good, _ = draw_pair(2)
    comparison = compare_predictions(good, replace(good, model="copy"), DRAWS, 0)
    assert (comparison.uf1_difference, comparison.uf1_interval, comparison.uar_interval) == (0, (0, 0), (0, 0))
    assert (comparison.only_model, comparison.only_baseline, comparison.mcnemar_p) == (0, 0, 1.0)
    assert not comparison.tells_apart


def test_paired_draws_give_a_narrow_interval() -> None:
    """A model is better in every draw if it is correct on the same clips and on one more clip of every subject."""
    truth = np.tile([0, 1, 2, 0, 1], 8)
    poor = np.where(np.arange(40) % 5 == 0, truth, (truth + 1) % 3)
    better = np.where(np.arange(40) % 5 <= 1, truth, (truth + 1) % 3)
    comparison = compare_predictions(
        predictions("b", better[None], truth), predictions("p", poor[None], truth), DRAWS, 0
    )
    assert comparison.uar_interval[0] == comparison.uar_interval[1] == pytest.approx(comparison.uar_difference)
    assert (comparison.only_model, comparison.only_baseline) == (8, 0)
    assert comparison.mcnemar_p == pytest.approx(2 / 2**8)


@pytest.mark.parametrize(("first", "second"), [(1, 0), (3, 9), (9, 3), (6, 6), (0, 12)])
def test_mcnemars_p_is_twice_the_smaller_tail_of_a_binomial(first: int, second: int) -> None:
    tail = sum(comb(first + second, hits) for hits in range(min(first, second) + 1)) / 2 ** (first + second)
    assert mcnemar(first, second) == pytest.approx(min(1.0, 2 * tail))


def test_voted_is_the_class_of_the_mean_probability_over_repetitions() -> None:
    """Two of three repetitions predict y, but the third is more confident of x."""
    truth = np.array([0])
    probabilities = np.array([[[0.4, 0.6, 0.0]], [[0.4, 0.6, 0.0]], [[0.9, 0.1, 0.0]]])
    model = replace(predictions("m", np.array([[1], [1], [0]]), truth), probabilities=probabilities)
    assert model.voted.tolist() == [0]


def test_voted_of_one_repetition_is_its_prediction_even_if_rounding_makes_a_tie() -> None:
    model = predictions("m", np.array([[1]]), np.array([1]))
    assert replace(model, probabilities=np.array([[[0.5, 0.5, 0.0]]])).voted.tolist() == [1]


def test_models_cannot_be_told_apart_on_one_subject() -> None:
    truth = np.array([0, 1, 2])
    comparison = compare_predictions(
        predictions("a", truth[None], truth), predictions("b", (2 - truth)[None], truth), DRAWS, 0
    )
    assert comparison.uf1_interval[0] > 0
    assert not comparison.tells_apart


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"protocol": "holdout"}, "protocol"),
        ({"classes": ("x", "y", "w")}, "classes"),
        ({"clips": np.arange(1, 41).astype(str)}, "clips"),
        ({"truth": np.zeros(40, np.int64)}, "labels"),
    ],
)
def test_models_with_different_evaluations_are_not_compared(change: dict[str, object], name: str) -> None:
    good, poor = draw_pair(1)
    with pytest.raises(ProtocolError, match=f"good and poor .* {name}.*in Python"):
        compare_predictions(good, replace(poor, **change), DRAWS, 0)  # type: ignore[arg-type]
