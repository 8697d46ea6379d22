"""Runs of trainings: one run a model, one nested run a fold and repetition. MLflow mirrors what build/ decides.

Runs are found by tags, never by remembered ids, so that a killed and restarted training goes on with the runs it had.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run
from mlflow.exceptions import MlflowException

from microfacial.errors import PipelineError
from microfacial.records import Evaluation, FoldResult, Score
from microfacial.tracking.store import ensure_experiment

_BATCH = 1000  # points that MLflow takes at once
_KEY, _FOLD, _PARENT = "microfacial.key", "microfacial.fold", "mlflow.parentRunId"
_SUBJECT, _SEED = "microfacial.subject", "microfacial.seed"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a run is about. `key` is the digest of everything the results depend on; `digests` name the data used."""

    dataset: str
    scheme: str
    model: str
    key: str
    seed: int
    tags: Mapping[str, str]
    digests: Mapping[str, str]

    @property
    def experiment(self) -> str:
        """One experiment per data set and label scheme."""
        return f"{self.dataset} · {self.scheme}"


class ModelRun:
    """The run of one model and its folds' nested runs; opened anew or taken up where a killed process left it."""

    def __init__(self, client: MlflowClient, identity: Identity, params: Mapping[str, Any], root: Path) -> None:
        self._client, self._identity = client, identity
        self._experiment = ensure_experiment(client, identity.experiment, root)
        self._common = {
            "microfacial.model": identity.model,
            "microfacial.dataset": identity.dataset,
            _KEY: identity.key,
            _SEED: str(identity.seed),
            **identity.tags,
        }
        parent = self._find(f"tags.`{_KEY}` = '{identity.key}' and tags.`microfacial.role` = 'model'")
        self._run_id = self._reopen(parent[0]) if parent else self._create()
        self._describe(params)
        self._folds = self._take_up_folds()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Close the run as KILLED or FAILED if the training did not reach `finish`.

        Raises:
            PipelineError: MLflow itself failed.
        """
        if isinstance(error, MlflowException):
            raise PipelineError(f"MLflow failed ({error}). Finished folds are kept: mend it and run again") from error
        if kind is not None:
            status = "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
            self._client.set_terminated(self._run_id, status)

    def log_fold(self, fold: FoldResult) -> None:
        """Write one nested run, its curves in one batch unless they are very long; one that is there stays as it is."""
        plan = fold.plan
        if plan.key in self._folds:
            return
        facts = {_FOLD: plan.key, _SUBJECT: plan.name, _SEED: str(plan.repeat)}
        tags = {_PARENT: self._run_id, "microfacial.role": "fold", **facts}
        name = f"{self._identity.model} {plan.key}"
        run = self._client.create_run(self._experiment, tags={**self._common, **tags}, run_name=name)
        self._client.log_batch(run.info.run_id, params=self._fold_params(fold))
        metrics = _fold_metrics(fold)
        for start in range(0, len(metrics), _BATCH):
            self._client.log_batch(run.info.run_id, metrics=metrics[start : start + _BATCH])
        self._client.set_terminated(run.info.run_id)
        self._folds[plan.key] = run.info.run_id

    def finish(self, evaluation: Evaluation, figures: Mapping[str, Figure], files: Path) -> None:
        """Write pooled scores with their note, figures and the files of the train stage, then close the run.

        Checkpoints stay in their folder: a second copy would cost disk and tell nothing.
        """
        self._client.log_batch(self._run_id, metrics=_pooled_metrics(evaluation))
        self._client.set_tag(self._run_id, "mlflow.note.content", evaluation.note)  # the description on its page
        for name, figure in figures.items():
            self._client.log_figure(self._run_id, figure, name)
        for path in sorted(path for path in files.iterdir() if path.is_file()):
            self._client.log_artifact(self._run_id, str(path))
        self._client.set_terminated(self._run_id)

    def _create(self) -> str:
        tags = {**self._common, "microfacial.role": "model"}
        return str(self._client.create_run(self._experiment, tags=tags, run_name=self._identity.model).info.run_id)

    def _describe(self, params: Mapping[str, Any]) -> None:
        """Log parameters and data, which stay the same however often they are logged."""
        self._client.log_batch(self._run_id, params=[Param(key, str(value)) for key, value in params.items()])
        datasets = [
            DatasetInput(Dataset(name=name, digest=digest[:36], source_type="dvc", source=name), tags=[])
            for name, digest in self._identity.digests.items()
        ]
        self._client.log_inputs(self._run_id, datasets)

    def _reopen(self, run: Run) -> str:
        self._client.update_run(run.info.run_id, status="RUNNING")
        return str(run.info.run_id)

    def _take_up_folds(self) -> dict[str, str]:
        """Finished nested runs by fold; a nested run that a kill left half-written is deleted."""
        finished: dict[str, str] = {}
        for run in self._find(f"tags.`{_PARENT}` = '{self._run_id}'"):
            fold = run.data.tags[_FOLD]
            if run.info.status == "FINISHED" and fold not in finished:
                finished[fold] = run.info.run_id
            else:
                self._client.delete_run(run.info.run_id)
        return finished

    def _find(self, expression: str) -> list[Run]:
        return list(self._client.search_runs([self._experiment], expression, max_results=10_000))

    def _fold_params(self, fold: FoldResult) -> list[Param]:
        facts = {
            "model": self._identity.model,
            "seed": fold.plan.repeat,
            "subject": fold.plan.name,
            "fold_seed": fold.plan.seed,
            "chosen": fold.chosen,
        }
        return [Param(key, str(value)) for key, value in facts.items()]


def _fold_metrics(fold: FoldResult) -> list[Metric]:
    now = int(time.time() * 1000)
    curves = {
        "training_loss": fold.history.training_loss,
        "validation_loss": fold.history.validation_loss,
        "validation_uar": fold.history.validation_uar,
    }
    points = [Metric(name, value, now, epoch) for name, curve in curves.items() for epoch, value in enumerate(curve, 1)]
    hits = int((fold.predicted == fold.truth).sum())
    facts = {"held_out_clips": len(fold.truth), "held_out_hits": hits, "seconds": fold.seconds}
    return points + [Metric(name, value, now, 0) for name, value in facts.items()]


def _pooled_metrics(evaluation: Evaluation) -> list[Metric]:
    now = int(time.time() * 1000)
    values = _score_values(evaluation.overall, "")
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
    return [Metric(name, value, now, 0) for name, value in values.items()]


def _score_values(score: Score, prefix: str) -> dict[str, float]:
    return {f"{prefix}uf1": score.uf1, f"{prefix}uar": score.uar, f"{prefix}accuracy": score.accuracy}
