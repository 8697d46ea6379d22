"""Registered models in MLflow: one name a data set and scheme, versions of any variant, and two aliases.

What a version is stands in its tags, so that a study or a promotion needs nothing but the registry to know it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

Alias = Literal["champion", "challenger"]

_FACTS = ("model", "dataset", "scheme", "protocol")
_SETTINGS, _TUNED_ON = "microfacial.settings", "microfacial.tuned_on"


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One version of a registered model.

    `name` and `version` find it in the registry. `model` is the variant, `settings` its resolved settings; they were
    evaluated on `dataset` with `scheme` by `protocol`, and tuned on the subjects in `tuned_on`, such as casme2/sub03.
    `run_id` is the run that the version was made in.
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

    @property
    def tags(self) -> dict[str, str]:
        """What is written to the version, so that `find_version` reads it again."""
        facts = {f"microfacial.{fact}": str(getattr(self, fact)) for fact in _FACTS}
        written = {
            _SETTINGS: json.dumps(dict(self.settings), sort_keys=True),
            _TUNED_ON: json.dumps(self.tuned_on),
        }
        return facts | written


def registered_name(dataset: str, scheme: str) -> str:
    """The registered model of a data set and label scheme, such as `demo.casme2-4`; neither has a dot in its name."""
    return f"{dataset}.{scheme}"


def find_version(client: MlflowClient, name: str, alias: Alias) -> Registered | None:
    """The version that an alias points to; None where there is no such model or alias."""
    found = [model for model in client.search_registered_models(f"name = '{name}'") if alias in model.aliases]
    if not found:
        return None
    return read_version(client.get_model_version(name, str(found[0].aliases[alias])))


def read_version(version: ModelVersion) -> Registered:
    """What a version's tags say."""
    facts = {fact: version.tags[f"microfacial.{fact}"] for fact in _FACTS}
    return Registered(
        name=version.name,
        version=int(version.version),
        settings=json.loads(version.tags[_SETTINGS]),
        tuned_on=tuple(json.loads(version.tags[_TUNED_ON])),
        run_id=version.run_id or "",
        **facts,
    )
