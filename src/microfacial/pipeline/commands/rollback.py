"""Command `rollback`: the champion gives way to the one that it replaced."""

from pathlib import Path

import click

from microfacial.pipeline.project import Project
from microfacial.registry.decisions import describe_decision, roll_back
from microfacial.tracking.model_versions import Registry, registered_name
from microfacial.tracking.store import connect


def run_rollback(project: Project, reason: str) -> None:
    """Restore the previous champion, and record why.

    Raises:
        PipelineError: there is no champion, or it replaced none.
    """
    registry = Registry(connect(Path()), registered_name(project.clips.name, project.clips.scheme))
    click.echo(f"rollback: {describe_decision(roll_back(registry, reason, Path()))}")
