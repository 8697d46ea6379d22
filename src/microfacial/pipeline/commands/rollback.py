"""Command `rollback`: make the previous champion the champion again."""

from pathlib import Path

import click

from microfacial.pipeline.project import Project
from microfacial.registry.decisions import roll_back
from microfacial.registry.describe import describe_decision
from microfacial.tracking.model_versions import Registry, registered_name
from microfacial.tracking.store import connect


def run_rollback(project: Project, reason: str) -> None:
    """Restore the previous champion, record the reason, and print the decision.

    Args:
        project: the project.
        reason: the user's reason. May be empty.

    Raises:
        PipelineError: there is no champion, or it replaced none.
    """
    registry = Registry(connect(Path()), registered_name(project.clips.name, project.clips.scheme))
    click.echo(f"rollback: {describe_decision(roll_back(registry, reason, Path()))}")
