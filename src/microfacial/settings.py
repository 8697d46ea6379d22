"""Base class of the sections of params.yaml, and functions that read and check them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from reprlib import Repr
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from microfacial.errors import ConfigError, DamagedError, suggest
from microfacial.yaml_parser import parse_yaml

MAX_SEED = 2**31 - 1
"""Largest seed. The libraries that draw random numbers accept it."""


class Section(BaseModel):
    """Base class of a section of params.yaml.

    A section does not convert types, cannot be changed, and refuses unknown keys and numbers that are not finite. Each
    section is declared next to the code that uses it.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Keys of earlier releases, each with its new name. `check` refuses an old key and names the new one."""

    @classmethod
    def renamed_keys(cls) -> dict[str, str]:
        """Return the keys of earlier releases of this section and its base classes, each with its new name."""
        return {old: new for base in cls.__mro__ for old, new in getattr(base, "RENAMED", {}).items()}


Kind = TypeVar("Kind", bound=Section)

_LITERAL = re.compile(r"'([^']*)'")  # a value in pydantic's list of permitted values
_MAX_FAULTS = 5  # that one message names
_SHORT = Repr()  # shows values of any size and depth in messages
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, 80, 80


def read_sections(path: Path) -> dict[str, Any]:
    """Read all sections of params.yaml without checking their keys.

    Args:
        path: path of params.yaml.

    Returns:
        The content of each section by its name.

    Raises:
        ConfigError: the file is missing or cannot be read, is not YAML 1.2 as `parse_yaml` reads it, or is not a
            mapping. The message names the line.
    """
    try:
        if path.exists() and not path.is_file():  # reading a device or a pipe may never end
            raise ConfigError(f"{path} is not a file. Replace it with a file")
        content = parse_yaml(path.read_bytes())
    except FileNotFoundError:
        remedy = "Run the command in the root of a project, or make a project with `microfacial init FOLDER`"
        raise ConfigError(f"no {path} in {Path.cwd()}. {remedy}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}). Make it a readable file") from None
    except DamagedError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        found = "empty" if content is None else f"a {type(content).__name__}"
        raise ConfigError(f"{path} is {found}, not a mapping of sections. Write each section as `name:` with keys")
    return content


def read_section(path: Path, name: str, kind: type[Kind]) -> Kind:
    """Read and check one section of params.yaml.

    Args:
        path: path of params.yaml.
        name: name of the section.
        kind: class of the section.

    Returns:
        The section.

    Raises:
        ConfigError: the section is missing, or a key, type or bound in it is wrong.
    """
    sections = read_sections(path)
    if name not in sections:
        raise ConfigError(f"{path}: section {name} is missing. Add it")
    return check(sections[name], kind, f"{path}: {name}")


def read_optional_section(path: Path, name: str, kind: type[Kind]) -> Kind:
    """Read and check one section of params.yaml. All keys have their defaults if the file or the section is missing.

    Args:
        path: path of params.yaml.
        name: name of the section.
        kind: class of the section.

    Returns:
        The section.

    Raises:
        ConfigError: the file cannot be read, or a key, type or bound is wrong.
    """
    content = read_sections(path).get(name, {}) if path.exists() else {}
    return check(content, kind, f"{path}: {name}")


def check(content: Any, kind: type[Kind], where: str) -> Kind:
    """Turn a mapping of keys into a section.

    Args:
        content: content of the section, as YAML gives it.
        kind: class of the section.
        where: place of the section, for messages.

    Returns:
        The section.

    Raises:
        ConfigError: a key, type or bound is wrong. The message names each wrong key after `where`.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} must be a mapping of keys, found {_SHORT.repr(content)}")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        inner = [fault["loc"][:-1] for fault in errors]  # a list with a wrong item is also reported as too short
        own = [fault for fault in errors if fault["type"] != "too_short" or fault["loc"] not in inner]
        faults = [f"{where}.{_name(fault)}: {_reason(fault, kind)}" for fault in own]
        more = [f"and {len(faults) - _MAX_FAULTS} more"] if len(faults) > _MAX_FAULTS else []
        raise ConfigError("; ".join([*faults[:_MAX_FAULTS], *more])) from None


def with_current_keys(stored: Mapping[str, Any], kind: type[Section]) -> dict[str, Any]:
    """Return settings that an earlier release stored, with the names that their keys have now.

    Args:
        stored: settings from a bundle or a registered version.
        kind: class of the section.
    """
    renamed = kind.renamed_keys()
    return {renamed.get(key, key): value for key, value in stored.items()}


def _name(fault: Any) -> str:
    """Return the key of a fault, with dots between the levels of nested keys."""
    return ".".join(str(level) for level in fault["loc"])


def _reason(fault: Any, kind: type[Section]) -> str:
    """Return the reason of a fault in words."""
    if fault["type"] == "extra_forbidden":
        new = kind.renamed_keys().get(_name(fault))
        if new:
            return f"this key is now called {new}. Rename it"
        *levels, key = fault["loc"]
        return f"no such key; check its spelling{suggest(key, _known_keys(kind, levels))}"
    if fault["type"] == "missing":
        return "is missing"
    if fault["type"] == "bool_type":
        return f"must be true or false, found {_SHORT.repr(fault['input'])}"
    permitted = _LITERAL.findall(fault["ctx"]["expected"]) if fault["type"] == "literal_error" else []
    reason = f"{fault['msg'][0].lower()}{fault['msg'][1:]}, found {_SHORT.repr(fault['input'])}"
    return f"{reason}{suggest(fault['input'], permitted)}"


def _known_keys(kind: type[Section], levels: Sequence[Any]) -> list[str]:
    """Return the keys of a section, or of the section in it that the levels lead to."""
    for level in levels:
        annotation = kind.model_fields[level].annotation if level in kind.model_fields else None
        parts = (annotation, *get_args(annotation))  # the second for a section that can be null
        kinds = [part for part in parts if isinstance(part, type) and issubclass(part, Section)]
        if not kinds:
            return []
        kind = kinds[0]
    return list(kind.model_fields)
