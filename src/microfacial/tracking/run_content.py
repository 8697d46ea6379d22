"""Content of runs in MLflow: parameters, metrics, tags, descriptions and data sets from records of a training."""

import getpass
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
from mlflow.data.schema import TensorDatasetSchema
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.types import Schema, TensorSpec

from microfacial.evaluation.protocols import ignores_seed
from microfacial.models.lookup import list_models
from microfacial.records import Evaluation, Score
from microfacial.tracking.run_records import RunIdentity, RunMetadata, TrainedFold

_BATCH = 1000  # largest number of metrics in one call


def describe_scores(evaluation: Evaluation) -> str:
    """Return the scores in a few lines of Markdown, after the note that limits their meaning."""
    (uf1_low, uf1_high), (uar_low, uar_high) = evaluation.uf1_interval, evaluation.uar_interval
    overall = evaluation.overall
    once = evaluation.model in list_models() and ignores_seed(evaluation.model)
    repetitions = "fitted once, because the seed does not change it" if once else f"repeated {evaluation.repeats} ×"
    lines = [
        f"**{evaluation.note}**" if evaluation.note else "",
        f"UF1 {overall.uf1:.3f} (95 %: {uf1_low:.3f} to {uf1_high:.3f}), UAR {overall.uar:.3f} "
        f"(95 %: {uar_low:.3f} to {uar_high:.3f}); {evaluation.protocol} over {overall.subjects} subjects, "
        f"{overall.clips} clips, {repetitions}.",
        "Each nested run is a fold, named after its held-out subject or corpus.",
    ]
    return "\n\n".join(filter(None, lines))


def flow_as_dataset(identity: RunIdentity) -> DatasetInput:
    """Return the flow store as a data set of MLflow: its location, the shape of one clip, the number of clips."""
    clips, *shape = identity.flow.shape
    bytes_each = np.dtype(np.float16).itemsize
    schema = TensorDatasetSchema(features=Schema([TensorSpec(np.dtype(np.float16), (-1, *shape))]))
    profile = {
        "features_shape": identity.flow.shape,
        "features_size": math.prod(identity.flow.shape),
        "features_nbytes": math.prod(identity.flow.shape) * bytes_each,
        "clips": clips,
        "corpora": identity.corpora,
        "unit": identity.flow.unit,
    }
    flow = Dataset(
        name=f"{identity.dataset} flow",
        digest=identity.flow.digest[:36],  # the limit of MLflow
        source_type="local",
        source=json.dumps({"uri": f"results/{identity.dataset}/flow"}),
        schema=json.dumps(schema.to_dict()),
        profile=json.dumps(profile),
    )
    return DatasetInput(flow, tags=[InputTag("mlflow.data.context", "training")])


def standard_tags(identity: RunIdentity, metadata: RunMetadata) -> dict[str, str]:
    """Return the tags of MLflow's own columns: user, command and commit."""
    tags = {"mlflow.source.name": f"microfacial train {identity.model}", "mlflow.source.type": "LOCAL"}
    commit = metadata.tags.get("microfacial.git_commit", "unknown")
    if commit != "unknown":
        tags["mlflow.source.git.commit"] = commit
    with suppress(KeyError, OSError):  # the user of a container has no name
        tags["mlflow.user"] = getpass.getuser()
    return tags


def metric_batches(metrics: Sequence[Metric]) -> Iterator[Sequence[Metric]]:
    """Yield metrics in batches that MLflow accepts in one call."""
    for start in range(0, len(metrics), _BATCH):
        yield metrics[start : start + _BATCH]


def as_params(values: Mapping[str, Any]) -> list[Param]:
    """Return values by name as parameters of a run."""
    return [Param(name, str(value)) for name, value in values.items()]


def _as_metrics(values: Mapping[str, float]) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(name, value, now, 0) for name, value in values.items()]


def fold_metrics(fold: TrainedFold, seconds: float | None) -> list[Metric]:
    """Return the curves of a fold, one point per epoch, and its accuracy.

    Args:
        fold: the fold.
        seconds: duration of its training, or None if it is unknown.
    """
    now = int(time.time() * 1000)
    points = [
        Metric(name, value, now, epoch)
        for name, curve in asdict(fold.history).items()
        for epoch, value in enumerate(curve, 1)
    ]
    facts = {"held_out_clips": fold.clips, "held_out_hits": fold.hits, "held_out_accuracy": fold.hits / fold.clips}
    return points + _as_metrics(facts if seconds is None else {**facts, "seconds": seconds})


def pooled_metrics(evaluation: Evaluation) -> list[Metric]:
    """Return all scores of an evaluation. Scores of a corpus have its name in front if there are several corpora."""
    values = _score_values(evaluation.overall, "")
    if len(evaluation.corpora) > 1:
        for corpus, score in evaluation.corpora.items():
            values |= _score_values(score, f"{corpus}/")
    values |= {
        "uf1_sd": evaluation.uf1_sd,
        "uf1_low": evaluation.uf1_interval[0],
        "uf1_high": evaluation.uf1_interval[1],
        "uar_sd": evaluation.uar_sd,
        "uar_low": evaluation.uar_interval[0],
        "uar_high": evaluation.uar_interval[1],
        "ece": evaluation.ece,
        "mean_over_folds_uf1": evaluation.mean_over_folds_uf1,
        "mean_over_folds_uar": evaluation.mean_over_folds_uar,
        "mean_over_folds_accuracy": evaluation.mean_over_folds_accuracy,
    }
    return _as_metrics(values)


def _score_values(score: Score, prefix: str) -> dict[str, float]:
    return {f"{prefix}uf1": score.uf1, f"{prefix}uar": score.uar, f"{prefix}accuracy": score.accuracy}
