"""The settings of a model variant by its name: a preset, and over it what was set."""

from typing import Any

from microfacial.errors import ConfigError
from microfacial.models import MODELS, Network
from microfacial.settings import Section, check


def resolve(name: str, settings: Any, where: str) -> Section:
    """Settings of one variant, checked; the key `preset` names what they start from.

    Args:
        where: what messages begin with, such as `params.yaml: models.roi_cnn`.

    Raises:
        ConfigError: there is no such model, preset or key, or a type or bound is wrong.
    """
    if name not in MODELS:
        raise ConfigError(f"{where} is not a model; known are {', '.join(MODELS)}")
    if not isinstance(settings, dict):
        raise ConfigError(f"{where} must be a mapping, such as {{}} for all defaults")
    variant = MODELS[name]
    preset = settings.get("preset", "default")
    if not isinstance(preset, str) or preset not in variant.presets:
        raise ConfigError(f"{where}.preset: no {preset!r}; choose from {', '.join(variant.presets)}")
    own = {key: value for key, value in settings.items() if key != "preset"}
    return check({**variant.presets[preset], **own}, variant.settings, where)


def find_network(name: str) -> Network[Any]:
    """The variant of a name, which is trained by epochs.

    Raises:
        ConfigError: there is no such model, or it is an estimator, which fits in one go.
    """
    networks = [known for known, variant in MODELS.items() if isinstance(variant, Network)]
    variant = MODELS.get(name)
    if not isinstance(variant, Network):
        raise ConfigError(f"{name!r} is no network; networks are {', '.join(networks)}")
    return variant
