"""Decide which registered version is the champion: promote the challenger, or roll back to the previous champion.

The writes have a fixed order. If the process is killed at any moment, there is still exactly one champion, the old one
or the new one:

    1  write the decision, with the champion that it replaces, to its version (not yet `done`)
    2  move the alias `champion`, in one call
    3  release the alias `challenger`, mark the decision as done, update the description

The next decision completes the writes of an interrupted one. A lock, on one host, lets one process decide at a time.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from microfacial.errors import PipelineError, ProtocolError, StorageError
from microfacial.inference.cost import Cost
from microfacial.locks import exclusive_lock
from microfacial.registry.describe import describe_decision
from microfacial.registry.promotion_rule import (
    EvidenceComparison,
    RuleResult,
    apply_first_champion_rule,
    apply_promotion_rule,
    compare_evidence,
)
from microfacial.registry.settings import RegistryConfig
from microfacial.registry.sources import PromotionSources
from microfacial.registry.stored_decisions import (
    Decision,
    count_attempts,
    current_time,
    data_of,
    mark_done,
    next_number,
    read_decisions,
    write_decision,
)
from microfacial.registry.versions import describe_missing
from microfacial.tracking.model_versions import ModelVersionRecord, Registry

_SHOWN = 20  # decisions in the description of the registered model
_MAX_DESCRIPTION = 4900  # characters; every database accepts this length


@dataclass(frozen=True, kw_only=True)
class PromotionRequest:
    """The options of a promotion.

    Attributes:
        config: the section `registry` of params.yaml.
        baseline: name of the variant that a first champion must beat.
        draws: number of bootstrap draws of subjects.
        seed: seed of the draws.
        bootstrap: whether to take the first champion without a comparison.
        force: the user's reason for promoting against the rule. Empty to follow the rule.
        dry_run: whether to decide without writing anything.
    """

    config: RegistryConfig
    baseline: str
    draws: int
    seed: int
    bootstrap: bool = False
    force: str = ""
    dry_run: bool = False


def registry_lock(root: Path) -> AbstractContextManager[int]:
    """Let only this process change the registry of a project, among the processes on this host.

    Args:
        root: folder of the project.
    """
    return exclusive_lock(root / "mlruns" / ".registry.lock", "another process that changes the registry")


def promote_challenger(
    registry: Registry, request: PromotionRequest, sources: PromotionSources, root: Path
) -> Decision:
    """Decide whether the challenger becomes the champion. Carry the decision out, except in a dry run.

    Args:
        registry: the registered model.
        request: the options.
        sources: the facts.
        root: folder of the project.

    Returns:
        The decision. It is stored unless this is a dry run.

    Raises:
        PipelineError: there is no challenger, or another process changed the aliases first.
        ProtocolError: challenger and champion cannot be compared.
    """
    champion, challenger = registry.find("champion"), registry.find("challenger")
    with nullcontext() if request.dry_run else registry_lock(root):
        current = registry.find("champion"), registry.find("challenger")
        if current != (champion, challenger):
            raise PipelineError(
                f"{registry.name} was changed by another process during this command. The champion is now "
                f"{_title(current[0])}, the challenger {_title(current[1])}. Check `microfacial lineage`, and run this "
                "command again if you still want it"
            )
        if not request.dry_run:
            _complete_interrupted(registry, champion)
        if challenger is None or challenger == champion:
            raise PipelineError(describe_missing(registry, "challenger"))
        decision = _decide(registry, challenger, champion, request, sources)
        return decision if request.dry_run else _carry_out(registry, decision)


def roll_back(registry: Registry, justification: str, root: Path) -> Decision:
    """Make the previous champion the champion again.

    Args:
        registry: the registered model.
        justification: the user's reason. May be empty.
        root: folder of the project.

    Returns:
        The decision, which is stored.

    Raises:
        PipelineError: there is no champion, or it replaced none, or the previous champion was deleted.
    """
    with registry_lock(root):
        champion = registry.find("champion")
        if champion is None:
            raise PipelineError(describe_missing(registry, "champion"))
        _complete_interrupted(registry, champion)
        decisions = read_decisions(registry)
        promotions = [
            decision
            for decision in decisions
            if decision.version == champion.version and decision.promotes and decision.done
        ]
        replaced = [promotion.against for promotion in promotions if promotion.against]
        if not replaced:
            raise PipelineError(
                f"{registry.name}: {champion.title} replaced no champion, so there is none to restore. For another "
                "model, run `microfacial register MODEL` and `microfacial promote`"
            )
        previous = replaced[-1]
        if previous not in {version.version for version in registry.versions()}:
            raise PipelineError(
                f"{registry.name}: version {previous}, which {champion.title} replaced, was deleted in MLflow, so it "
                "cannot be restored. Run `microfacial register MODEL` and `microfacial promote` to choose another one"
            )
        data = data_of(champion)
        decision = Decision(
            number=next_number(decisions),
            kind="rolled back",
            version=champion.version,
            against=previous,
            data=data,
            attempts=count_attempts(decisions, data),
            reasons=(),
            justification=justification,
            comparison=None,
            costs=None,
            time=current_time(),
            done=False,
        )
        write_decision(registry, decision)
        registry.set_alias("champion", previous)
        return _finish(registry, decision)


# --- deciding ---------------------------------------------------------------------------------------------------------


def _decide(
    registry: Registry,
    challenger: ModelVersionRecord,
    champion: ModelVersionRecord | None,
    request: PromotionRequest,
    sources: PromotionSources,
) -> Decision:
    comparison, costs = None, None
    if champion is None:
        result = _apply_rule_without_champion(challenger, request, sources)
    elif request.bootstrap:
        raise PipelineError(
            f"{registry.name} has a champion already, {champion.title}. --bootstrap is for the first champion only. "
            "Leave it out"
        )
    else:
        result, comparison, costs = _apply_rule(challenger, champion, request, sources)
    decisions, data = read_decisions(registry), data_of(challenger)
    return Decision(
        number=next_number(decisions),
        kind=_find_kind(result, champion, request),
        version=challenger.version,
        against=champion.version if champion else None,
        data=data,
        attempts=count_attempts(decisions, data) + 1,
        reasons=result.reasons,
        justification="" if result.passes else request.force,
        comparison=comparison,
        costs=costs,
        time=current_time(),
        done=False,
    )


def _apply_rule(
    challenger: ModelVersionRecord, champion: ModelVersionRecord, request: PromotionRequest, sources: PromotionSources
) -> tuple[RuleResult, EvidenceComparison | None, tuple[Cost, Cost] | None]:
    """Compare challenger and champion. If they cannot be compared, fail, or let --force override the failure.

    A champion whose files are missing can be replaced by force. A challenger without files is refused.
    """
    evidence = sources.evidence(challenger)
    try:
        comparison = compare_evidence(
            evidence,
            sources.evidence(champion),
            request.config,
            draws=request.draws,
            seed=request.seed,
        )
    except ProtocolError as error:
        if not request.force:
            raise
        return RuleResult(passes=False, reasons=(str(error),)), None, None
    except StorageError as error:
        if not request.force:
            raise StorageError(
                f"{error}. To replace this champion without a comparison, run `microfacial promote --force REASON`"
            ) from None
        sources.costs(challenger, challenger)  # raises an error if the files of the challenger are missing, too
        return RuleResult(passes=False, reasons=(str(error),)), None, None
    costs = sources.costs(challenger, champion)
    return apply_promotion_rule(comparison, *costs, request.config), comparison, costs


def _apply_rule_without_champion(
    challenger: ModelVersionRecord, request: PromotionRequest, sources: PromotionSources
) -> RuleResult:
    if request.bootstrap:
        return RuleResult(passes=True, reasons=("first champion, taken with --bootstrap and without a comparison",))
    is_baseline = challenger.model == request.baseline
    baseline = None if is_baseline else sources.baseline()
    if baseline is not None:
        return apply_first_champion_rule(sources.evidence(challenger), baseline, request.config)
    problem = f"{challenger.title} is the baseline itself" if is_baseline else f"{request.baseline} is not trained"
    reason = (
        f"a first champion must beat the score of {request.baseline}, but {problem}. Train and register other models, "
        "or give --bootstrap"
    )
    if not request.force:
        raise ProtocolError(reason)
    return RuleResult(passes=False, reasons=(reason,))


def _find_kind(result: RuleResult, champion: ModelVersionRecord | None, request: PromotionRequest) -> str:
    if result.passes:
        return "promoted" if champion else "first"
    return "forced" if request.force else "refused"


# --- carrying out -----------------------------------------------------------------------------------------------------


def _carry_out(registry: Registry, decision: Decision) -> Decision:
    write_decision(registry, decision)
    if decision.promotes:
        registry.set_alias("champion", decision.version)
        registry.delete_alias("challenger")
    return _finish(registry, decision)


def _finish(registry: Registry, decision: Decision) -> Decision:
    done = mark_done(registry, decision)
    lines = [describe_decision(recent) for recent in read_decisions(registry)[-_SHOWN:]]
    registry.describe("\n\n".join(lines)[-_MAX_DESCRIPTION:])
    return done


def _complete_interrupted(registry: Registry, champion: ModelVersionRecord | None) -> None:
    """Complete the last decision if a killed process had already moved the alias. Otherwise it has no effect."""
    decisions = read_decisions(registry)
    if not decisions or decisions[-1].done:
        return
    last, current = decisions[-1], champion.version if champion else None
    if last.promotes and last.version == current:
        challenger = registry.find("challenger")
        if challenger is not None and challenger.version == current:
            registry.delete_alias("challenger")
        _finish(registry, last)
    elif last.kind == "rolled back" and last.against == current:
        _finish(registry, last)


def _title(version: ModelVersionRecord | None) -> str:
    return version.title if version else "none"
