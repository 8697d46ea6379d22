"""Find a model variant by its name: one of `MODELS`, or a variant that an installed package offers."""

from collections.abc import Mapping
from typing import Any

from microfacial.errors import ConfigError
from microfacial.models import MODELS, Estimator, Network, Variant
from microfacial.models.base import typed_settings
from microfacial.plugins import MODEL_GROUP, list_plugins, load_plugin
from microfacial.settings import Section, check, with_current_keys

Model = str | Variant
"""A model: its name, or the variant itself."""


def list_models() -> tuple[str, ...]:
    """Return the names of all models: those of `MODELS`, then those of installed packages."""
    return (*MODELS, *(name for name in list_plugins(MODEL_GROUP) if name not in MODELS))


def find_model(model: Model) -> Variant:
    """Return the variant of a model.

    Args:
        model: name of a model in `list_models()`, or a variant, which is returned as it is.

    Returns:
        The variant.

    Raises:
        ConfigError: there is no such model, or the package that offers it is broken.
    """
    if not isinstance(model, str):
        return model
    if model in list_plugins(MODEL_GROUP):
        variant: Variant = load_plugin(MODEL_GROUP, model, (Estimator, Network), MODELS)
        if "default" not in variant.presets:
            raise ConfigError(f"entry point {model} in group {MODEL_GROUP}: the variant has no preset default. Add it")
        return variant
    if model not in MODELS:
        raise ConfigError(f"{model!r} is not a model. Choose from {', '.join(list_models())}")
    return MODELS[model]


def needs_frames(model: Model) -> bool:
    """Return whether the inputs of a model are frames, which published flow maps do not have.

    Args:
        model: the variant, or its name.
    """
    variant = find_model(model)
    return isinstance(variant, Network) and variant.shows == "appearance"


def uses_prior(model: Model, settings: Section) -> bool:
    """Return whether a model predicts with the motion prior or starts from it.

    Args:
        model: the variant, or its name.
        settings: settings of the model.

    Raises:
        ConfigError: the settings belong to another model.
    """
    variant = find_model(model)
    return variant.uses_prior(typed_settings(variant.settings, settings))


def stored_settings_use_prior(model: str, stored: Mapping[str, Any]) -> bool | None:
    """Return whether stored settings use the motion prior.

    Args:
        model: name of the model.
        stored: all settings of the model, as a training or a trial stored them.

    Returns:
        None if this version knows no such model or no such settings.
    """
    try:
        variant = find_model(model)
        return uses_prior(model, check(with_current_keys(stored, variant.settings), variant.settings, model))
    except ConfigError:
        return None
