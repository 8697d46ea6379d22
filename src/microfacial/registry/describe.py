"""Describe decisions and versions in words."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from microfacial.errors import PipelineError
from microfacial.registry.stored_decisions import Decision, read_decisions
from microfacial.registry.versions import explain_registration
from microfacial.tracking.model_versions import Alias, ModelVersionRecord, Registry

_ALIASES: tuple[Alias, ...] = ("champion", "challenger")


def describe_decision(decision: Decision, *, dry_run: bool = False) -> str:
    """Return one line with the time, version, outcome and reasons of a decision.

    Args:
        decision: the decision.
        dry_run: whether the decision was made without writing it. Such a decision is not called interrupted.
    """
    against = f" against version {decision.against}" if decision.against else ""
    outcome = {
        "promoted": f"promoted{against}",
        "first": "became the first champion",
        "forced": f"promoted by force{against}",
        "refused": f"refused{against}",
        "rolled back": f"rolled back to version {decision.against}",
    }[decision.kind]
    reasons = f": {'; '.join(decision.reasons)}" if decision.reasons else ""
    justification = f" (reason: {decision.justification})" if decision.justification else ""
    attempts = f" [attempt {decision.attempts} on this data]" if decision.kind != "rolled back" else ""
    interrupted = "" if decision.done or dry_run else " – interrupted before it was done"
    return f"{decision.time} version {decision.version} {outcome}{reasons}{justification}{attempts}{interrupted}"


def describe_scores_and_costs(decision: Decision) -> list[str]:
    """Describe the scores and costs that a decision is based on, one line each.

    Args:
        decision: the decision.

    Returns:
        No lines if nothing was compared.
    """
    lines = []
    if decision.comparison:
        comparison = decision.comparison
        lines.append(
            f"UF1 {comparison.challenger_uf1:.3f} against {comparison.champion_uf1:.3f}: {comparison.difference:+.3f}, "
            f"lower bound {comparison.lower:+.3f}, on {comparison.clips} clips of {comparison.subjects} subjects that "
            "neither was tuned on"
        )
    if decision.costs:
        challenger, champion = decision.costs
        lines.append(
            f"{challenger.seconds * 1000:.0f} ms per clip against {champion.seconds * 1000:.0f} ms, "
            f"{challenger.size / 1000:.0f} kB of weights against {champion.size / 1000:.0f} kB"
        )
    return lines


def describe_lineage(registry: Registry) -> Iterator[str]:
    """Yield lines on each version and its origin, then on each decision.

    Args:
        registry: the registered model.

    Yields:
        One line of text at a time.

    Raises:
        PipelineError: the registered model has no versions.
    """
    versions = _read_versions(registry)
    yield registry.name
    for version, aliases in versions:
        yield from _describe_version(version, aliases)
        yield f"  run      {registry.describe_run(version.run_id)}"
        if registry.find_missing_files(version.version):
            yield "  files    missing"
    yield "decisions"
    for decision in read_decisions(registry):
        yield f"  {decision.number}  {describe_decision(decision)}"


def list_lineage(registry: Registry) -> dict[str, Any]:
    """Return the name of the registered model, its versions with their aliases and origins, and all decisions.

    Args:
        registry: the registered model.

    Raises:
        PipelineError: the registered model has no versions.
    """
    versions = [
        {
            **asdict(version),
            "aliases": aliases,
            "run": registry.describe_run(version.run_id),
            "files_missing": bool(registry.find_missing_files(version.version)),
        }
        for version, aliases in _read_versions(registry)
    ]
    return {"name": registry.name, "versions": versions, "decisions": [*map(asdict, read_decisions(registry))]}


def _read_versions(registry: Registry) -> list[tuple[ModelVersionRecord, list[Alias]]]:
    """Return each version with its aliases."""
    versions = registry.versions()
    if not versions:
        raise PipelineError(f"{registry.name} has no versions. {explain_registration(registry)}")
    targets = {alias: target.version for alias in _ALIASES if (target := registry.find(alias))}
    return [(version, [alias for alias in targets if targets[alias] == version.version]) for version in versions]


def _describe_version(version: ModelVersionRecord, aliases: Sequence[str]) -> Iterator[str]:
    origin = version.origin
    bundle = origin.get("bundle") or origin.get("pack")  # "pack" is the former name
    arrow = f"  ← {', '.join(aliases)}" if aliases else ""
    dirty = " with uncommitted changes" if origin.get("git_dirty") == "true" else ""
    trial = f", trial {origin['trial']}" if origin.get("trial") else ""
    tuned_on = f", tuned on {len(version.tuned_on)} subjects" if version.tuned_on else ""
    yield f"version {version.version}  {version.model}, {bundle}, {version.protocol}{arrow}"
    yield f"  data     {origin.get('data')} (data.dvc {origin.get('data_version')}), flow {origin.get('flow')}"
    yield f"  commit   {origin.get('git_commit')}{dirty}"
    yield f"  study    {origin.get('study') or 'none'}{trial}{tuned_on}"
