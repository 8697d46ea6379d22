"""Command `promote`: does the challenger become the champion?"""

from functools import partial
from pathlib import Path

import click

from microfacial.inference.bundle import EVIDENCE, PACK
from microfacial.inference.example_input import Cost, measure_costs
from microfacial.pipeline.commands.register import check_trained, read_built_evidence
from microfacial.pipeline.config import Config, load
from microfacial.pipeline.project import PARAMS, STATE, Project
from microfacial.registry.decisions import (
    Decision,
    Request,
    Sources,
    describe_contest,
    describe_decision,
    promote_challenger,
    read_evidence,
)
from microfacial.registry.promotion_rule import Evidence
from microfacial.report.results import BASELINE
from microfacial.tracking.model_versions import ModelVersionRecord, Registry, registered_name
from microfacial.tracking.store import connect

CACHE = STATE / "registry"  # versions of a remote store


def run_promote(project: Project, *, bootstrap: bool, force: str, dry_run: bool) -> Decision:
    """Decide by the rule in params.yaml, and print what it rests on.

    Raises:
        PipelineError: there is no challenger, or another promotion came first.
        ProtocolError: the two cannot be compared.
    """
    config = load(PARAMS)
    registry = Registry(connect(Path()), registered_name(config.clips.name, config.clips.scheme))
    request = Request(
        config=config.registry,
        baseline=BASELINE,
        draws=config.train.bootstrap_draws,
        seed=config.train.seed,
        bootstrap=bootstrap,
        force=force,
        dry_run=dry_run,
    )
    sources = Sources(
        evidence=partial(_read_evidence, registry),
        costs=partial(_measure, registry),
        baseline=partial(_find_baseline, project, config, registry),
    )
    decision = promote_challenger(registry, request, sources, Path())
    if dry_run:
        click.echo("promote: a dry run, which changes nothing and is not counted. The decision would be:")
    for line in [*describe_contest(decision), describe_decision(decision)]:
        click.echo(f"promote: {line}")
    return decision


def _read_evidence(registry: Registry, version: ModelVersionRecord) -> Evidence:
    return read_evidence(registry.fetch(version.version, CACHE) / EVIDENCE, version.title)


def _measure(registry: Registry, challenger: ModelVersionRecord, champion: ModelVersionRecord) -> tuple[Cost, Cost]:
    folders = [registry.fetch(one.version, CACHE) / PACK for one in (challenger, champion)]
    ours, theirs = measure_costs(folders)
    return ours, theirs


def _find_baseline(project: Project, config: Config, registry: Registry) -> Evidence | None:
    """What the baseline came to: in results/ if it is trained there, else in its latest version."""
    if BASELINE in config.models and (project.results / "train" / BASELINE / "evaluation.json").exists():
        check_trained(project, config, BASELINE)
        return read_built_evidence(project, config, BASELINE)
    versions = [version for version in registry.versions() if version.model == BASELINE]
    return _read_evidence(registry, versions[-1]) if versions else None
