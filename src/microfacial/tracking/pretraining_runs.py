"""Runs of `microfacial pretrain`: one run per training of the motion prior, in an experiment of their own.

The tag `microfacial.motion_prior` is the digest of the weights. Runs of models that use these weights have the same
digest in their parameter and tag `motion_prior`, so either side leads to the other.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric

from microfacial.source_code import PACKAGE, package_digest
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.run_content import as_params, metric_batches
from microfacial.tracking.run_records import PRETRAININGS
from microfacial.training.prior_files import TrainedPrior

_DRAWING = PACKAGE / "datasets" / "drawn_motion"


def log_pretraining(
    client: MlflowClient, trained: TrainedPrior, tags: Mapping[str, str], started_ms: int, root: Path
) -> str:
    """Write the run of a training, and return its id.

    Args:
        client: client of the store.
        trained: the training, whose files have been written.
        tags: origin of the code.
        started_ms: start, in milliseconds since 1970.
        root: root folder of the project.
    """
    drawing = package_digest(_DRAWING)
    all_tags = {
        **tags,
        "microfacial.role": "pretraining",
        "microfacial.motion_prior": trained.sha256,
        "microfacial.drawing": drawing,
        "mlflow.source.name": "microfacial pretrain",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": "Trained on drawn motion only. The scores are those of drawn clips, so they say nothing "
        "about real clips.",
    }
    experiment = ensure_experiment(client, PRETRAININGS, root)
    run_id = str(client.create_run(experiment, started_ms, all_tags, f"motion prior {trained.sha256[:8]}").info.run_id)
    client.log_batch(run_id, params=as_params({**asdict(trained.plan), "device": trained.device}))
    for metrics in metric_batches(_metrics(trained)):
        client.log_batch(run_id, metrics)
    drawn = Dataset(name="drawn motion", digest=drawing, source_type="code", source="microfacial.datasets.drawn_motion")
    client.log_inputs(run_id, [DatasetInput(drawn, tags=[])])
    for path in (trained.path, trained.card):
        client.log_artifact(run_id, str(path))
    client.set_terminated(run_id)
    return run_id


def _metrics(trained: TrainedPrior) -> list[Metric]:
    """Return the loss of each batch, and the scores on drawn clips."""
    now = int(time.time() * 1000)
    areas = {f"drawn_auc_au{unit}": area for unit, area in trained.scores.unit_auc.items()}
    scores = {"drawn_accuracy": trained.scores.accuracy, **areas}
    return [
        *(Metric("loss", loss, now, step) for step, loss in enumerate(trained.losses, 1)),
        *(Metric(name, value, now, 0) for name, value in scores.items()),
    ]
