"""Resolve the settings of a model variant: start from a preset and apply the given keys."""

from collections.abc import Mapping
from typing import Any

from microfacial.errors import ConfigError, suggest
from microfacial.models import MODELS, Network, Variant
from microfacial.models.lookup import find_model, list_models
from microfacial.settings import Section, check


def resolve(name: str, settings: Any, where: str) -> Section:
    """Return the checked settings of a variant.

    Args:
        name: name of the variant, one of `list_models()`.
        settings: mapping of keys. The key `preset` names the preset to start from; it defaults to `default`.
        where: start of messages, such as `params.yaml: models.roi_cnn`.

    Returns:
        Settings of the variant's own class.

    Raises:
        ConfigError: the model, the preset or a key does not exist, or a type or bound is wrong.
    """
    if name not in list_models():
        raise ConfigError(
            f"{where} is not a model. Choose from {', '.join(list_models())}{suggest(name, list_models())}"
        )
    if not isinstance(settings, dict):
        raise ConfigError(f"{where} must be a mapping, such as {{}} for all defaults")
    return resolve_variant(find_model(name), settings, where)


def resolve_variant(variant: Variant, settings: Mapping[str, Any], where: str) -> Section:
    """Return the checked settings of a variant that need not have a name.

    Args:
        variant: the variant.
        settings: mapping of keys; see `resolve`.
        where: start of messages.

    Returns:
        Settings of the variant's own class.

    Raises:
        ConfigError: the preset or a key does not exist, or a type or bound is wrong.
    """
    preset = settings.get("preset", "default")
    if not isinstance(preset, str) or preset not in variant.presets:
        hint = suggest(preset, variant.presets)
        raise ConfigError(f"{where}.preset: {preset!r} does not exist. Choose from {', '.join(variant.presets)}{hint}")
    changes = {key: value for key, value in settings.items() if key != "preset"}
    resolved: Section = check({**variant.presets[preset], **changes}, variant.settings, where)
    return resolved


def find_network(name: str) -> Network[Any]:
    """Return the network variant with a name.

    Args:
        name: name of a model.

    Returns:
        The variant.

    Raises:
        ConfigError: the model does not exist, or it is an estimator, which is not trained by epochs.
    """
    variant = find_model(name) if name in list_models() else None
    if not isinstance(variant, Network):
        networks = [model for model, candidate in MODELS.items() if isinstance(candidate, Network)]
        raise ConfigError(f"{name!r} is not a network. Choose from {', '.join(networks)}{suggest(name, networks)}")
    return variant
