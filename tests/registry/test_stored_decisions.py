"""Decisions in the tags of versions, including those with the field names of earlier releases."""

from typing import Any

import pytest

from microfacial.errors import PipelineError
from microfacial.inference.cost import Cost
from microfacial.registry.describe import describe_decision, describe_scores_and_costs
from microfacial.registry.promotion_rule import EvidenceComparison
from microfacial.registry.stored_decisions import (
    Decision,
    count_attempts,
    mark_done,
    next_number,
    read_decisions,
    write_decision,
)


class FakeRegistry:
    """Keeps the decisions on the versions of one registered model."""

    name = "d.s"

    def __init__(self) -> None:
        self.contents: dict[tuple[int, int], Any] = {}

    def record(self, version: int, number: int, decision: Any) -> None:
        self.contents[version, number] = decision

    def decisions(self) -> dict[int, list[Any]]:
        versions = {version for version, _ in self.contents}
        return {version: [row for key, row in self.contents.items() if key[0] == version] for version in versions}


DECISION = Decision(
    number=2,
    kind="promoted",
    version=3,
    against=1,
    data="abc",
    attempts=2,
    reasons=("UF1 +0.100",),
    justification="",
    comparison=EvidenceComparison(
        challenger_uf1=0.6, champion_uf1=0.5, difference=0.1, lower=0.05, subjects=6, clips=36
    ),
    costs=(Cost(seconds=0.1, size=2000), Cost(seconds=0.2, size=3000)),
    time="2026-01-02T03:04:05+00:00",
    done=False,
)
FORMER = {
    "number": 1,
    "kind": "forced",
    "version": 1,
    "against": None,
    "data": "abc",
    "tries": 1,
    "because": ["it is not shown to be better"],
    "reason": "a start",
    "contest": None,
    "costs": None,
    "at": "2026-01-01T00:00:00+00:00",
    "done": True,
}


def test_a_written_decision_is_read_back() -> None:
    registry = FakeRegistry()
    write_decision(registry, DECISION)  # type: ignore[arg-type]
    done = mark_done(registry, DECISION)  # type: ignore[arg-type]
    assert done.done
    assert read_decisions(registry) == [done]  # type: ignore[arg-type]


def test_a_decision_with_the_former_field_names_is_read() -> None:
    registry = FakeRegistry()
    registry.record(1, 1, FORMER)
    (decision,) = read_decisions(registry)  # type: ignore[arg-type]
    assert (decision.attempts, decision.reasons) == (1, ("it is not shown to be better",))
    assert (decision.justification, decision.time) == ("a start", "2026-01-01T00:00:00+00:00")
    assert decision.comparison is None


def test_decisions_are_in_the_order_of_their_numbers() -> None:
    registry = FakeRegistry()
    write_decision(registry, DECISION)  # type: ignore[arg-type]
    registry.record(1, 1, FORMER)
    decisions = read_decisions(registry)  # type: ignore[arg-type]
    assert [decision.number for decision in decisions] == [1, 2]
    assert next_number(decisions) == 3
    assert [count_attempts(decisions, data) for data in ("abc", "xyz")] == [2, 0]


def test_a_decision_with_unknown_fields_is_named_with_its_tag() -> None:
    registry = FakeRegistry()
    registry.record(1, 2, {"number": 2, "version": 1, "kind": "promoted"})
    with pytest.raises(PipelineError, match=r"decision 2 .* microfacial\.decision\.002 of version 1"):
        read_decisions(registry)  # type: ignore[arg-type]


def test_a_decision_is_described_with_its_reasons_and_its_attempt() -> None:
    assert describe_decision(DECISION) == (
        "2026-01-02T03:04:05+00:00 version 3 promoted against version 1: UF1 +0.100 [attempt 2 on this data] – "
        "interrupted before it was done"
    )


def test_scores_and_costs_are_described_in_one_line_each() -> None:
    scores, costs = describe_scores_and_costs(DECISION)
    assert scores.startswith("UF1 0.600 against 0.500: +0.100, lower bound +0.050, on 36 clips of 6 subjects")
    assert costs == "100 ms per clip against 200 ms, 2 kB of weights against 3 kB"
