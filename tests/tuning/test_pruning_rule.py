import numpy as np
import pytest
from scipy.stats import wilcoxon

from microfacial.records import FoldPlan, FoldResult, History
from microfacial.tuning.pruning_rule import is_clearly_worse, paired_differences, score_fold


def make_fold(truth: list[int], probabilities: list[list[float]]) -> FoldResult:
    rows = np.arange(len(truth))
    plan = FoldPlan(name="f", repeat=0, seed=0, test_rows=rows, training_rows=rows, validation_fold=rows)
    return FoldResult(
        plan=plan,
        truth=np.array(truth),
        probabilities=np.array(probabilities),
        chosen="",
        history=History(),
        seconds=0.0,
    )


def test_the_score_of_a_fold_is_the_mean_of_hits_and_probabilities_with_equal_weights_of_classes() -> None:
    fold = make_fold([0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    # (1 + .9) / 2, (0 + .4) / 2, (1 + .8) / 2, with weights 1 / .75, 1 / .75, 1 / .25
    expected = (0.95 / 0.75 + 0.2 / 0.75 + 0.9 / 0.25) / (2 / 0.75 + 1 / 0.25)
    assert score_fold(fold, np.array([0.75, 0.25])) == pytest.approx(expected)


def test_differences_compare_the_same_folds_and_are_averaged_over_repetitions() -> None:
    scores = {0: 0.5, 1: 0.5, 3: 0.9, 4: 0.1}  # three folds: step 3 is fold 0 of the second repetition, 4 is fold 1
    reference = {0: 0.4, 1: 0.7, 2: 0.3, 3: 0.7}
    assert paired_differences(scores, reference, 3).tolist() == pytest.approx([(0.1 + 0.2) / 2, -0.2])


def test_a_trial_is_clearly_worse_if_scipys_signed_rank_test_is_below_the_level() -> None:
    random = np.random.default_rng(0)
    decisions = set()
    for _ in range(40):
        reference, scores = random.uniform(size=9), random.uniform(size=9) - random.uniform(0, 0.4)
        expected = wilcoxon(scores, reference, alternative="less").pvalue < 0.1
        worse = is_clearly_worse(dict(enumerate(scores)), dict(enumerate(reference)), 9, 0.1)
        assert worse == expected
        decisions.add(worse)
    assert decisions == {True, False}


def test_better_trials_trials_with_few_folds_and_ties_are_not_clearly_worse() -> None:
    low, high = dict.fromkeys(range(9), 0.2), {step: 0.5 + step / 100 for step in range(9)}
    assert is_clearly_worse(low, high, 9, 0.1)
    assert not is_clearly_worse(high, low, 9, 0.1)
    assert not is_clearly_worse({step: low[step] for step in range(4)}, high, 9, 0.1)
    assert not is_clearly_worse(low, low, 9, 0.1)
