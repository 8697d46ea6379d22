"""Base class of the sections of params.yaml, and functions that read and check them."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from microfacial.errors import ConfigError


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


class OptimiserSettings(Section):
    """How a network is trained by epochs; the settings of every such model extend it."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "clip_norm": "max_gradient_norm",
            "flip_average": "test_time_flip",
            "hold_back": "early_stopping",
        }
    )

    epochs: int = Field(60, ge=1)
    patience: int = Field(15, ge=1)  # epochs without a better validation loss before training stops
    early_stopping: bool = (
        False  # a part of the known subjects chooses the epoch; false: all train, the last epoch is kept
    )
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.1, ge=0)
    schedule: Literal["constant", "cosine"] = "cosine"  # of the learning rate after the warm-up
    warmup_epochs: int = Field(6, ge=0)  # the learning rate rises from zero
    max_gradient_norm: float | None = Field(None, gt=0)  # longest gradient of a fold; null: as long as it is
    averaging: float = Field(0.0, ge=0, lt=1)  # share of the averaged weights that each step keeps; 0: no averaging
    loss: Literal["cross-entropy", "focal"] = "cross-entropy"
    focal_gamma: float = Field(2.0, ge=0)
    class_weights: Literal["none", "root", "inverse"] = "inverse"  # of class frequencies in training rows
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    mixup: float = Field(0.0, ge=0)  # alpha of the Beta distribution; 0: off
    flip: bool = True  # mirror half of the training faces
    test_time_flip: bool = True  # predict a face and its mirror image, and average
    shift_px: int = Field(0, ge=0)  # move inputs by up to so many of their pixels
    jitter: float = Field(0.0, ge=0, lt=1)  # move the ends of windows by up to this share of a window
    members: int = Field(1, ge=1)  # networks whose probabilities are averaged, each with its own validation part
    precision: Literal["auto", "float32", "bfloat16"] = "float32"  # auto: bfloat16 where the processor has it


Kind = TypeVar("Kind", bound=Section)


def read_sections(path: Path) -> dict[str, Any]:
    """Read all sections of params.yaml without checking their keys.

    Args:
        path: path of params.yaml.

    Returns:
        The content of each section by its name.

    Raises:
        ConfigError: the file is missing, is not valid YAML, or is not a mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no {path} in {Path.cwd()}. Run the command from the project's root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not valid YAML: {' '.join(str(error).split())}. Correct the file at the place given"
        ) from None
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} is a {type(content).__name__}, not a mapping of sections. Write each section as `name:` with keys"
        )
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
        raise ConfigError(f"{where} must be a mapping of keys, found {content!r}")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise ConfigError("; ".join(f"{where}.{_name(fault)}: {_reason(fault, kind)}" for fault in faults)) from None


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
        return f"this key is now called {new}. Rename it" if new else "no such key; check its spelling"
    if fault["type"] == "missing":
        return "is missing"
    return f"{fault['msg'][0].lower()}{fault['msg'][1:]}, found {fault['input']!r}"
