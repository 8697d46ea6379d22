"""Command `sync`: what the files in results/ have and MLflow lacks is written from them.

After an outage, a deleted mlruns/, or results that came out of DVC's cache. The files decide, so nothing is asked of
params.yaml: every data set and every model that lies there is looked at.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from microfacial.errors import StorageError
from microfacial.evaluation.result_files import read_evaluation
from microfacial.pipeline.progress import count_noun
from microfacial.pipeline.project import STATE
from microfacial.tracking.run_records import (
    RunIdentity,
    RunMetadata,
    find_trained,
    read_circumstances,
    read_folds,
    read_identity,
)
from microfacial.tracking.runs import ModelRun
from microfacial.tracking.store import connect, mlflow_errors_as_pipeline_errors

_RESULTS = Path("results")


def run_sync() -> None:
    """Write what is missing and say what that was.

    Raises:
        PipelineError: MLflow fails.
        StorageError: a file of a training is missing or damaged; the others are written first.
    """
    open_run, folders, written = partial(ModelRun, connect(Path())), find_trained(_RESULTS), 0
    damaged: list[StorageError] = []
    for folder in folders:
        try:
            written += _write(open_run, folder)
        except StorageError as error:
            damaged.append(error)
    models = count_noun(len(folders), "model")
    click.echo(
        f"sync: {written} of {models} in {_RESULTS}/ written" if written else f"sync: nothing to write: {models}"
    )
    if damaged:
        raise StorageError("; ".join(map(str, damaged)))


def _write(open_run: Callable[[RunIdentity, RunMetadata, Path], ModelRun], folder: Path) -> bool:
    """Write what MLflow lacks of one training; whether there was anything."""
    identity = read_identity(folder)
    known = read_circumstances(STATE, identity)
    read_evaluation(folder)  # before a run is opened: what is damaged leaves none behind
    trained = list(read_folds(folder))
    with mlflow_errors_as_pipeline_errors():
        run_sync = open_run(identity, known, Path())
        folds = sum(run_sync.log_fold(fold, known.seconds.get(fold.key)) for fold in trained)
        lacked = run_sync.finish(folder, known) or folds > 0
    if lacked:
        click.echo(f"sync: {identity.dataset}/{identity.model}: scores and {count_noun(folds, 'fold')} written")
    return lacked
