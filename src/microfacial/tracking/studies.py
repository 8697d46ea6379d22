"""Runs of studies: one run a study, in an experiment of their own, and one nested run a trial.

Several workers may write trials of one study. Each writes those that it finishes; who ends the study writes what is
missing, so that a worker that died between a trial and its run loses nothing.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run
from mlflow.exceptions import MlflowException

from microfacial.errors import PipelineError
from microfacial.locks import exclusive_lock
from microfacial.tracking.store import ensure_experiment
from microfacial.tuning.trials import Conclusion, Trial

_STUDY, _TRIAL, _PARENT = "microfacial.tuning.optuna_study", "microfacial.trial", "mlflow.parentRunId"
_ROLE, _STATE = "microfacial.role", "microfacial.state"


@dataclass(frozen=True, kw_only=True)
class StudyIdentity:
    """What a study's run is about. `digests` name the data used."""

    name: str
    dataset: str
    scheme: str
    model: str
    tags: Mapping[str, str]
    digests: Mapping[str, str]

    @property
    def experiment(self) -> str:
        """Studies of a data set and label scheme stand beside its trainings, not among them."""
        return f"{self.dataset} · {self.scheme} · studies"


class StudyRun:
    """The run of one study and its trials' nested runs; made by the first worker, taken up by all others."""

    def __init__(self, client: MlflowClient, identity: StudyIdentity, params: Mapping[str, Any], root: Path) -> None:
        self._client, self._identity = client, identity
        self._lock = root / "mlruns" / "locks" / f"{identity.name}.runs"
        self._common = {
            _STUDY: identity.name,
            "microfacial.model": identity.model,
            "microfacial.dataset": identity.dataset,
            **identity.tags,
        }
        with exclusive_lock(self._lock, None):
            self._experiment = ensure_experiment(client, identity.experiment, root)
            found = self._find(f"tags.`{_STUDY}` = '{identity.name}' and tags.`{_ROLE}` = 'study'")
            self._run_id = str(found[0].info.run_id) if found else self._create(params)

    def log_trial(self, trial: Trial) -> None:
        """Write one nested run; one that is there stays as it is, and one that a kill cut short is written anew."""
        name = f"{trial.group} trial {trial.number}".strip()
        with exclusive_lock(self._lock, None):
            for run in self._find(f"tags.`{_PARENT}` = '{self._run_id}' and tags.`{_TRIAL}` = '{name}'"):
                if run.info.status != "RUNNING":
                    return
                self._client.delete_run(run.info.run_id)
            tags = {_PARENT: self._run_id, _ROLE: "trial", _TRIAL: name, _STATE: trial.state}
            if trial.retry_of is not None:
                tags["microfacial.retry_of"] = str(trial.retry_of)
            run = self._client.create_run(self._experiment, tags={**self._common, **tags}, run_name=name)
            params = [Param(key, str(value)) for key, value in {"model": trial.model, **trial.settings}.items()]
            self._client.log_batch(run.info.run_id, metrics=_trial_metrics(trial), params=params)
            if trial.reason:
                self._client.set_tag(run.info.run_id, "mlflow.note.content", trial.reason)
            died = trial.state in ("died", "failed")
            self._client.set_terminated(run.info.run_id, "FAILED" if died else "FINISHED")

    def finish(
        self, trials: Sequence[Trial], conclusion: Conclusion, notes: Sequence[str], figures: Mapping[str, Figure]
    ) -> None:
        """Write the trials that are missing, what the study came to, and its figures, then close the run."""
        for trial in trials:
            self.log_trial(trial)
        self._client.log_batch(self._run_id, metrics=_conclusion_metrics(conclusion))
        self._client.set_tag(self._run_id, "microfacial.best", " ".join(map(str, conclusion.best)))
        self._client.set_tag(self._run_id, "mlflow.note.content", "\n\n".join(notes))
        for name, figure in figures.items():
            self._client.log_figure(self._run_id, figure, name)
        self._client.set_terminated(self._run_id)

    def _create(self, params: Mapping[str, Any]) -> str:
        tags = {**self._common, _ROLE: "study"}
        run_id = str(self._client.create_run(self._experiment, tags=tags, run_name=self._identity.name).info.run_id)
        self._client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])
        datasets = [
            DatasetInput(Dataset(name=name, digest=digest[:36], source_type="dvc", source=name), tags=[])
            for name, digest in self._identity.digests.items()
        ]
        self._client.log_inputs(run_id, datasets)
        return run_id

    def _find(self, expression: str) -> list[Run]:
        return list(self._client.search_runs([self._experiment], expression, max_results=10_000))


@contextmanager
def tolerate_mlflow_errors() -> Iterator[None]:
    """Go on where MLflow fails, and say so: trials are kept elsewhere, and are written by the next command."""
    try:
        yield
    except (MlflowException, PipelineError) as error:
        first = str(error).splitlines()[0]
        click.echo(f"MLflow failed ({first}). The study goes on; the same command writes its runs later", err=True)


def _trial_metrics(trial: Trial) -> list[Metric]:
    """The score of each fold by its step, how many were trained, and what they came to."""
    now = int(time.time() * 1000)
    points = [Metric("fold_score", score, now, step) for step, score in sorted(trial.scores.items())]
    facts = {"folds": float(len(trial.scores)), "seconds": trial.seconds}
    if trial.value is not None:
        facts["inner_uf1"] = trial.value
    if trial.state == "pruned":
        facts["pruned_at"] = facts["folds"]
    return points + [Metric(name, value, now, 0) for name, value in facts.items()]


def _conclusion_metrics(conclusion: Conclusion) -> list[Metric]:
    now = int(time.time() * 1000)
    values: dict[str, float] = {}
    for finding in conclusion.findings:
        low, high = finding.difference.uf1_interval
        names = ("uf1", "uf1_trial_0", "uf1_difference", "uf1_difference_low", "uf1_difference_high")
        found = (*finding.uf1, finding.difference.uf1_difference, low, high)
        values |= {f"{finding.part}/{name}": value for name, value in zip(names, found, strict=True)}
    return [Metric(name, value, now, 0) for name, value in values.items()]
