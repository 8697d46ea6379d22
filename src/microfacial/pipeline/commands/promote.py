"""Command `promote`: decide whether the challenger becomes the champion."""

from pathlib import Path

import click

from microfacial.pipeline.config import Config, load
from microfacial.pipeline.project import PARAMS, VERSION_CACHE, Project
from microfacial.pipeline.training_sources import open_training
from microfacial.registry.decisions import PromotionRequest, promote_challenger
from microfacial.registry.describe import describe_decision, describe_scores_and_costs
from microfacial.registry.evidence import Evidence, gather_evidence
from microfacial.registry.sources import open_sources
from microfacial.registry.stored_decisions import Decision
from microfacial.report.results import BASELINE
from microfacial.tracking.model_versions import Registry, registered_name
from microfacial.tracking.store import connect


def run_promote(project: Project, *, bootstrap: bool, force: str, dry_run: bool) -> Decision:
    """Decide by the rule in params.yaml, and print the decision with its scores and costs.

    Args:
        project: the project.
        bootstrap: whether to take the first champion without a comparison.
        force: the user's reason for promoting against the rule. Empty to follow the rule.
        dry_run: whether to decide without writing anything.

    Returns:
        The decision.

    Raises:
        PipelineError: there is no challenger, or another process changed the aliases first.
        ProtocolError: challenger and champion cannot be compared.
    """
    config = load(PARAMS)
    registry = Registry(connect(Path(), reading=dry_run), registered_name(config.clips.name, config.clips.scheme))
    request = PromotionRequest(
        config=config.registry,
        baseline=BASELINE,
        draws=config.train.bootstrap_draws,
        seed=config.train.seed,
        bootstrap=bootstrap,
        force=force,
        dry_run=dry_run,
    )
    sources = open_sources(registry, VERSION_CACHE, BASELINE, lambda: _read_trained_baseline(project, config))
    decision = promote_challenger(registry, request, sources, Path())
    if dry_run:
        click.echo("promote: dry run. Nothing is changed, and the attempt is not counted. The decision would be:")
    for line in [*describe_scores_and_costs(decision), describe_decision(decision, dry_run=dry_run)]:
        click.echo(f"promote: {line}")
    return decision


def _read_trained_baseline(project: Project, config: Config) -> Evidence | None:
    """Return the evidence of the baseline in `results/`, or None if it is not trained there."""
    if BASELINE in config.models and (project.results / "train" / BASELINE / "evaluation.json").exists():
        return gather_evidence(open_training(project, config, BASELINE))
    return None
