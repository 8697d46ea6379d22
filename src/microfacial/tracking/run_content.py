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
from microfacial.records import Evaluation, Score, UnitEvaluation
from microfacial.tracking.fold_records import TrainedFold
from microfacial.tracking.run_records import RunIdentity, RunMetadata

_BATCH = 1000  # largest number of metrics in one call


def describe_scores(evaluation: Evaluation | UnitEvaluation) -> str:
    """Return the scores in a few lines of Markdown, after the note that limits their meaning."""
    overall = evaluation.overall
    if isinstance(evaluation, UnitEvaluation):
        spans = (
            ("Mean F1 of action units", evaluation.overall.f1, evaluation.f1_interval),
            ("mean ROC area", evaluation.overall.roc_area, evaluation.roc_interval),
        )
    else:
        spans = (
            ("UF1", evaluation.overall.uf1, evaluation.uf1_interval),
            ("UAR", evaluation.overall.uar, evaluation.uar_interval),
        )
    scores = ", ".join(
        f"{name} {score:.3f} (95 %: {span[0]:.3f} to {span[1]:.3f})"
        for name, score, span in spans
        if score is not None and span is not None
    )
    once = evaluation.model in list_models() and ignores_seed(evaluation.model)
    repetitions = "fitted once, because the seed does not change it" if once else f"repeated {evaluation.repeats} ×"
    lines = [
        f"**{evaluation.note}**" if evaluation.note else "",
        f"{scores or 'No score'}; {evaluation.protocol} over {overall.subjects} subjects, {overall.clips} clips, "
        f"{repetitions}.",
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
    """Return the curves of a fold, one point per epoch, and its counts.

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
    return points + _as_metrics({**fold.counts, **({} if seconds is None else {"seconds": seconds})})


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


def pooled_unit_metrics(evaluation: UnitEvaluation) -> list[Metric]:
    """Return all scores of action units that exist, such as `f1`, `f1_low`, `AU4/f1` and `casme2/f1`."""
    values = {
        "f1": evaluation.overall.f1,
        "roc_area": evaluation.overall.roc_area,
        "f1_sd": evaluation.f1_sd,
        **_span_values("f1", evaluation.f1_interval),
        **_span_values("roc_area", evaluation.roc_interval),
    }
    for score in evaluation.units:
        values |= {f"AU{score.unit}/f1": score.f1, f"AU{score.unit}/roc_area": score.roc_area}
    if len(evaluation.corpora) > 1:
        values["f1_over_corpora"] = evaluation.f1_over_corpora
        for corpus, means in evaluation.corpora.items():
            values |= {f"{corpus}/f1": means.f1, f"{corpus}/roc_area": means.roc_area}
    return _as_metrics({name: value for name, value in values.items() if value is not None})


def _span_values(name: str, span: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = span or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _score_values(score: Score, prefix: str) -> dict[str, float]:
    return {f"{prefix}uf1": score.uf1, f"{prefix}uar": score.uar, f"{prefix}accuracy": score.accuracy}
