"""Runs of studies: one run per study, in an experiment of their own, and one nested run per trial.

Several workers can write trials of one study. Each worker writes the trials that it finishes. The worker that ends the
study writes the missing trials, so that nothing is lost if a worker died after a trial.
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

from microfacial.locks import exclusive_lock
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.failures import WRITE_ERRORS, describe_failure
from microfacial.tracking.location import store_uri
from microfacial.tracking.run_records import experiment_name
from microfacial.tuning.conclusion import find_claim
from microfacial.tuning.trials import Conclusion, Trial

_STUDY, _TRIAL, _PARENT = "microfacial.study", "microfacial.trial", "mlflow.parentRunId"
_ROLE, _STATE = "microfacial.role", "microfacial.state"


@dataclass(frozen=True, kw_only=True)
class StudyIdentity:
    """Identity of a study's run: its name, data and code.

    Attributes:
        name: name of the study.
        dataset: name of the data set.
        scheme: label scheme.
        model: name of the variant.
        tags: origin of the code, from `git_tags`.
        digests: versions of the data, by name.
    """

    name: str
    dataset: str
    scheme: str
    model: str
    tags: Mapping[str, str]
    digests: Mapping[str, str]

    @property
    def experiment(self) -> str:
        """Name of the experiment. Studies are separate from the trainings of the same data set and label scheme."""
        return experiment_name(self.dataset, self.scheme, studies=True)


class StudyRun:
    """The run of one study with a nested run per trial. The first worker creates it, the others find it.

    Args:
        client: client of the store.
        identity: name, data and settings of the run.
        params: parameters of the run by name.
        root: root folder of the project.
    """

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
            runs = self._find(f"tags.`{_STUDY}` = '{identity.name}' and tags.`{_ROLE}` = 'study'")
            self._run_id = str(runs[0].info.run_id) if runs else self._create(params)

    def log_trial(self, trial: Trial) -> None:
        """Write the nested run of a trial.

        An existing run stays as it is. A run that a killed process left unfinished is replaced.

        Args:
            trial: a finished trial.
        """
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
        """Write the missing trials, the conclusion and the figures, then close the run.

        Args:
            trials: all trials of the study.
            conclusion: the best trials and their scores.
            notes: lines of the description on the run's page.
            figures: figures by file name.
        """
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
def tolerate_mlflow_errors(root: Path) -> Iterator[None]:
    """Print errors of MLflow in the context instead of raising them.

    The trials are in the study's own storage, and the next command writes them into MLflow.

    Args:
        root: root folder of the project.
    """
    try:
        yield
    except WRITE_ERRORS as error:
        click.echo(
            f"microfacial: MLflow failed: {describe_failure(store_uri(root), error)}. The study continues. Repeat the "
            "command later to write its runs",
            err=True,
        )


def _trial_metrics(trial: Trial) -> list[Metric]:
    """Return the metrics of a trial: fold scores, number of folds, duration, pooled score, and the fold of pruning."""
    now = int(time.time() * 1000)
    points = [Metric("fold_score", score, now, step) for step, score in sorted(trial.scores.items())]
    facts = {"folds": float(len(trial.scores)), "seconds": trial.seconds}
    if trial.value is not None:
        facts["inner_uf1"] = trial.value
    if trial.state == "pruned":
        facts["pruned_at"] = facts["folds"]
    return points + [Metric(name, value, now, 0) for name, value in facts.items()]


def _conclusion_metrics(conclusion: Conclusion) -> list[Metric]:
    """Return the scores of each part. The score that tuning could not influence also has a name without its part."""
    now = int(time.time() * 1000)
    values: dict[str, float] = {}
    for finding in conclusion.findings:
        low, high = finding.difference.uf1_interval
        names = ("uf1", "uf1_trial_0", "uf1_difference", "uf1_difference_low", "uf1_difference_high")
        scores = (*finding.uf1, finding.difference.uf1_difference, low, high)
        named = dict(zip(names, scores, strict=True))
        values |= {f"{finding.part}/{name}": value for name, value in named.items()}
        if finding == find_claim(conclusion):
            values |= named
    return [Metric(name, value, now, 0) for name, value in values.items()]
