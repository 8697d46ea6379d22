"""Registered models in MLflow: one name a data set and scheme, versions of any variant, and two aliases.

What a version is stands in its tags, and so does every decision on it, so that a study or a promotion needs nothing but
the registry to know it.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from microfacial.errors import PipelineError
from microfacial.tracking.store import ensure_experiment

Alias = Literal["champion", "challenger"]

ORIGIN = ("bundle", "pack", "data", "data_version", "flow", "git_commit", "git_dirty", "study", "trial", "package")
_FACTS = ("model", "dataset", "scheme", "protocol")
_SETTINGS, _TUNED_ON = "microfacial.settings", "microfacial.tuned_on"
_REQUIRED = (*(f"microfacial.{fact}" for fact in _FACTS), _SETTINGS, _TUNED_ON)
_DECISION = "microfacial.decision."  # and its number, of three digits


@dataclass(frozen=True, kw_only=True)
class ModelVersionRecord:
    """One version of a registered model.

    `name` and `version` find it in the registry. `model` is the variant, `settings` its resolved settings; they were
    evaluated on `dataset` with `scheme` by `protocol`, and tuned on the subjects in `tuned_on`, such as casme2/sub03.
    `run_id` is the run of the training that it comes from, empty where MLflow has none. `origin` says where it comes
    from by the names in `ORIGIN`.
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
        """How messages name it."""
        return f"{self.model}, version {self.version}"

    @property
    def tags(self) -> dict[str, str]:
        """What is written to the version, so that `find_version` reads it again."""
        facts = {f"microfacial.{fact}": str(getattr(self, fact)) for fact in _FACTS}
        written = {
            _SETTINGS: json.dumps(dict(self.settings), sort_keys=True),
            _TUNED_ON: json.dumps(self.tuned_on),
        }
        origin = {f"microfacial.{name}": value for name, value in self.origin.items()}
        return facts | origin | written


def registered_name(dataset: str, scheme: str) -> str:
    """The registered model of a data set and label scheme, such as `demo.casme2-4`; neither has a dot in its name."""
    return f"{dataset}.{scheme}"


def find_version(client: MlflowClient, name: str, alias: Alias) -> ModelVersionRecord | None:
    """The version that an alias points to; None where there is no such model or alias."""
    found = [model for model in client.search_registered_models(f"name = '{name}'") if alias in model.aliases]
    if not found:
        return None
    return read_version(client.get_model_version(name, str(found[0].aliases[alias])))


def read_version(version: ModelVersion) -> ModelVersionRecord:
    """What a version's tags say."""
    lacking = [tag for tag in _REQUIRED if tag not in version.tags]
    if lacking:
        raise PipelineError(
            f"version {version.version} of {version.name} has no tag {lacking[0]}: microfacial did not register it. "
            "Delete it, or register it under another name"
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


def find_training(client: MlflowClient, dataset: str, scheme: str, model: str, uf1: float) -> str:
    """The latest finished run of a model whose pooled UF1 this is; empty where MLflow has none."""
    experiment = client.get_experiment_by_name(_experiment(dataset, scheme))
    if experiment is None:
        return ""
    wanted = f"tags.`microfacial.role` = 'model' and tags.`microfacial.model` = '{model}' and status = 'FINISHED'"
    found = client.search_runs([experiment.experiment_id], wanted, order_by=["attributes.start_time DESC"])
    return next((str(run.info.run_id) for run in found if run.data.metrics.get("uf1") == uf1), "")


def _experiment(dataset: str, scheme: str) -> str:
    """Where the trainings of a data set and scheme are; see `runs`."""
    return f"{dataset} · {scheme}"


class Registry:
    """The versions of one registered model, and the two aliases that point to some of them.

    Aliases have no compare-and-swap: who decides must be alone, which a lock of this host ensures for this host.
    """

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client, self.name = client, name

    def find(self, alias: Alias) -> ModelVersionRecord | None:
        """The version that an alias points to."""
        return find_version(self._client, self.name, alias)

    def versions(self) -> list[ModelVersionRecord]:
        """All versions, oldest first."""
        return [read_version(found) for found in self._search()]

    def get(self, version: int) -> ModelVersionRecord:
        """A version by its number.

        Raises:
            PipelineError: there is none.
        """
        found = [one for one in self.versions() if one.version == version]
        if not found:
            raise PipelineError(f"{self.name} has no version {version}. `microfacial lineage` lists them")
        return found[0]

    def add(self, folder: Path, what: ModelVersionRecord, description: str, root: Path) -> ModelVersionRecord:
        """Upload a model that `packing.save_model` wrote, and make it a version; `what` has all but its number.

        No alias points to it yet.
        """
        experiment = ensure_experiment(self._client, _experiment(what.dataset, what.scheme), root)
        logged = self._client.create_logged_model(experiment, name=what.model, source_run_id=what.run_id or None)
        self._client.log_model_artifacts(logged.model_id, str(folder))
        self._client.finalize_logged_model(logged.model_id, "READY")
        if not self._client.search_registered_models(f"name = '{self.name}'"):
            self._client.create_registered_model(self.name)
        made = self._client.create_model_version(
            self.name,
            source=logged.artifact_location,  # MLflow looks `models:/…` up in its default store, whatever the client's
            run_id=what.run_id or None,
            tags=what.tags,
            description=description,
            model_id=logged.model_id,
        )
        return self.get(int(made.version))

    def fetch(self, version: int, cache: Path) -> Path:
        """The folder of a version's model; that of a remote store is copied to `cache` once, for versions never change.

        Raises:
            PipelineError: it is gone, or the store does not answer.
        """
        with _naming(f"{self.name}, version {version}"):
            uri = self._client.get_model_version_download_uri(self.name, str(version))
            place = hashlib.sha256(f"{self._client.tracking_uri} {uri}".encode()).hexdigest()[:8]
            kept = cache / self.name / f"{version}-{place}"  # other stores number their versions alike
            if kept.exists():
                return kept
            if uri.startswith(("/", "file:")):
                return Path(download_artifacts(artifact_uri=uri, tracking_uri=self._client.tracking_uri))
            kept.parent.mkdir(parents=True, exist_ok=True)
            scratch = tempfile.mkdtemp(dir=kept.parent, prefix=".scratch-")
            found = download_artifacts(artifact_uri=uri, dst_path=scratch, tracking_uri=self._client.tracking_uri)
        shutil.move(found, kept)
        shutil.rmtree(scratch, ignore_errors=True)
        return kept

    def point(self, alias: Alias, version: int) -> None:
        """Let an alias point to a version, in one call: it pointed to the old one before, to this one afterwards."""
        self._client.set_registered_model_alias(self.name, alias, str(version))

    def release(self, alias: Alias) -> None:
        """Let an alias point to nothing."""
        self._client.delete_registered_model_alias(self.name, alias)

    def decisions(self) -> dict[int, list[dict[str, Any]]]:
        """What was decided on each version, by its number, in order."""
        return {
            int(found.version): [
                json.loads(text) for tag, text in sorted(found.tags.items()) if tag.startswith(_DECISION)
            ]
            for found in self._search()
        }

    def record(self, version: int, number: int, decision: Mapping[str, Any]) -> None:
        """Write a decision to a version, over an earlier state of the same decision."""
        tag = f"{_DECISION}{number:03d}"
        text = json.dumps(dict(decision), sort_keys=True, ensure_ascii=False)
        self._client.set_model_version_tag(self.name, str(version), tag, text)

    def describe(self, text: str) -> None:
        """Write the text that MLflow's page shows above the versions."""
        self._client.update_registered_model(self.name, description=text)

    def _search(self) -> list[ModelVersion]:
        found = self._client.search_model_versions(f"name = '{self.name}'", max_results=10_000)
        return sorted(found, key=lambda version: int(version.version))


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Name what cannot be had where MLflow only says how."""
    try:
        yield
    except (MlflowException, OSError) as error:
        raise PipelineError(f"the files of {what} cannot be had ({error}). Register the model again") from None
