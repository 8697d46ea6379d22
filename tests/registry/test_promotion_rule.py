"""The rule of promotion: which challenger passes, which fails, and which evidence cannot be compared."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fake_evidence import CLIPS_EACH, PEOPLE, STRONG, TRUTH, WEAK, make_evidence
from microfacial.errors import ConfigError, ProtocolError
from microfacial.inference.cost import Cost
from microfacial.registry.evidence import Evidence
from microfacial.registry.promotion_rule import (
    EvidenceComparison,
    apply_first_champion_rule,
    apply_promotion_rule,
    compare_evidence,
)
from microfacial.registry.settings import RegistryConfig
from microfacial.settings import check

COST = Cost(seconds=1.0, size=1000)
CONFIG = RegistryConfig()
TWIN = replace(STRONG, name="twin")  # predicts the same as STRONG


def compare(challenger: Evidence, champion: Evidence, config: RegistryConfig = CONFIG) -> EvidenceComparison:
    return compare_evidence(challenger, champion, config, draws=500, seed=0)


def apply(
    challenger: Evidence, champion: Evidence, config: RegistryConfig = CONFIG, cost: Cost = COST
) -> tuple[bool, str]:
    """Apply the rule to a challenger of some cost. Return whether it passes, and the reasons in one text."""
    result = apply_promotion_rule(compare(challenger, champion, config), cost, COST, config)
    return result.passes, "; ".join(result.reasons)


def test_a_challenger_that_is_better_on_every_subject_passes() -> None:
    comparison = compare(STRONG, WEAK)
    expected = [f1_score(TRUTH, evidence.predictions.predicted[0], average="macro") for evidence in (STRONG, WEAK)]
    assert (comparison.challenger_uf1, comparison.champion_uf1) == pytest.approx(expected)
    assert comparison.difference == pytest.approx(expected[0] - expected[1])
    assert comparison.lower > 0
    assert apply(STRONG, WEAK)[0]


def test_a_worse_challenger_fails_with_the_bound_and_the_margin() -> None:
    passes, reasons = apply(WEAK, STRONG)
    assert not passes
    assert "below the margin +0.000" in reasons


def test_a_challenger_that_is_better_on_one_of_ten_subjects_and_worse_on_two_fails() -> None:
    champion = make_evidence("champion", [0, 6, 12])
    passes, reasons = apply(make_evidence("challenger", [0, 18, 19, 24, 25]), champion)
    assert not passes
    assert "lower bound" in reasons


def test_a_tie_fails() -> None:
    comparison = compare(STRONG, TWIN)
    assert (comparison.difference, comparison.lower) == (0.0, 0.0)
    passes, reasons = apply(STRONG, TWIN)
    assert not passes
    assert "smaller or faster" in reasons


@pytest.mark.parametrize("cost", [Cost(seconds=0.7, size=1000), Cost(seconds=1.0, size=700)])
def test_a_tie_passes_if_the_challenger_is_clearly_smaller_or_faster(cost: Cost) -> None:
    assert apply(STRONG, TWIN, cost=cost)[0]


def test_a_tie_fails_if_the_challenger_is_only_slightly_cheaper() -> None:
    assert not apply(STRONG, TWIN, cost=Cost(seconds=0.95, size=990))[0]


def test_with_a_negative_margin_a_challenger_that_is_no_worse_must_be_cheaper() -> None:
    config = RegistryConfig(margin=-0.2)
    challenger, champion = make_evidence("challenger", [0, 6, 12, 18]), make_evidence("champion", [0, 6, 12])
    assert -0.2 < compare(challenger, champion).lower < 0
    assert not apply(challenger, champion, config)[0]
    assert apply(challenger, champion, config, Cost(seconds=0.5, size=1000))[0]
    assert apply(STRONG, WEAK, config)[0]  # it is shown to be better, so it need not be cheaper


def test_with_a_positive_margin_a_slightly_better_challenger_fails() -> None:
    assert not apply(STRONG, WEAK, RegistryConfig(margin=0.9))[0]


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        (Cost(seconds=1.6, size=1000), "latency is 1.60 times the champion's, more than registry.latency_ratio 1.5"),
        (Cost(seconds=1.0, size=200_000), "size is 200.00 times the champion's, more than registry.size_ratio 100"),
    ],
)
def test_a_better_challenger_that_costs_too_much_fails(cost: Cost, reason: str) -> None:
    passes, reasons = apply(STRONG, WEAK, cost=cost)
    assert not passes
    assert reason in reasons


@pytest.mark.parametrize(("former", "present"), [("pack", "bundle"), ("fewest_subjects", "min_subjects")])
def test_a_former_key_is_refused_with_the_present_one(former: str, present: str) -> None:
    with pytest.raises(ConfigError, match=f"registry.{former}: .*{present}"):
        check({former: 2}, RegistryConfig, "registry")


# --- which evidence can be compared -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"data": "xyz"}, r"data \(abc and xyz\)"),
        ({"scheme": "t"}, r"scheme \(s and t\)"),
        ({"dataset": "e"}, r"data set \(d and e\)"),
    ],
)
def test_different_data_is_refused_with_both_values(change: dict[str, Any], difference: str) -> None:
    with pytest.raises(ProtocolError, match=f"strong and weak .* {difference}"):
        compare(STRONG, replace(WEAK, **change))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"protocol": "composite"}, r"protocol \(loso and composite\)"),
        ({"classes": ("x", "y", "w")}, "classes"),
        ({"clips": WEAK.predictions.clips[::-1]}, "clips"),
        ({"truth": (TRUTH + 1) % 3}, "labels"),
    ],
)
def test_different_clips_or_protocols_are_refused_by_name(change: dict[str, Any], difference: str) -> None:
    with pytest.raises(ProtocolError, match=f"differ in {difference}"):
        compare(STRONG, replace(WEAK, predictions=replace(WEAK.predictions, **change)))


def test_subjects_that_either_side_was_tuned_on_do_not_count() -> None:
    """The challenger is perfect on the subjects of the tuning, and worse on the others."""
    tuned = PEOPLE[:4]
    rows = np.repeat([person in tuned for person in PEOPLE], CLIPS_EACH)
    challenger = make_evidence("challenger", np.flatnonzero(~rows)[::2].tolist(), tuned_on=tuple(tuned[:3]))
    champion = make_evidence("champion", [*np.flatnonzero(rows), *np.flatnonzero(~rows)[::3]], tuned_on=(tuned[3],))
    comparison = compare(challenger, champion)
    assert (comparison.subjects, comparison.clips) == (6, 36)
    expected = f1_score(TRUTH[~rows], challenger.predictions.predicted[0][~rows], average="macro")
    assert comparison.challenger_uf1 == pytest.approx(expected)
    assert not apply(challenger, champion)[0]
    assert apply(replace(challenger, tuned_on=()), replace(champion, tuned_on=()))[0]  # if all subjects counted


def test_too_few_untuned_subjects_are_refused() -> None:
    with pytest.raises(ProtocolError, match=r" 4 .*registry\.min_subjects requires 5"):
        compare(STRONG, replace(WEAK, tuned_on=tuple(PEOPLE[:6])))


def test_scores_are_averaged_over_different_numbers_of_repetitions() -> None:
    twice = replace(
        WEAK.predictions,
        predicted=np.concatenate([WEAK.predictions.predicted, STRONG.predictions.predicted]),
        probabilities=np.concatenate([WEAK.predictions.probabilities, STRONG.predictions.probabilities]),
    )
    comparison = compare(STRONG, replace(WEAK, predictions=twice))
    scores = [f1_score(TRUTH, evidence.predictions.predicted[0], average="macro") for evidence in (WEAK, STRONG)]
    assert comparison.champion_uf1 == pytest.approx(np.mean(scores))


# --- the first champion -----------------------------------------------------------------------------------------------


def test_a_first_champion_must_beat_the_score_of_the_baseline() -> None:
    assert apply_first_champion_rule(STRONG, WEAK, CONFIG).passes
    refused = apply_first_champion_rule(WEAK, STRONG, CONFIG)
    assert not refused.passes
    assert "does not beat" in refused.reasons[0]
    assert not apply_first_champion_rule(STRONG, TWIN, CONFIG).passes


def test_a_first_champion_is_compared_on_the_same_data_only() -> None:
    with pytest.raises(ProtocolError, match="differ in data"):
        apply_first_champion_rule(STRONG, replace(WEAK, data="xyz"), CONFIG)
