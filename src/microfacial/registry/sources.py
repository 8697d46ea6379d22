"""Collect the facts that a promotion is decided on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from microfacial.inference.bundle import EVIDENCE, find_bundle
from microfacial.inference.cost import Cost, measure_costs
from microfacial.registry.evidence import Evidence, read_evidence
from microfacial.tracking.model_versions import ModelVersionRecord, Registry


@dataclass(frozen=True, kw_only=True)
class PromotionSources:
    """Functions that return the facts for a promotion. A test can replace them.

    Attributes:
        evidence: returns the evidence of a version.
        costs: measures the costs of challenger and champion, in this order.
        baseline: returns the evidence of the baseline, or None if there is none.
    """

    evidence: Callable[[ModelVersionRecord], Evidence]
    costs: Callable[[ModelVersionRecord, ModelVersionRecord], tuple[Cost, Cost]]
    baseline: Callable[[], Evidence | None]


def open_sources(
    registry: Registry, cache: Path, baseline: str, trained_baseline: Callable[[], Evidence | None]
) -> PromotionSources:
    """Return the facts from the registry.

    Args:
        registry: the registered model.
        cache: folder for versions that are downloaded from a remote store.
        baseline: name of the baseline's variant.
        trained_baseline: returns the evidence of the baseline in `results/`, or None if it is not trained there. Its
            registered version with the highest number is then used.
    """

    def evidence(version: ModelVersionRecord) -> Evidence:
        return read_evidence(registry.fetch(version.version, cache) / EVIDENCE, version)

    def costs(challenger: ModelVersionRecord, champion: ModelVersionRecord) -> tuple[Cost, Cost]:
        versions = (registry.fetch(version.version, cache) for version in (challenger, champion))
        challenger_cost, champion_cost = measure_costs([find_bundle(version) for version in versions])
        return challenger_cost, champion_cost

    def baseline_evidence() -> Evidence | None:
        trained = trained_baseline()
        if trained is not None:
            return trained
        versions = [version for version in registry.versions() if version.model == baseline]
        return evidence(versions[-1]) if versions else None

    return PromotionSources(evidence=evidence, costs=costs, baseline=baseline_evidence)
