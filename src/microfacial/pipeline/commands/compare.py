"""Command `compare`: is one trained model better than another on the same clips?"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import click

from microfacial.errors import StorageError, suggest
from microfacial.evaluation.comparison import describe_comparison, describe_difference
from microfacial.evaluation.result_files import read_evaluation, read_predictions
from microfacial.evaluation.significance import compare_predictions
from microfacial.models.lookup import list_models
from microfacial.pipeline.config import load
from microfacial.pipeline.messages import print_json
from microfacial.pipeline.project import PARAMS, Project
from microfacial.records import Comparison, Evaluation


def run_compare(project: Project, model: str, baseline: str, *, as_json: bool) -> None:
    """Print both scores, their difference over the same draws of subjects, and whether it can be told from zero.

    Args:
        project: the data set that both models were trained on.
        model: name of the model.
        baseline: name of the model to compare with.
        as_json: whether to print a JSON document.

    Raises:
        ConfigError: params.yaml is wrong.
        StorageError: one of the two models is not trained.
        ProtocolError: the two models were not evaluated in the same way.
    """
    config = load(PARAMS)
    folders = [project.results / "train" / name for name in (model, baseline)]
    trained = [path.parent.name for path in project.results.glob("train/*/evaluation.json")]
    for name in (model, baseline):
        if name not in trained:
            raise StorageError(explain_missing(name, trained, config.models, project.clips.name))
    model_predictions, baseline_predictions = (read_predictions(folder, model=folder.name) for folder in folders)
    comparison = compare_predictions(
        model_predictions, baseline_predictions, config.train.bootstrap_draws, config.train.seed
    )
    evaluations = [read_evaluation(folder) for folder in folders]
    if as_json:
        print_json(_as_dict(evaluations, comparison))
        return
    for line in describe_comparison(evaluations, comparison):
        click.echo(line)


def explain_missing(name: str, trained: Sequence[str], models: Collection[str], dataset: str) -> str:
    """Return why there are no results of a name, with a remedy.

    Args:
        name: the text that the user gave.
        trained: names of the trained models.
        models: names of the models in params.yaml.
        dataset: name of the data set.
    """
    if name in models:
        return f"{name} is not trained on {dataset}. Run `dvc repro`, which trains it"
    if name in list_models():
        remedy = f"Add it under models in {PARAMS} and run `dvc repro`"
        return f"{name} is not trained on {dataset}. {remedy}{suggest(name, trained)}"
    listed = f"Choose from {', '.join(sorted(trained))}" if trained else "No model is trained. Run `dvc repro`"
    return f"{name!r} is not the name of a model trained on {dataset}. {listed}{suggest(name, trained)}"


def _as_dict(evaluations: Sequence[Evaluation], comparison: Comparison) -> dict[str, Any]:
    """Return the fields that `compare --json` prints."""
    scores = {
        evaluation.model: {
            "uf1": evaluation.overall.uf1,
            "uf1_interval": evaluation.uf1_interval,
            "uar": evaluation.overall.uar,
            "uar_interval": evaluation.uar_interval,
            "repeats": evaluation.repeats,
            "note": evaluation.note,
        }
        for evaluation in evaluations
    }
    conclusion = {"tells_apart": comparison.tells_apart, "conclusion": describe_difference(comparison)}
    return {"scores": scores, **asdict(comparison), **conclusion}
