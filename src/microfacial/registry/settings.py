"""The `registry` section of params.yaml. It has a module of its own because the rule of promotion imports torch."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import Field

from microfacial.settings import Section


class RegistryConfig(Section):
    """The optional section `registry` of params.yaml: the kind of bundle to register, and the rule of promotion."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"pack": "bundle", "fewest_subjects": "min_subjects"})

    bundle: Literal["refit", "ensemble"] = "refit"  # one model of all subjects, or the models of all folds
    margin: float = Field(0.0, gt=-1, lt=1)  # least value for the lower bound of the difference in UF1
    confidence: float = Field(0.9, gt=0.5, lt=1)  # of the one-sided lower bound
    latency_ratio: float = Field(1.5, gt=0, le=1e6)  # most time per clip, as a multiple of the champion's
    size_ratio: float = Field(100.0, gt=0, le=1e9)  # most bytes of weights, as a multiple of the champion's
    min_subjects: int = Field(5, ge=2, le=100_000)  # least number of subjects that neither side was tuned on
