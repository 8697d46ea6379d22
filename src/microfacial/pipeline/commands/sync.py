"""Command `sync`: write results that MLflow lacks from results/ into MLflow.

It is needed after a failure of MLflow, after mlruns/ was deleted, and for results from DVC's cache. It covers every
data set and every model in results/, whatever params.yaml names.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from microfacial.errors import StorageError
from microfacial.evaluation.result_files import read_evaluation, read_importances
from microfacial.evaluation.unit_files import read_units
from microfacial.pipeline.progress import count_noun
from microfacial.pipeline.project import RESULTS, STATE
from microfacial.tracking.artifacts import read_tables
from microfacial.tracking.fold_records import read_folds
from microfacial.tracking.run_records import RunIdentity, RunMetadata, find_trained, read_identity, read_metadata
from microfacial.tracking.runs import ModelRun
from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors


def run_sync() -> None:
    """Write the missing runs into MLflow and print a summary.

    Raises:
        PipelineError: MLflow failed.
        StorageError: a file of a training is missing or damaged. All other trainings are written first.
    """
    open_run, folders, written = partial(ModelRun, connect(Path())), find_trained(RESULTS), 0
    damaged: list[StorageError] = []
    for folder in folders:
        try:
            written += _write(open_run, folder)
        except StorageError as error:
            damaged.append(error)
    models = count_noun(len(folders), "model")
    click.echo(f"sync: {written} of {models} in {RESULTS}/ written" if written else f"sync: nothing to write: {models}")
    if damaged:
        raise StorageError("; ".join(map(str, damaged)))


def _write(open_run: Callable[[RunIdentity, RunMetadata, Path], ModelRun], folder: Path) -> bool:
    """Write the missing parts of one training. Return whether anything was missing."""
    identity = read_identity(folder)
    metadata = read_metadata(STATE, identity)
    # Read all files first, so that damaged files create no run.
    (read_units if identity.task == "units" else read_evaluation)(folder, model=folder.name)
    folds = list(read_folds(folder, identity.task))
    read_tables(folder, identity.task)
    read_importances(folder)
    with mlflow_errors_as_pipeline_errors():
        run = open_run(identity, metadata, Path())
        new_folds = sum(run.log_fold(fold, metadata.seconds.get(fold.key)) for fold in folds)
        incomplete = run.finish(folder, metadata) or new_folds > 0
    if incomplete:
        click.echo(f"sync: {identity.dataset}/{identity.model}: scores and {count_noun(new_folds, 'fold')} written")
    return incomplete
