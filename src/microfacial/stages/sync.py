"""Command `sync`: what the files in build/ have and MLflow lacks is written from them.

After an outage, a deleted mlruns/, or results that came out of DVC's cache. The files decide, so nothing is asked of
params.yaml: every data set and every model that lies there is looked at.
"""

from pathlib import Path

import click

from microfacial.stages.countdown import in_number
from microfacial.stages.project import STATE
from microfacial.tracking.runs import ModelRun
from microfacial.tracking.store import connect, in_one_line
from microfacial.tracking.trained import find_trained, read_circumstances, read_folds, read_identity

_BUILD = Path("build")


def run() -> None:
    """Write what is missing and say what that was.

    Raises:
        PipelineError: MLflow fails.
        StorageError: a file of a training is missing or damaged.
    """
    client, folders, written = connect(Path()), find_trained(_BUILD), 0
    for folder in folders:
        identity = read_identity(folder)
        known = read_circumstances(STATE, identity)
        with in_one_line():
            run = ModelRun(client, identity, known, Path())
            folds = sum(run.log_fold(fold, known.seconds.get(fold.key)) for fold in read_folds(folder))
            lacked = run.finish(folder, known) or folds > 0
        if lacked:
            written += 1
            click.echo(f"sync: {identity.dataset}/{identity.model}: scores and {in_number(folds, 'fold')} written")
    models = in_number(len(folders), "model")
    click.echo(f"sync: {written} of {models} in {_BUILD}/ written" if written else f"sync: nothing to write: {models}")
