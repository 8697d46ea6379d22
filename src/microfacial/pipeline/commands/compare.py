"""Command `compare`: is one trained model better than another on the same clips?"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from microfacial.errors import StorageError, suggest
from microfacial.evaluation.comparison import describe_comparison, describe_difference, describe_unit_comparison
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.result_files import read_evaluation, read_predictions
from microfacial.evaluation.significance import compare_predictions
from microfacial.evaluation.unit_files import UNIT_SCORES, read_unit_predictions, read_units
from microfacial.evaluation.unit_scoring import compare_units
from microfacial.models.lookup import list_models
from microfacial.pipeline.config import load
from microfacial.pipeline.messages import print_json
from microfacial.pipeline.project import PARAMS, Project
from microfacial.records import Comparison, Evaluation, UnitComparison, UnitEvaluation
from microfacial.tracking.same_features import require_same_features


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
    units = config.train.task == "units"
    scores = UNIT_SCORES if units else "evaluation.json"
    trained = [path.parent.name for path in project.results.glob(f"train/*/{scores}")]
    for name in (model, baseline):
        if name not in trained:
            raise StorageError(explain_missing(name, trained, config.models, project.clips.name))
    folders = [project.results / "train" / name for name in (model, baseline)]
    require_same_features(folders)
    fields, lines = (_compare_units if units else _compare_classes)(folders, config.train)
    if as_json:
        print_json(fields)
        return
    for line in lines:
        click.echo(line)


def _compare_classes(folders: Sequence[Path], config: TrainConfig) -> tuple[dict[str, Any], list[str]]:
    """Compare the classes that two models predict. Return the fields for JSON, and lines for people."""
    model, baseline = (read_predictions(folder, model=folder.name) for folder in folders)
    comparison = compare_predictions(model, baseline, config.bootstrap_draws, config.seed)
    evaluations = [read_evaluation(folder) for folder in folders]
    fields = _as_dict(evaluations, comparison, {"uf1": "uf1_interval", "uar": "uar_interval"})
    return fields, describe_comparison(evaluations, comparison)


def _compare_units(folders: Sequence[Path], config: TrainConfig) -> tuple[dict[str, Any], list[str]]:
    """Compare the action units that two models predict. Return the fields for JSON, and lines for people."""
    model, baseline = (read_unit_predictions(folder, model=folder.name) for folder in folders)
    comparison = compare_units(model, baseline, config.bootstrap_draws, config.seed)
    evaluations = [read_units(folder) for folder in folders]
    fields = _as_dict(evaluations, comparison, {"f1": "f1_interval", "roc_area": "roc_interval"})
    return fields, describe_unit_comparison(evaluations, comparison)


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


def _as_dict(
    evaluations: Sequence[Evaluation | UnitEvaluation],
    comparison: Comparison | UnitComparison,
    intervals: Mapping[str, str],
) -> dict[str, Any]:
    """Return the fields that `compare --json` prints. `intervals` has the name of each score's interval."""
    scores: dict[str, dict[str, Any]] = {}
    for evaluation in evaluations:
        fields = scores[evaluation.model] = {}
        for score, interval in intervals.items():
            fields |= {score: getattr(evaluation.overall, score), interval: getattr(evaluation, interval)}
        fields |= {"repeats": evaluation.repeats, "note": evaluation.note}
    conclusion = {"tells_apart": comparison.tells_apart, "conclusion": describe_difference(comparison)}
    return {"scores": scores, **asdict(comparison), **conclusion}
