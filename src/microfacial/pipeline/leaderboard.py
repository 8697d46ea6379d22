"""Read the results of all models that params.yaml lists, and draw their leaderboard."""

from pathlib import Path

from rich.table import Table

from microfacial import files
from microfacial.errors import ConfigError, DamagedError
from microfacial.evaluation import result_files
from microfacial.evaluation.oracle import read_oracle_uf1
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.significance import compare_predictions
from microfacial.evaluation.unit_files import read_units
from microfacial.pipeline.project import PARAMS, Project
from microfacial.records import UnitEvaluation
from microfacial.report.leaderboard import draw_leaderboard
from microfacial.report.results import ModelResult, add_comparisons
from microfacial.report.unit_results import draw_unit_leaderboard
from microfacial.settings import read_section, read_sections


def read_unit_results(folder: Path) -> list[UnitEvaluation]:
    """Read the scores of the task `units` of every model that params.yaml lists.

    Args:
        folder: Results of the data set, `Project.results`.

    Raises:
        StorageError: A file of the train stage is missing or damaged.
        ConfigError: The section `models` of params.yaml is wrong.
    """
    return [read_units(folder / "train" / model, model=model) for model in _list_models()]


def _list_models() -> list[str]:
    models = read_sections(PARAMS).get("models")
    if not isinstance(models, dict):
        raise ConfigError(f"{PARAMS}: models must map names of models to their settings")
    return list(models)


def read_results(folder: Path) -> list[ModelResult]:
    """Read the results of every model that params.yaml lists, and compare each with the simple models among them.

    Args:
        folder: Results of the data set, `Project.results`.

    Raises:
        StorageError: A file of the train stage is missing or damaged.
        ConfigError: The section `train` or `models` of params.yaml is wrong.
    """
    train = read_section(PARAMS, "train", TrainConfig)
    results = [_read_result(folder / "train" / model) for model in _list_models()]
    return add_comparisons(
        results, lambda model, baseline: compare_predictions(model, baseline, train.bootstrap_draws, train.seed)
    )


def _read_result(folder: Path) -> ModelResult:
    oracle = folder / "oracle.json"  # exists if train.oracle is set and the model has epochs
    return ModelResult(
        evaluation=result_files.read_evaluation(folder, model=folder.name),
        predictions=result_files.read_predictions(folder, model=folder.name),
        curves=result_files.read_curves(folder),
        importances=result_files.read_importances(folder),
        settings=result_files.read_trained_settings(folder, folder.name),
        oracle=read_oracle_uf1(oracle) if oracle.exists() else None,
    )


def read_leaderboard(project: Project) -> Table:
    """Return the leaderboard of all models that params.yaml lists, with their training times on this machine.

    Args:
        project: The data set.

    Raises:
        StorageError: A file of the train stage is missing or damaged.
        ConfigError: The section `train` of params.yaml is wrong.
    """
    paths = {model: project.state / "seconds" / f"{model}.json" for model in _list_models()}
    seconds = {model: _read_seconds(path) for model, path in paths.items() if path.exists()}
    if read_section(PARAMS, "train", TrainConfig).task == "units":
        return draw_unit_leaderboard(project.clips.name, read_unit_results(project.results), seconds)
    results = read_results(project.results)
    return draw_leaderboard(project.clips.name, project.clips.scheme, results, seconds)


def _read_seconds(path: Path) -> float:
    """Return the duration of a training on this machine."""
    remedy = f"Delete it; without it, {path.stem} has no time in the leaderboard"
    seconds = files.read_json(path, float, remedy)
    with files.refuse_damaged(path, remedy):
        if seconds < 0:
            raise DamagedError(f"{seconds} seconds")
    return seconds
