"""Command `compare`: is one trained model better than another on the same clips?"""

import click

from microfacial.errors import StorageError, suggest
from microfacial.evaluation.comparison import describe_comparison
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.result_files import read_evaluation, read_predictions
from microfacial.evaluation.significance import compare_predictions
from microfacial.pipeline.project import PARAMS, Project
from microfacial.settings import read_section


def run_compare(project: Project, model: str, baseline: str) -> None:
    """Print both scores, their difference over the same draws of subjects, and whether it can be told from zero.

    Args:
        project: the data set that both models were trained on.
        model: name of the model.
        baseline: name of the model to compare with.

    Raises:
        StorageError: one of the two models is not trained.
        ProtocolError: the two models were not evaluated in the same way.
    """
    config = read_section(PARAMS, "train", TrainConfig)
    folders = [project.results / "train" / name for name in (model, baseline)]
    trained = [path.parent.name for path in project.results.glob("train/*/evaluation.json")]
    for folder in folders:
        if not (folder / "evaluation.json").exists():
            raise StorageError(
                f"{folder.name} is not trained on {project.clips.name}. "
                f"Add it to models in {PARAMS} and run `dvc repro`{suggest(folder.name, trained)}"
            )
    model_predictions, baseline_predictions = (read_predictions(folder) for folder in folders)
    comparison = compare_predictions(model_predictions, baseline_predictions, config.bootstrap_draws, config.seed)
    for line in describe_comparison([read_evaluation(folder) for folder in folders], comparison):
        click.echo(line)
