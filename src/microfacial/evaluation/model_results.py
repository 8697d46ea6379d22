"""Read the results of several trained models, and compare them."""

from collections.abc import Sequence
from pathlib import Path

from microfacial.evaluation import result_files
from microfacial.evaluation.oracle import read_oracle_uf1
from microfacial.evaluation.protocols import TrainConfig
from microfacial.evaluation.significance import compare_predictions
from microfacial.report.results import ModelResult, add_comparisons


def read_model_results(folder: Path, models: Sequence[str], train: TrainConfig) -> list[ModelResult]:
    """Read the results of trained models, and compare each with the simple models among them.

    Args:
        folder: folder with one folder for each model, `results/<data set>/train`.
        models: names of the models.
        train: the protocol, whose draws of subjects the intervals use.

    Returns:
        Results in the order of the models.

    Raises:
        StorageError: a file of the train stage is missing or damaged.
    """
    results = [_read_result(folder / model) for model in models]
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
