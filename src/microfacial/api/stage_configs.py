"""The settings of faces and flow, which callers give as sections or as mappings of keys."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from microfacial.errors import ConfigError
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.settings import Section, check

_NO_KEYS: Mapping[str, Any] = MappingProxyType({})
_Kind = TypeVar("_Kind", bound=Section)


def as_faces_config(
    faces: FacesConfig | Mapping[str, Any] | None, where: str, defaults: Mapping[str, Any] = _NO_KEYS
) -> FacesConfig:
    """Return the section `faces` that a caller gives as an argument.

    Args:
        faces: the section, some of its keys, or None for the defaults.
        where: name of the function, for messages.
        defaults: keys that replace those of the section if the caller does not give them.

    Raises:
        ConfigError: a key, type or bound is wrong.
    """
    return _as_section(faces, FacesConfig, defaults, f"{where}: faces")


def as_flow_config(
    flow: FlowConfig | Mapping[str, Any] | None, where: str, defaults: Mapping[str, Any] = _NO_KEYS
) -> FlowConfig:
    """Return the section `flow` that a caller gives as an argument.

    Args:
        flow: see `as_faces_config`.
        where: see `as_faces_config`.
        defaults: see `as_faces_config`.

    Raises:
        ConfigError: a key, type or bound is wrong, or a method has settings but is not chosen.
    """
    _refuse_settings_without_method(flow, defaults.get("method", FlowConfig().method), where)
    return _as_section(flow, FlowConfig, defaults, f"{where}: flow")


def _as_section(
    settings: _Kind | Mapping[str, Any] | None, kind: type[_Kind], defaults: Mapping[str, Any], where: str
) -> _Kind:
    if isinstance(settings, kind):
        return settings
    return check({**defaults, **(settings or {})} if isinstance(settings, Mapping | None) else settings, kind, where)


def _refuse_settings_without_method(flow: object, default: str, where: str) -> None:
    """Refuse settings of another method of flow than the default one if no method is given."""
    if not isinstance(flow, Mapping) or "method" in flow:
        return
    others = [name for name, value in FlowConfig() if isinstance(value, Section) and name in flow and name != default]
    if others:
        raise ConfigError(
            f"{where}: flow.{others[0]} has settings, but no method is given, so {default} would be used. Add "
            f'"method": "{others[0]}", or leave flow.{others[0]} out'
        )
