"""Command `lineage`: show the origin of every registered version, and all decisions."""

from pathlib import Path

import click

from microfacial.pipeline.messages import print_json
from microfacial.pipeline.project import Project
from microfacial.registry.describe import describe_lineage, list_lineage
from microfacial.tracking.model_versions import Registry, registered_name
from microfacial.tracking.store import connect


def run_lineage(project: Project, *, as_json: bool) -> None:
    """Print each version with its data, commit, study and run, and then each decision.

    Args:
        project: the project.
        as_json: whether to print a JSON document.

    Raises:
        PipelineError: no version is registered.
    """
    registry = Registry(connect(Path(), reading=True), registered_name(project.clips.name, project.clips.scheme))
    if as_json:
        print_json(list_lineage(registry))
        return
    for line in describe_lineage(registry):
        click.echo(line)
