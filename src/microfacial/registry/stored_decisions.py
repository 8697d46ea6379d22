"""The decisions on registered versions, as they are stored in the tags of the versions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from microfacial.errors import PipelineError
from microfacial.inference.cost import Cost
from microfacial.registry.promotion_rule import EvidenceComparison
from microfacial.tracking.model_versions import ModelVersionRecord, Registry

_PROMOTIONS = ("promoted", "first", "forced")
_ATTEMPTS = ("promoted", "first", "forced", "refused")
_FORMER_FIELDS = {  # names in decisions from before the rename
    "at": "time",
    "because": "reasons",
    "contest": "comparison",
    "reason": "justification",
    "tries": "attempts",
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A decision on a version of a registered model.

    Attributes:
        number: number of the decision among all decisions on the registered model, from 1.
        kind: `promoted`, `first`, `forced`, `refused` or `rolled back`.
        version: number of the version that the decision is on.
        against: number of the champion that the version was compared with, or that a rollback restores. None if the
            registered model had no champion.
        data: digest of the data that the version was evaluated on.
        attempts: number of challengers that have been compared on the same data, including this one.
        reasons: the reasons that the rule gives, one sentence each.
        justification: the user's reason for forcing a promotion or for a rollback. May be empty.
        comparison: the scores of challenger and champion. None if they were not compared.
        costs: costs of challenger and champion. None if they were not compared.
        time: time of the decision in UTC, ISO 8601.
        done: whether all writes of the decision have finished.
    """

    number: int
    kind: str
    version: int
    against: int | None
    data: str
    attempts: int
    reasons: tuple[str, ...]
    justification: str
    comparison: EvidenceComparison | None
    costs: tuple[Cost, Cost] | None
    time: str
    done: bool

    @property
    def promotes(self) -> bool:
        """Whether the version becomes the champion."""
        return self.kind in _PROMOTIONS


def read_decisions(registry: Registry) -> list[Decision]:
    """Return all decisions on all versions, in order.

    Args:
        registry: the registered model.

    Raises:
        PipelineError: another version of microfacial wrote a decision.
    """
    decisions = [_read_decision(content) for contents in registry.decisions().values() for content in contents]
    return sorted(decisions, key=lambda decision: decision.number)


def write_decision(registry: Registry, decision: Decision) -> None:
    """Write a decision to the tags of its version. It replaces an earlier state of the same decision.

    Args:
        registry: the registered model.
        decision: the decision.
    """
    registry.record(decision.version, decision.number, asdict(decision))


def mark_done(registry: Registry, decision: Decision) -> Decision:
    """Store that all writes of a decision have finished.

    Args:
        registry: the registered model.
        decision: the decision.

    Returns:
        The decision with `done` set.
    """
    done = replace(decision, done=True)
    write_decision(registry, done)
    return done


def next_number(decisions: Sequence[Decision]) -> int:
    """Return the number of the next decision.

    It is above the largest number, because a deleted version takes its decisions with it. Counting the decisions could
    give a number that is in use.

    Args:
        decisions: all decisions so far.
    """
    return max((decision.number for decision in decisions), default=0) + 1


def count_attempts(decisions: Sequence[Decision], data: str) -> int:
    """Return how many challengers have been compared on the same data.

    Args:
        decisions: all decisions so far.
        data: digest of the data.
    """
    return sum(decision.kind in _ATTEMPTS and decision.data == data for decision in decisions)


def data_of(version: ModelVersionRecord) -> str:
    """Return the digest of the data that a version was evaluated on.

    Args:
        version: a registered version.
    """
    return version.origin.get("data", "")


def current_time() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read_decision(content: Mapping[str, Any]) -> Decision:
    content = {_FORMER_FIELDS.get(name, name): value for name, value in content.items()}
    if content.keys() != {field.name for field in fields(Decision)}:
        raise PipelineError(
            f"decision {content.get('number')} was written by another version of microfacial. Use that version, or "
            f"delete the tag microfacial.decision.{content.get('number', 0):03d} of version {content.get('version')} "
            "on MLflow's page (`microfacial ui`)"
        )
    costs = content["costs"]
    return Decision(
        **{
            **content,
            "reasons": tuple(content["reasons"]),
            "comparison": EvidenceComparison(**content["comparison"]) if content["comparison"] else None,
            "costs": (Cost(**costs[0]), Cost(**costs[1])) if costs else None,
        }
    )
