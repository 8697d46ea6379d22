"""Runs of trainings: one run per model, one nested run per fold and repetition. MLflow is a copy of results/.

Runs are found by their tags and not by stored ids, so that a training that was killed continues with its earlier runs.
MLflow's page shows one level of nesting. Its filters hide a nested run without the parameters of its parent, so folds
repeat the parameters of their model.
"""

import socket
import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from microfacial.evaluation.result_files import read_evaluation
from microfacial.evaluation.unit_files import read_units
from microfacial.locks import is_held
from microfacial.records import Evaluation, UnitEvaluation
from microfacial.tracking.artifacts import list_files, list_tables, read_tables, write_figures_and_files
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.fold_records import TrainedFold
from microfacial.tracking.run_content import (
    as_params,
    describe_scores,
    flow_as_dataset,
    fold_metrics,
    metric_batches,
    pooled_metrics,
    pooled_unit_metrics,
    standard_tags,
)
from microfacial.tracking.run_records import RunIdentity, RunMetadata

STAGE_LOCK = Path(".microfacial") / "stage.lock"
_KEY, _ROLE, _FOLD, _PARENT = "microfacial.key", "microfacial.role", "microfacial.fold", "mlflow.parentRunId"
_HOST, _FOLDER = "microfacial.host", "microfacial.folder"


class ModelRun:
    """The run of one model with a nested run per fold. It is new, or continues a run that a killed process left.

    The caller must hold the stage lock of the project, so that no other process trains there.

    Args:
        client: client of the store.
        identity: name, data and settings of the run.
        metadata: commit, start and durations of the training.
        root: root folder of the project.
    """

    def __init__(self, client: MlflowClient, identity: RunIdentity, metadata: RunMetadata, root: Path) -> None:
        self._client, self._identity, self._metadata = client, identity, metadata
        self._here = {_HOST: socket.gethostname(), _FOLDER: str(root.resolve())}
        self._experiment = ensure_experiment(client, identity.experiment, root)
        self._dataset = flow_as_dataset(identity)
        ours = [run for run in self._find(self._ours("model")) if run.info.status != "RUNNING" or self._is_dead(run)]
        ours = ours or self._restore_deleted()
        ours.sort(key=lambda run: run.info.status != "FINISHED")
        self._run_id = self._reopen(ours[0]) if ours else self._create()
        self._adopt_folds()
        self._folds = self._find_finished_folds()
        self._close_others()

    @property
    def run_id(self) -> str:
        """Id of the run in MLflow."""
        return self._run_id

    def log_fold(self, fold: TrainedFold, seconds: float | None) -> bool:
        """Write the nested run of a fold. An existing run stays as it is.

        Args:
            fold: the fold.
            seconds: duration of its training, or None if it is unknown.

        Returns:
            Whether the run was missing.
        """
        if fold.key in self._folds:
            return False
        tags = {_PARENT: self._run_id, _ROLE: "fold", _FOLD: fold.key, "microfacial.subject": fold.name}
        started_ms = None if seconds is None else int(1000 * (time.time() - seconds))
        run_id = self._open(self._name_fold(fold), started_ms, {**tags, "microfacial.repeat": str(fold.repeat)})
        facts = {"subject": fold.name, "repeat": fold.repeat, "fold_seed": fold.seed, "chosen": fold.chosen}
        params = as_params(self._identity.params | facts)
        first, *further = metric_batches(fold_metrics(fold, seconds))
        self._client.log_batch(run_id, first, params)
        for metrics in further:
            self._client.log_batch(run_id, metrics)
        self._client.log_inputs(run_id, [self._dataset])
        self._client.set_terminated(run_id)
        self._folds[fold.key] = run_id
        return True

    def finish(self, folder: Path, metadata: RunMetadata) -> bool:
        """Write the pooled scores, figures, tables and files of a training, then close the run.

        Args:
            folder: results/<data set>/train/<model>.
            metadata: end of the training.

        Returns:
            Whether anything was missing. A complete run stays as it is.

        Raises:
            StorageError: a file of the folder is missing or damaged.
        """
        if self._is_whole(folder):
            return False
        evaluation: Evaluation | UnitEvaluation
        if self._identity.task == "units":
            evaluation = read_units(folder)
            metrics = pooled_unit_metrics(evaluation)
        else:
            evaluation = read_evaluation(folder)
            metrics = pooled_metrics(evaluation)
        self._client.log_batch(self._run_id, metrics=metrics)
        self._client.set_tag(self._run_id, "mlflow.note.content", describe_scores(evaluation))
        with TemporaryDirectory() as scratch:
            write_figures_and_files(folder, Path(scratch), self._identity.task)
            self._client.log_artifacts(
                self._run_id, scratch
            )  # one call, because each call reads the location from the store
        self._write_tables(folder)
        self._client.set_terminated(self._run_id, end_time=metadata.ended_ms)
        return True

    def close_unfinished(self, status: str) -> None:
        """Close the run of a training that ended before `finish`.

        Args:
            status: KILLED or FAILED.
        """
        self._client.set_terminated(self._run_id, status)

    # --- opening ------------------------------------------------------------------------------------------------------

    def _open(self, name: str, started_ms: int | None, tags: Mapping[str, str]) -> str:
        """Create a run and return its id. The run is nested if its tags name a parent."""
        facts = {f"microfacial.{fact}": value for fact, value in self._identity.facts.items()}
        common = {
            **facts,
            _KEY: self._identity.key,
            **self._metadata.tags,
            **standard_tags(self._identity, self._metadata),
        }
        run = self._client.create_run(self._experiment, started_ms, {**common, **tags}, name)
        return str(run.info.run_id)

    def _create(self) -> str:
        digests = {
            "microfacial.clips": self._identity.clips,
            "microfacial.flow": self._identity.flow.digest,
        }
        tags = {_ROLE: "model", **digests, **self._here}
        run_id = self._open(self._name(), self._metadata.started_ms, tags)
        self._describe_inputs(run_id)
        return run_id

    def _restore_deleted(self) -> list[Run]:
        """Restore the latest finished run of this training that a user deleted, so that links to it work again."""
        deleted = [run for run in self._find(self._ours("model"), ViewType.DELETED_ONLY) if run.info.end_time]
        finished = [run for run in deleted if run.info.status == "FINISHED"][:1]
        for run in finished:
            self._client.restore_run(run.info.run_id)
        return finished

    def _adopt_folds(self) -> None:
        """Nest finished folds of this training below its run if their own run was deleted in MLflow."""
        parents = {run.info.run_id for run in self._find(self._ours("model"))}
        for fold in self._find(f"{self._ours('fold')} and attributes.status = 'FINISHED'"):
            if fold.data.tags.get(_PARENT) not in parents:
                self._client.set_tag(fold.info.run_id, _PARENT, self._run_id)

    def _reopen(self, run: Run) -> str:
        """Continue an existing run and return its id. A finished run stays finished until something is missing."""
        run_id = str(run.info.run_id)
        if run.info.status != "FINISHED":
            self._client.update_run(run_id, status="RUNNING")
            for name, value in self._here.items():
                self._client.set_tag(run_id, name, value)
            self._describe_inputs(run_id)
        return run_id

    def _describe_inputs(self, run_id: str) -> None:
        """Write parameters and data. Writing them again changes nothing."""
        self._client.log_batch(run_id, params=as_params(self._identity.params))
        self._client.log_inputs(run_id, [self._dataset])

    def _find_finished_folds(self) -> dict[str, str]:
        """Return the ids of finished nested runs by fold. Delete nested runs that a killed process left unfinished."""
        finished: dict[str, str] = {}
        for run in self._find(f"tags.`{_PARENT}` = '{self._run_id}'"):
            fold = run.data.tags.get(_FOLD)
            if fold is None:  # a run that a user created
                continue
            if run.info.status == "FINISHED" and fold not in finished:
                finished[fold] = run.info.run_id
            else:
                self._client.delete_run(run.info.run_id)
        return finished

    # --- unfinished runs ----------------------------------------------------------------------------------------------

    def _close_others(self) -> None:
        """Close the runs of killed trainings that no training continues, for example because settings have changed."""
        for run in self._find(f"attributes.status = 'RUNNING' and tags.`{_ROLE}` = 'model'"):
            if run.info.run_id != self._run_id and self._is_dead(run):
                running = f"attributes.status = 'RUNNING' and tags.`{_PARENT}` = '{run.info.run_id}'"
                for unfinished in chain(self._find(running), [run]):
                    self._client.set_terminated(unfinished.info.run_id, "KILLED")

    def _is_dead(self, run: Run) -> bool:
        """Return whether no process can be writing a run.

        This process holds the stage lock of its own project. A training of another project on this machine holds the
        lock of that project. Runs of other machines may be alive.
        """
        host, folder = run.data.tags.get(_HOST), run.data.tags.get(_FOLDER, "")
        if host != self._here[_HOST]:
            return False
        return folder == self._here[_FOLDER] or not is_held(Path(folder) / STAGE_LOCK)

    # --- small parts --------------------------------------------------------------------------------------------------

    def _is_whole(self, folder: Path) -> bool:
        if self._client.get_run(self._run_id).info.status != "FINISHED":
            return False
        there = self._list_artifacts("files") | self._list_artifacts()
        return {f"files/{path.name}" for path in list_files(folder)} | {*list_tables(self._identity.task)} <= there

    def _write_tables(self, folder: Path) -> None:
        """Write the missing tables. MLflow would append to an existing table."""
        there = self._list_artifacts()
        for name, table in read_tables(folder, self._identity.task).items():
            if name not in there:
                self._client.log_table(self._run_id, table, name)

    def _list_artifacts(self, folder: str | None = None) -> set[str]:
        return {item.path for item in self._client.list_artifacts(self._run_id, folder)}

    def _find(self, expression: str, lifecycle: int = ViewType.ACTIVE_ONLY) -> list[Run]:
        return list(self._client.search_runs([self._experiment], expression, lifecycle, max_results=10_000))

    def _ours(self, role: str) -> str:
        """Return the filter of runs with this training's data, settings and code."""
        return f"tags.`{_KEY}` = '{self._identity.key}' and tags.`{_ROLE}` = '{role}'"

    def _name(self) -> str:
        """Return the name of the run: the model, its seed unless it is 0, and the experiment of DVC."""
        seed = str(self._identity.settings["train"]["seed"])
        experiment = self._metadata.tags.get("microfacial.dvc_exp")
        return " ".join([self._identity.model, *(["seed", seed] if seed != "0" else []), *filter(None, [experiment])])

    def _name_fold(self, fold: TrainedFold) -> str:
        several = self._identity.settings["train"]["repeats"] > 1
        return f"{self._identity.model} {fold.name}" + (f" seed {fold.repeat}" if several else "")
