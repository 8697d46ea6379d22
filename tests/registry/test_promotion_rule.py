"""The gate alone: who passes, who is refused, what cannot be compared."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fake_evidence import EACH, PEOPLE, STRONG, TRUTH, WEAK, evidence
from microfacial.errors import ProtocolError
from microfacial.inference.example_input import Cost
from microfacial.registry.promotion_rule import (
    Evidence,
    RegistryConfig,
    compare_evidence,
    decide_first_promotion,
    decide_promotion,
)

COST = Cost(seconds=1.0, size=1000)
CONFIG = RegistryConfig()


def trial(challenger: Evidence, champion: Evidence, config: RegistryConfig = CONFIG) -> Any:
    return compare_evidence(challenger, champion, config, draws=500, seed=0)


def passes(
    challenger: Evidence, champion: Evidence, config: RegistryConfig = CONFIG, cost: Cost = COST
) -> tuple[bool, str]:
    verdict = decide_promotion(trial(challenger, champion, config), cost, COST, config)
    return verdict.passes, "; ".join(verdict.because)


def test_a_challenger_that_is_better_on_every_subject_passes() -> None:
    found = trial(STRONG, WEAK)
    expected = [f1_score(TRUTH, one.predictions.predicted[0], average="macro") for one in (STRONG, WEAK)]
    assert (found.challenger_uf1, found.champion_uf1) == pytest.approx(expected)
    assert found.difference == pytest.approx(expected[0] - expected[1])
    assert found.lower > 0
    assert passes(STRONG, WEAK)[0]


def test_a_challenger_that_is_worse_is_refused_with_the_bound_and_the_margin() -> None:
    passed, why = passes(WEAK, STRONG)
    assert not passed
    assert "below the margin +0.000" in why


def test_a_challenger_that_is_better_on_one_subject_of_ten_and_worse_on_two_is_refused() -> None:
    champion = evidence("champion", [0, 6, 12])
    passed, why = passes(evidence("challenger", [0, 18, 19, 24, 25]), champion)
    assert not passed
    assert "lower bound" in why


def test_a_tie_is_refused() -> None:
    found = trial(STRONG, replace(STRONG, name="twin"))
    assert (found.difference, found.lower) == (0.0, 0.0)
    passed, why = passes(STRONG, replace(STRONG, name="twin"))
    assert not passed
    assert "not shown to be better, and so must be clearly smaller or faster" in why


@pytest.mark.parametrize("cost", [Cost(seconds=0.7, size=1000), Cost(seconds=1.0, size=700)])
def test_a_tie_passes_if_the_challenger_is_clearly_smaller_or_faster(cost: Cost) -> None:
    assert passes(STRONG, replace(STRONG, name="twin"), cost=cost)[0]


def test_a_tie_does_not_pass_for_a_speed_that_may_be_chance() -> None:
    assert not passes(STRONG, replace(STRONG, name="twin"), cost=Cost(seconds=0.95, size=990))[0]


def test_a_negative_margin_asks_a_challenger_that_is_no_worse_to_be_cheaper() -> None:
    config = RegistryConfig(margin=-0.2)
    challenger, champion = evidence("challenger", [0, 6, 12, 18]), evidence("champion", [0, 6, 12])
    assert -0.2 < trial(challenger, champion).lower < 0
    assert not passes(challenger, champion, config)[0]
    assert passes(challenger, champion, config, Cost(seconds=0.5, size=1000))[0]
    assert passes(STRONG, WEAK, config)[0]  # shown to be better: it need not be cheaper


def test_a_positive_margin_asks_for_more_than_better() -> None:
    assert not passes(STRONG, WEAK, RegistryConfig(margin=0.9))[0]


@pytest.mark.parametrize(
    ("cost", "what"),
    [
        (Cost(seconds=1.6, size=1000), "latency is 1.60 times the champion's, more than registry.latency_ratio 1.5"),
        (Cost(seconds=1.0, size=200_000), "size is 200.00 times the champion's, more than registry.size_ratio 100"),
    ],
)
def test_a_better_challenger_that_costs_too_much_is_refused(cost: Cost, what: str) -> None:
    passed, why = passes(STRONG, WEAK, cost=cost)
    assert not passed
    assert what in why


# --- what may be compared ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"data": "xyz"}, r"data \(abc and xyz\)"),
        ({"scheme": "t"}, r"scheme \(s and t\)"),
        ({"dataset": "e"}, r"data set \(d and e\)"),
    ],
)
def test_other_data_or_labels_are_refused_by_name(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ProtocolError, match=f"strong and weak cannot be compared: they differ in {what}"):
        trial(STRONG, replace(WEAK, **change))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"protocol": "composite"}, r"protocol \(loso and composite\)"),
        ({"classes": ("x", "y", "w")}, "classes"),
        ({"clips": WEAK.predictions.clips[::-1]}, "clips"),
        ({"truth": (TRUTH + 1) % 3}, "labels"),
    ],
)
def test_other_clips_or_another_protocol_are_refused_by_name(change: dict[str, Any], what: str) -> None:
    with pytest.raises(ProtocolError, match=f"differ in {what}"):
        trial(STRONG, replace(WEAK, predictions=replace(WEAK.predictions, **change)))


def test_subjects_that_either_side_was_tuned_on_have_no_say() -> None:
    """The challenger is perfect where it was tuned, and worse elsewhere."""
    tuned = PEOPLE[:4]
    rows = np.repeat([person in tuned for person in PEOPLE], EACH)
    challenger = evidence("challenger", np.flatnonzero(~rows)[::2].tolist(), tuned_on=tuple(tuned[:3]))
    champion = evidence("champion", [*np.flatnonzero(rows), *np.flatnonzero(~rows)[::3]], tuned_on=(tuned[3],))
    found = trial(challenger, champion)
    assert (found.subjects, found.clips) == (6, 36)
    expected = f1_score(TRUTH[~rows], challenger.predictions.predicted[0][~rows], average="macro")
    assert found.challenger_uf1 == pytest.approx(expected)
    assert not passes(challenger, champion)[0]
    assert passes(replace(challenger, tuned_on=()), replace(champion, tuned_on=()))[0]  # as it would be if they had


def test_too_few_subjects_are_no_comparison() -> None:
    with pytest.raises(ProtocolError, match="only 4 subjects are left that neither was tuned on"):
        trial(STRONG, replace(WEAK, tuned_on=tuple(PEOPLE[:6])))


def test_repetitions_may_differ_in_number() -> None:
    """Their scores are averaged, as everywhere."""
    twice = replace(
        WEAK.predictions,
        predicted=np.concatenate([WEAK.predictions.predicted, STRONG.predictions.predicted]),
        probabilities=np.concatenate([WEAK.predictions.probabilities, STRONG.predictions.probabilities]),
    )
    found = trial(STRONG, replace(WEAK, predictions=twice))
    scores = [f1_score(TRUTH, one.predictions.predicted[0], average="macro") for one in (WEAK, STRONG)]
    assert found.champion_uf1 == pytest.approx(np.mean(scores))


# --- the first champion -----------------------------------------------------------------------------------------------


def test_a_first_champion_beats_the_baseline_by_its_plain_score() -> None:
    assert decide_first_promotion(STRONG, WEAK, CONFIG).passes
    refused = decide_first_promotion(WEAK, STRONG, CONFIG)
    assert not refused.passes
    assert "does not beat" in refused.because[0]
    assert not decide_first_promotion(STRONG, replace(STRONG, name="twin"), CONFIG).passes


def test_a_first_champion_is_compared_on_the_same_data_only() -> None:
    with pytest.raises(ProtocolError, match="differ in data"):
        decide_first_promotion(STRONG, replace(WEAK, data="xyz"), CONFIG)
