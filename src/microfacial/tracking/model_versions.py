"""Registered models in MLflow: one name per data set and label scheme, versions of any variant, and two aliases.

The tags of a version describe it and record every decision about it. A study or a promotion therefore needs only the
registry.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from microfacial.errors import PipelineError
from microfacial.tracking.experiments import ensure_experiment, find_experiment, require_active
from microfacial.tracking.failures import is_missing
from microfacial.tracking.location import is_served
from microfacial.tracking.run_records import RunIdentity, experiment_name
from microfacial.tracking.version_files import fetch_files, find_missing_files

_LOG = logging.getLogger(__name__)

Alias = Literal["champion", "challenger"]

ORIGIN = ("bundle", "pack", "data", "data_version", "flow", "git_commit", "git_dirty", "study", "trial", "package")
_FACTS = ("model", "dataset", "scheme", "protocol")
_SETTINGS, _TUNED_ON = "microfacial.settings", "microfacial.tuned_on"
_REQUIRED = (*(f"microfacial.{fact}" for fact in _FACTS), _SETTINGS, _TUNED_ON)
_DECISION = "microfacial.decision."  # followed by the number of the decision, with three digits


@dataclass(frozen=True, kw_only=True)
class ModelVersionRecord:
    """One version of a registered model.

    Attributes:
        name: name of the registered model.
        version: number of the version. It is 0 before the registry has assigned a number.
        model: name of the variant.
        settings: resolved settings of the variant.
        dataset: data set of the evaluation.
        scheme: label scheme of the evaluation.
        protocol: protocol of the evaluation.
        tuned_on: subjects on which the settings were tuned, such as casme2/sub03.
        run_id: run of the training, or an empty text if MLflow has no such run.
        origin: versions of data and code, by the names in `ORIGIN`.
    """

    name: str
    version: int
    model: str
    settings: Mapping[str, Any]
    dataset: str
    scheme: str
    protocol: str
    tuned_on: tuple[str, ...]
    run_id: str
    origin: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name of the version in messages."""
        return f"{self.model}, version {self.version}"

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the version in MLflow, by name. `read_version` reads them."""
        facts = {f"microfacial.{fact}": str(getattr(self, fact)) for fact in _FACTS}
        written = {
            _SETTINGS: json.dumps(dict(self.settings), sort_keys=True),
            _TUNED_ON: json.dumps(self.tuned_on),
        }
        origin = {f"microfacial.{name}": value for name, value in self.origin.items()}
        return facts | origin | written


def registered_name(dataset: str, scheme: str) -> str:
    """Return the name of the registered model of a data set and label scheme, such as `demo.casme2-4`.

    Args:
        dataset: name of the data set, without a dot.
        scheme: name of the label scheme, without a dot.
    """
    return f"{dataset}.{scheme}"


def find_version(client: MlflowClient, name: str, alias: Alias) -> ModelVersionRecord | None:
    """Return the version of an alias, or None if the model, the alias or its version does not exist.

    MLflow removes an alias together with its version. In some stores, an alias can outlive its version.

    Args:
        client: client of the store.
        name: name of the registered model.
        alias: the alias.
    """
    models = [model for model in client.search_registered_models(f"name = '{name}'") if alias in model.aliases]
    if not models:
        return None
    try:
        version = client.get_model_version(name, str(models[0].aliases[alias]))
    except MlflowException as error:
        if not is_missing(error):
            raise
        return None
    return read_version(version)


def read_version(version: ModelVersion) -> ModelVersionRecord:
    """Return the record of a version from its tags.

    Args:
        version: the version, as MLflow describes it.

    Raises:
        PipelineError: a tag is missing.
    """
    lacking = [tag for tag in _REQUIRED if tag not in version.tags]
    if lacking:
        raise PipelineError(
            f"version {version.version} of {version.name} has no tag {lacking[0]}: microfacial did not register it. "
            "Delete it on MLflow's page (`microfacial ui`), or register it under another name"
        )
    facts = {fact: version.tags[f"microfacial.{fact}"] for fact in _FACTS}
    return ModelVersionRecord(
        name=version.name,
        version=int(version.version),
        settings=json.loads(version.tags[_SETTINGS]),
        tuned_on=tuple(json.loads(version.tags[_TUNED_ON])),
        run_id=version.run_id or "",
        origin={name: version.tags[f"microfacial.{name}"] for name in ORIGIN if f"microfacial.{name}" in version.tags},
        **facts,
    )


def find_training(client: MlflowClient, identity: RunIdentity) -> str:
    """Return the id of the latest finished run of a training, or an empty text.

    Args:
        client: client of the store.
        identity: identity of the training. Runs of other data, settings or code have another key.

    Raises:
        PipelineError: the experiment was deleted.
    """
    experiment = find_experiment(client, identity.experiment)
    if experiment is None:
        return ""
    require_active(client, experiment, identity.experiment)
    wanted = f"tags.`microfacial.role` = 'model' and tags.`microfacial.key` = '{identity.key}' and status = 'FINISHED'"
    runs = client.search_runs([experiment.experiment_id], wanted, order_by=["attributes.start_time DESC"])
    return next((str(run.info.run_id) for run in runs), "")


class Registry:
    """The versions of one registered model, and the two aliases champion and challenger.

    MLflow cannot compare and set an alias in one step, so two promotions must not run at once. A lock ensures it on
    one machine.

    Args:
        client: client of the store.
        name: name of the registered model.
    """

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client, self.name = client, name

    def find(self, alias: Alias) -> ModelVersionRecord | None:
        """Return the version of an alias, or None."""
        return find_version(self._client, self.name, alias)

    def versions(self) -> list[ModelVersionRecord]:
        """Return all versions, the oldest first."""
        return [read_version(version) for version in self._search()]

    def get(self, version: int) -> ModelVersionRecord:
        """Return a version by its number.

        Raises:
            PipelineError: there is no such version.
        """
        records = [record for record in self.versions() if record.version == version]
        if not records:
            raise PipelineError(f"{self.name} has no version {version}. `microfacial lineage` lists them")
        return records[0]

    def add(self, folder: Path, record: ModelVersionRecord, description: str, root: Path) -> ModelVersionRecord:
        """Upload a model and create a version of it. No alias points to the new version.

        Args:
            folder: folder that `pyfunc.save_model` wrote.
            record: description of the version. Its number is ignored.
            description: text on the version's page.
            root: root folder of the project.

        Returns:
            The record with the number of the version.
        """
        experiment = ensure_experiment(self._client, experiment_name(record.dataset, record.scheme), root)
        logged = self._client.create_logged_model(experiment, name=record.model, source_run_id=record.run_id or None)
        self._client.log_model_artifacts(logged.model_id, str(folder))
        self._client.finalize_logged_model(logged.model_id, "READY")
        if record.run_id:  # the page of the run then names the model and its version
            self._client.log_outputs(record.run_id, [LoggedModelOutput(logged.model_id, step=0)])
        if not self._client.search_registered_models(f"name = '{self.name}'"):
            self._client.create_registered_model(self.name)
        # With a local store, MLflow searches a model without a run in its default store, which is another one.
        named = record.run_id or is_served(self._client.tracking_uri)
        made = self._client.create_model_version(
            self.name,
            source=logged.artifact_location,  # MLflow resolves `models:/…` in its default store, not in the client's
            run_id=record.run_id or None,
            tags=record.tags,
            description=description,
            model_id=logged.model_id if named else None,
        )
        return self.get(int(made.version))

    def fetch(self, version: int, cache: Path) -> Path:
        """Return the folder of a version's model. A remote model is downloaded once, because versions never change.

        Args:
            version: number of the version.
            cache: folder for downloaded models.

        Raises:
            StorageError: the files are missing.
        """
        _LOG.debug("fetching version %d of %s", version, self.name)
        return fetch_files(self._client, self.name, version, cache)

    def find_missing_files(self, version: int) -> str:
        """Return the fault and its remedy if the local files of a version are missing, and otherwise an empty text."""
        return find_missing_files(self._client, self.name, version)

    def describe_run(self, run_id: str) -> str:
        """Return the id of a run, and whether a user deleted the run in MLflow."""
        if not run_id:
            return "none in this store"
        try:
            stage = self._client.get_run(run_id).info.lifecycle_stage
        except MlflowException as error:
            if not is_missing(error):
                raise
            return f"{run_id} (deleted permanently in MLflow)"
        return run_id if stage == "active" else f"{run_id} (deleted in MLflow)"

    def set_alias(self, alias: Alias, version: int) -> None:
        """Let an alias point to a version. One call replaces the old target.

        Args:
            alias: the alias.
            version: number of the version.
        """
        self._client.set_registered_model_alias(self.name, alias, str(version))

    def delete_alias(self, alias: Alias) -> None:
        """Remove an alias."""
        self._client.delete_registered_model_alias(self.name, alias)

    def decisions(self) -> dict[int, list[dict[str, Any]]]:
        """Return the decisions about each version in order, by the number of the version."""
        return {
            int(version.version): [
                json.loads(text) for tag, text in sorted(version.tags.items()) if tag.startswith(_DECISION)
            ]
            for version in self._search()
        }

    def record(self, version: int, number: int, decision: Mapping[str, Any]) -> None:
        """Write a decision to a version. An earlier state of the same decision is replaced.

        Args:
            version: number of the version.
            number: number of the decision.
            decision: content of the decision, as JSON.
        """
        tag = f"{_DECISION}{number:03d}"
        text = json.dumps(dict(decision), sort_keys=True, ensure_ascii=False)
        self._client.set_model_version_tag(self.name, str(version), tag, text)

    def describe(self, text: str) -> None:
        """Write the description of the registered model, which MLflow's page shows above the versions."""
        self._client.update_registered_model(self.name, description=text)

    def _search(self) -> list[ModelVersion]:
        versions = self._client.search_model_versions(f"name = '{self.name}'", max_results=10_000)
        return sorted(versions, key=lambda version: int(version.version))
