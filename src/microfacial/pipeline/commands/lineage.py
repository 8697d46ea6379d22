"""Command `lineage`: where every version comes from, and what was decided on it."""

from collections.abc import Iterator
from pathlib import Path

import click

from microfacial.errors import PipelineError
from microfacial.pipeline.project import Project
from microfacial.registry.decisions import describe_decision, read_decisions
from microfacial.tracking.model_versions import Alias, ModelVersionRecord, Registry, registered_name
from microfacial.tracking.store import connect

_ALIASES: tuple[Alias, ...] = ("champion", "challenger")


def run_lineage(project: Project) -> None:
    """Print the chain from data to decisions.

    Raises:
        PipelineError: nothing is registered.
    """
    registry = Registry(connect(Path()), registered_name(project.clips.name, project.clips.scheme))
    versions = registry.versions()
    if not versions:
        raise PipelineError(f"{registry.name} has no versions. `microfacial register MODEL` makes one")
    pointed = {alias: found.version for alias in _ALIASES if (found := registry.find(alias))}
    click.echo(registry.name)
    for version in versions:
        for line in _describe(version, [alias for alias, number in pointed.items() if number == version.version]):
            click.echo(line)
    click.echo("decisions")
    for decision in read_decisions(registry):
        click.echo(f"  {decision.number}  {describe_decision(decision)}")


def _describe(version: ModelVersionRecord, aliases: list[str]) -> Iterator[str]:
    """A version and where it comes from, a line each."""
    origin = version.origin
    pointing = f"  ← {', '.join(aliases)}" if aliases else ""
    dirty = " with uncommitted changes" if origin.get("git_dirty") == "true" else ""
    trial = f", trial {origin['trial']}" if origin.get("trial") else ""
    study = f"{origin.get('study') or 'none'}{trial}"
    tuned = f", tuned on {len(version.tuned_on)} subjects" if version.tuned_on else ""
    yield f"version {version.version}  {version.model}, {origin.get('pack')}, {version.protocol}{pointing}"
    yield f"  data     {origin.get('data')} (data.dvc {origin.get('data_version')}), flow {origin.get('flow')}"
    yield f"  commit   {origin.get('git_commit')}{dirty}"
    yield f"  study    {study}{tuned}"
    yield f"  run      {version.run_id or 'none in this store'}"
