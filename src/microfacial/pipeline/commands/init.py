"""Command `init`: make a project in a folder."""

from collections.abc import Sequence
from pathlib import Path

import click

from microfacial.datasets import DATASETS
from microfacial.pipeline.new_project import create_project
from microfacial.pipeline.template_files import check_corpora

_DEMO = "demo"


def run_init(folder: Path, corpora: Sequence[str]) -> None:
    """Make a project, and print the next steps.

    Args:
        folder: folder of the project.
        corpora: names of corpora. Without names, the project is on the synthetic demo.

    Raises:
        ConfigError: a name is not the name of a corpus, or the corpora cannot be combined.
        PipelineError: a file exists already, or git or DVC failed.
        MissingExtraError: DVC is not installed.
    """
    known = check_corpora(corpora or [_DEMO])
    names = create_project(folder, known)
    click.echo(f"init: wrote {', '.join(names)} in {folder}")
    releases = sorted({f"data/{DATASETS[name].folder}" for name in known if name != _DEMO})
    steps = ["microfacial repro"]
    if releases:
        steps = ["microfacial doctor data", "dvc add data", *steps]
        click.echo(f"Put the release into {' and '.join(str(folder / name) for name in releases)}")
    click.echo(f"Next: cd {folder} && {' && '.join(steps)}")
