"""The base of every section of params.yaml: strict, frozen, and it refuses what it does not know, by name."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from microfacial.errors import ConfigError


class Section(BaseModel):
    """One section of params.yaml, declared beside the code that owns it."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Keys of earlier releases, each with the key that replaces it. `check` refuses them and names the new key."""


Kind = TypeVar("Kind", bound=Section)


def read_sections(path: Path) -> dict[str, Any]:
    """All sections of params.yaml, unchecked.

    Raises:
        ConfigError: the file is missing or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no {path} here ({Path.cwd()}). Run the command from the project's root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must be a mapping of sections, found {type(content).__name__}")
    return content


def read_section(path: Path, name: str, kind: type[Kind]) -> Kind:
    """One section of params.yaml, checked.

    Raises:
        ConfigError: the section is missing, or a key, type or bound in it is wrong.
    """
    sections = read_sections(path)
    if name not in sections:
        raise ConfigError(f"{path}: section {name} is missing")
    return check(sections[name], kind, f"{path}: {name}")


def check(content: Any, kind: type[Kind], where: str) -> Kind:
    """Turn a mapping into a section.

    Raises:
        ConfigError: a key, type or bound is wrong; the message names each, after `where`.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} must be a mapping of keys, found {content!r}")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise ConfigError("; ".join(f"{where}.{_name(fault)}: {_reason(fault, kind)}" for fault in faults)) from None


def _name(fault: Any) -> str:
    return ".".join(str(part) for part in fault["loc"])


def _reason(fault: Any, kind: type[Section]) -> str:
    if fault["type"] == "extra_forbidden":
        new = kind.RENAMED.get(_name(fault))
        return f"this key is now called {new}. Rename it" if new else "no such key; check its spelling"
    if fault["type"] == "missing":
        return "is missing"
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, found {fault['input']!r}"
