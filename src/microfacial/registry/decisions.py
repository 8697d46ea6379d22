"""What is decided about registered models: who becomes the champion, who was it before, and how it came to that.

The order of writes is such that, killed at any moment, there is exactly one champion, old or new:

    1  the decision, with the champion that it replaces, on the version it is about (not yet `done`)
    2  the alias `champion`, in one call
    3  the alias `challenger` is released, the decision marked as done, the description written

What a kill left half done is settled by whoever decides next. One process at a time decides: a lock holds on one host.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from microfacial.errors import PipelineError, ProtocolError, StorageError
from microfacial.evaluation import result_files as outcomes
from microfacial.files import read_json
from microfacial.inference.example_input import Cost
from microfacial.locks import exclusive_lock
from microfacial.registry.promotion_rule import (
    Evidence,
    EvidenceComparison,
    PromotionDecision,
    RegistryConfig,
    compare_evidence,
    decide_first_promotion,
    decide_promotion,
)
from microfacial.tracking.model_versions import ModelVersionRecord, Registry

_PROMOTING = ("promoted", "first", "forced")
_TRIED = ("promoted", "refused", "forced")
_LATEST = 20  # decisions that the description shows
_LONGEST = 4900  # characters of a description that every database takes


@dataclass(frozen=True, kw_only=True)
class Request:
    """How a promotion is asked for: the rule, its draws, and what overrides it. `force` is the reason, or empty.

    `baseline` is the variant that a first champion must beat.
    """

    config: RegistryConfig
    baseline: str
    draws: int
    seed: int
    bootstrap: bool = False
    force: str = ""
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where a decision takes its facts from.

    `evidence` reads a version's, `costs` measures challenger and champion in one process, `baseline` finds the
    baseline's evidence, if there is any.
    """

    evidence: Callable[[ModelVersionRecord], Evidence]
    costs: Callable[[ModelVersionRecord, ModelVersionRecord], tuple[Cost, Cost]]
    baseline: Callable[[], Evidence | None]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided on a version, the `number`th decision of its registered model.

    `kind` is promoted, first, forced, refused or rolled back. `against` is the champion that it was compared with or
    that it gives way to; `tries` counts the challengers tried on the same data, this one included. `reason` was given
    by who forced it. It is not `done` until all writes are.
    """

    number: int
    kind: str
    version: int
    against: int | None
    data: str
    tries: int
    because: tuple[str, ...]
    reason: str
    contest: EvidenceComparison | None
    costs: tuple[Cost, Cost] | None
    at: str
    done: bool

    @property
    def promotes(self) -> bool:
        """Whether its version becomes the champion."""
        return self.kind in _PROMOTING


@contextmanager
def deciding(root: Path) -> Iterator[None]:
    """Be the only process on this host that changes the registry of a project."""
    with exclusive_lock(root / "mlruns" / ".registry.lock", "another process that changes the registry"):
        yield


def promote_challenger(registry: Registry, request: Request, sources: Sources, root: Path) -> Decision:
    """Decide whether the challenger becomes the champion, and unless it is a dry run, make it so.

    Raises:
        PipelineError: there is no challenger, or another promotion came first.
        ProtocolError: the two cannot be compared.
    """
    champion, challenger = registry.find("champion"), registry.find("challenger")
    with deciding(root):
        now = registry.find("champion"), registry.find("challenger")
        if now != (champion, challenger):
            raise PipelineError(
                f"another process changed {registry.name} meanwhile: the champion is {_name(now[0])}, the challenger "
                f"{_name(now[1])}. Look at `microfacial lineage` and run this again if it is still wanted"
            )
        if not request.dry_run:
            _settle(registry, champion)
        if challenger is None or challenger == champion:
            raise PipelineError(f"{registry.name} has no challenger. `microfacial register MODEL` makes one")
        decision = _decide(registry, challenger, champion, request, sources)
        return decision if request.dry_run else _carry_out(registry, decision)


def roll_back(registry: Registry, reason: str, root: Path) -> Decision:
    """Let the champion give way to the one that it replaced.

    Raises:
        PipelineError: there is no champion, or it replaced none.
    """
    with deciding(root):
        champion = registry.find("champion")
        if champion is None:
            raise PipelineError(f"{registry.name} has no champion. `microfacial promote` makes one")
        _settle(registry, champion)
        history = read_decisions(registry)
        own = [one for one in history if one.version == champion.version and one.promotes and one.done]
        before = [one.against for one in own if one.against]
        if not before:
            raise PipelineError(
                f"{champion.title} of {registry.name} replaced no champion: there is none to go back to"
            )
        registry.get(before[-1])  # it may have been deleted since
        decision = Decision(
            number=_next_number(history),
            kind="rolled back",
            version=champion.version,
            against=before[-1],
            data=champion.origin.get("data", ""),
            tries=_count_tries(history, champion.origin.get("data", "")),
            because=(),
            reason=reason,
            contest=None,
            costs=None,
            at=_now(),
            done=False,
        )
        registry.record(champion.version, decision.number, asdict(decision))
        registry.point("champion", before[-1])
        return _finish(registry, decision)


def read_decisions(registry: Registry) -> list[Decision]:
    """All decisions on all versions, in order.

    Raises:
        PipelineError: another version of microfacial wrote one.
    """
    kept = [_read_decision(content) for found in registry.decisions().values() for content in found]
    return sorted(kept, key=lambda decision: decision.number)


# --- deciding ---------------------------------------------------------------------------------------------------------


def _decide(
    registry: Registry,
    challenger: ModelVersionRecord,
    champion: ModelVersionRecord | None,
    request: Request,
    sources: Sources,
) -> Decision:
    contest, costs = None, None
    if champion is None:
        verdict = _judge_first(challenger, request, sources)
    elif request.bootstrap:
        raise PipelineError(f"{registry.name} has a champion, {champion.title}: --bootstrap is for the first one")
    else:
        verdict, contest, costs = _judge(challenger, champion, request, sources)
    history, data = read_decisions(registry), challenger.origin.get("data", "")
    return Decision(
        number=_next_number(history),
        kind=_name_kind(verdict, champion, request),
        version=challenger.version,
        against=champion.version if champion else None,
        data=data,
        tries=_count_tries(history, data) + 1,
        because=verdict.because,
        reason="" if verdict.passes else request.force,
        contest=contest,
        costs=costs,
        at=_now(),
        done=False,
    )


def _judge(
    challenger: ModelVersionRecord, champion: ModelVersionRecord, request: Request, sources: Sources
) -> tuple[PromotionDecision, EvidenceComparison | None, tuple[Cost, Cost] | None]:
    """Apply the rule; whoever forces may also force what cannot be compared."""
    try:
        ours, theirs = sources.evidence(challenger), sources.evidence(champion)
        contest = compare_evidence(ours, theirs, request.config, draws=request.draws, seed=request.seed)
    except ProtocolError as error:
        if not request.force:
            raise
        return PromotionDecision(passes=False, because=(str(error),)), None, None
    costs = sources.costs(challenger, champion)
    return decide_promotion(contest, *costs, request.config), contest, costs


def _judge_first(challenger: ModelVersionRecord, request: Request, sources: Sources) -> PromotionDecision:
    if request.bootstrap:
        return PromotionDecision(
            passes=True, because=("the first champion, taken by --bootstrap without a comparison",)
        )
    itself = challenger.model == request.baseline
    baseline = None if itself else sources.baseline()
    if baseline is None:
        lack = f"{challenger.title} is {request.baseline} itself" if itself else f"no {request.baseline} is evaluated"
        why = f"a first champion must beat {request.baseline}'s score, and {lack}. Train it, or give --bootstrap"
        if not request.force:
            raise ProtocolError(why)
        return PromotionDecision(passes=False, because=(why,))
    return decide_first_promotion(sources.evidence(challenger), baseline, request.config)


def _name_kind(verdict: PromotionDecision, champion: ModelVersionRecord | None, request: Request) -> str:
    if verdict.passes:
        return "promoted" if champion else "first"
    return "forced" if request.force else "refused"


def _next_number(history: Sequence[Decision]) -> int:
    """Above all others: a deleted version takes its decisions with it, and no other one may be written over."""
    return max((one.number for one in history), default=0) + 1


def _count_tries(history: Sequence[Decision], data: str) -> int:
    """How often a challenger was tried on the same data."""
    return sum(one.kind in (*_TRIED, "first") and one.data == data for one in history)


# --- carrying out -----------------------------------------------------------------------------------------------------


def _carry_out(registry: Registry, decision: Decision) -> Decision:
    registry.record(decision.version, decision.number, asdict(decision))
    if decision.promotes:
        registry.point("champion", decision.version)
        registry.release("challenger")
    return _finish(registry, decision)


def _finish(registry: Registry, decision: Decision) -> Decision:
    done = replace(decision, done=True)
    registry.record(decision.version, decision.number, asdict(done))
    lines = [describe_decision(one) for one in read_decisions(registry)[-_LATEST:]]
    registry.describe("\n\n".join(lines)[-_LONGEST:])
    return done


def _settle(registry: Registry, champion: ModelVersionRecord | None) -> None:
    """Mark what a killed process decided and had made so; what it had not stays a decision without an effect."""
    history = read_decisions(registry)
    if not history or history[-1].done:
        return
    last, now = history[-1], champion.version if champion else None
    if last.promotes and last.version == now:
        challenger = registry.find("challenger")
        if challenger is not None and challenger.version == now:
            registry.release("challenger")
        _finish(registry, last)
    elif last.kind == "rolled back" and last.against == now:
        _finish(registry, last)


def _read_decision(content: Mapping[str, Any]) -> Decision:
    if content.keys() != {field.name for field in fields(Decision)}:
        raise PipelineError(
            f"decision {content.get('number')} was written by another version of microfacial. Use that one, or delete "
            f"the tag microfacial.decision.{content.get('number', 0):03d} of version {content.get('version')}"
        )
    costs = content["costs"]
    return Decision(
        **{
            **content,
            "because": tuple(content["because"]),
            "contest": EvidenceComparison(**content["contest"]) if content["contest"] else None,
            "costs": (Cost(**costs[0]), Cost(**costs[1])) if costs else None,
        }
    )


def _name(version: ModelVersionRecord | None) -> str:
    return version.title if version else "none"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# --- in words ---------------------------------------------------------------------------------------------------------


def describe_decision(decision: Decision) -> str:
    """A decision in a line."""
    against = f" against version {decision.against}" if decision.against else ""
    to = f" to version {decision.against}" if decision.against else ""
    words = {
        "promoted": f"promoted{against}",
        "first": "became the first champion",
        "forced": f"promoted by force{against}",
        "refused": f"refused{against}",
        "rolled back": f"rolled back{to}",
    }[decision.kind]
    because = f": {'; '.join(decision.because)}" if decision.because else ""
    reason = f" (reason: {decision.reason})" if decision.reason else ""
    tries = f" [try {decision.tries} on this data]" if decision.kind != "rolled back" else ""
    stopped = "" if decision.done else " – stopped before it was done"
    return f"{decision.at} version {decision.version} {words}{because}{reason}{tries}{stopped}"


def describe_contest(decision: Decision) -> list[str]:
    """What a comparison came to, a line each."""
    lines = []
    if decision.contest:
        found = decision.contest
        lines.append(
            f"UF1 {found.challenger_uf1:.3f} against {found.champion_uf1:.3f}: {found.difference:+.3f}, lower bound "
            f"{found.lower:+.3f}, on {found.clips} clips of {found.subjects} subjects that neither was tuned on"
        )
    if decision.costs:
        ours, theirs = decision.costs
        lines.append(
            f"{ours.seconds * 1000:.0f} ms a clip against {theirs.seconds * 1000:.0f} ms, {ours.size / 1000:.0f} kB "
            f"of weights against {theirs.size / 1000:.0f} kB"
        )
    return lines


# --- facts ------------------------------------------------------------------------------------------------------------


def read_evidence(folder: Path, name: str) -> Evidence:
    """The evidence that a version carries, or that was gathered to be carried.

    Raises:
        StorageError: a file is missing or damaged.
    """
    facts = read_json(folder / "evidence.json")
    try:
        return Evidence(
            name=name,
            dataset=facts["dataset"],
            scheme=facts["scheme"],
            data=facts["data"],
            tuned_on=tuple(facts["tuned_on"]),
            predictions=outcomes.read_predictions(folder),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{folder}: the evidence of {name} is damaged ({error!r}). Register it again") from None
