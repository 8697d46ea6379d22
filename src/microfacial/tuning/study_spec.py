"""The specification of one search: a model, the values to search, and the settings to compare with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microfacial.models.presets import resolve
from microfacial.tuning.candidates import Candidate
from microfacial.tuning.search_space import Space, Value


@dataclass(frozen=True)
class StudySpec:
    """What one Optuna study searches. A nested study has one specification for each outer group.

    Attributes:
        name: name of the Optuna study. Every other search must have another name.
        model: name of the model.
        base: settings of the model in params.yaml. Parameters in the space replace them.
        space: the searched parameters.
        reference: settings of trial 0.
        facts: facts to store with the study: at least its data set, under the key `dataset`.
        group: name of the outer group in a nested study; empty in a split study.
    """

    name: str
    model: str
    base: Mapping[str, Any]
    space: Space
    reference: Candidate
    facts: Mapping[str, Any]
    group: str = ""

    def make_candidate(self, params: Mapping[str, Value]) -> Candidate:
        """Return the model with the given values of searched parameters. Other settings are those of params.yaml.

        Args:
            params: values by the name of the parameter.

        Returns:
            The candidate. Its values are rounded as params.yaml stores them.

        Raises:
            ConfigError: the values do not fit the other settings.
        """
        tidy = {name: self.space[name].tidy(value) for name, value in params.items()}
        return Candidate(self.model, resolve(self.model, {**self.base, **tidy}, f"models.{self.model}"))

    def find_params(self, candidate: Candidate) -> dict[str, Value]:
        """Return the values of the space that give a candidate, the inverse of `make_candidate`.

        Args:
            candidate: any model and settings.

        Returns:
            Values of all parameters by name. Empty if no values of the space give this candidate.
        """
        if candidate.model != self.model:
            return {}
        settings = candidate.settings.model_dump()
        params = {name: settings[name] for name in self.space}
        if not all(self.space[name].contains(value) for name, value in params.items()):
            return {}
        return params if self.make_candidate(params) == candidate else {}
