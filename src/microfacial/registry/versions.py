"""Choose a registered version, and compare the code in it with the installed package."""

from pathlib import Path

from microfacial.datasets.label_schemes import UNITS_SCHEME
from microfacial.errors import PipelineError
from microfacial.source_code import PACKAGE, package_digest
from microfacial.tracking.model_versions import Alias, ModelVersionRecord, Registry

UNUSED_PACKAGES = ("pipeline", "registry", "report", "serving", "tracking", "tuning")
"""Packages whose code a prediction does not run."""

_UNITS = f".{UNITS_SCHEME.name}"  # end of the name of a registered model whose scheme has no classes


def choose_version(registry: Registry, alias: Alias, version: int | None) -> ModelVersionRecord:
    """Return a version by its number, or by an alias.

    Args:
        registry: the registered model.
        alias: `champion` or `challenger`. Used if `version` is None.
        version: number of the version.

    Returns:
        The version.

    Raises:
        PipelineError: there is no such version, or the alias points to none.
    """
    if version is not None:
        return registry.get(version)
    target = registry.find(alias)
    if target is None:
        raise PipelineError(describe_missing(registry, alias))
    return target


def explain_registration(registry: Registry) -> str:
    """Return how to register a first version.

    Args:
        registry: the registered model.
    """
    if registry.name.endswith(_UNITS):
        return "Models of action units cannot be registered. Choose a clips.scheme with classes"
    return "Run `microfacial register MODEL` with a trained model"


def describe_missing(registry: Registry, alias: Alias) -> str:
    """Return the message for an alias that points to no version. Its remedy depends on the registered versions.

    Args:
        registry: the registered model.
        alias: the alias that is missing.
    """
    register = explain_registration(registry)
    if registry.name.endswith(_UNITS):
        return f"{registry.name} has no {alias}. {register}"
    if alias == "challenger":
        return f"{registry.name} has no challenger. {register}"
    if registry.find("challenger") is None:
        return f"{registry.name} has no champion and no challenger. {register}, then `microfacial promote`"
    return f"{registry.name} has no champion. Run `microfacial promote` to compare its challenger with the rule"


def has_current_code(folder: Path) -> bool:
    """Return whether the code in a version predicts as this package does, as far as the source files tell.

    Args:
        folder: folder of the version.
    """
    return package_digest(folder / "code" / "microfacial", UNUSED_PACKAGES) == package_digest(PACKAGE, UNUSED_PACKAGES)
