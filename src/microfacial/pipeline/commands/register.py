"""Command `register`: register a trained model as the challenger."""

from pathlib import Path

import click

from microfacial.pipeline.config import load
from microfacial.pipeline.data_version import data_version
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.provenance import git_tags
from microfacial.pipeline.training_sources import open_training
from microfacial.registry.registration import RegistrationRequest, register_training
from microfacial.report.results import BASELINE


def run_register(project: Project, model: str) -> None:
    """Make a bundle of a trained model, register it with its evidence, and point the alias `challenger` to it.

    Args:
        project: the project.
        model: name of the variant.

    Raises:
        ConfigError: params.yaml does not have the model, or has other settings than the training.
        StorageError: the model is not trained, or the clips or the flow have changed since.
    """
    config = load(PARAMS)
    source = open_training(project, config, model)
    git, tuned = git_tags(), config.tuned.get(model)
    request = RegistrationRequest(
        source=source,
        bundle=config.registry.bundle,
        baseline=BASELINE,
        study=tuned.study if tuned else "",
        trial=str(tuned.trial) if tuned and tuned.trial is not None else "",
        data_version=data_version(project.frames),
        git_commit=git["microfacial.git_commit"],
        git_dirty=git["microfacial.git_dirty"],
    )
    click.echo(f"register {model}: making the bundle ({request.bundle})")
    version = register_training(request, project.state, Path())
    click.echo(
        f"register {model}: version {version.version} of {version.name} is the challenger. Next: microfacial promote"
    )
