"""Models and corpora that other installed packages offer through entry points.

This package finds entry points and loads them. It does not depend on the classes of models and corpora.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from microfacial.errors import ConfigError, MicrofacialError

MODEL_GROUP = "microfacial.models"
"""Group of the entry points of models. Each is a `models.Variant`."""

DATASET_GROUP = "microfacial.datasets"
"""Group of the entry points of corpora. Each is a `datasets.Dataset`."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")  # names are also names of files and folders
_IMPORT_ERRORS = (  # that the import of a module of another package can raise
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MicrofacialError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def list_plugins(group: str) -> tuple[str, ...]:
    """Return the names of the entry points of a group, in alphabetical order. Nothing is imported.

    Args:
        group: group of entry points.
    """
    return tuple(sorted(_entry_points(group)))


def load_plugin(group: str, name: str, kinds: tuple[type, ...], built_in: Collection[str]) -> Any:
    """Import the object that an installed package offers.

    Args:
        group: group of entry points.
        name: name of the entry point, one of `list_plugins(group)`.
        kinds: classes that the object may have.
        built_in: names that this package uses itself.

    Returns:
        The object, an instance of one of `kinds`.

    Raises:
        ConfigError: the object cannot be imported or has another class, or the name is used twice or has other
            characters than `a-z0-9_-`. The message names the package and the entry point.
    """
    point = _only_entry_point(group, name, built_in)
    where = _describe(point)
    try:
        offered = point.load()
    except _IMPORT_ERRORS as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"{where} cannot be imported ({reason}). Repair or uninstall the package") from error
    if not isinstance(offered, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise ConfigError(f"{where} is a {type(offered).__name__}, not a {expected}. Repair or uninstall the package")
    return offered


def find_plugin_source(group: str, name: str) -> tuple[str, Path] | None:
    """Return where the source code of an entry point is.

    Args:
        group: group of entry points.
        name: name of an entry point.

    Returns:
        Package and version in words, and the folder of the package or the file of its only module. None if there is no
        such entry point.

    Raises:
        ConfigError: the module of the entry point does not exist.
    """
    if name not in _entry_points(group):
        return None
    point = _only_entry_point(group, name, ())
    spec = find_spec(point.module.partition(".")[0])
    if spec is None or spec.origin is None:
        raise ConfigError(f"{_describe(point)} has no module {point.module}. Repair or uninstall the package")
    path = Path(spec.origin)
    return _distribution(point), path.parent if path.name == "__init__.py" else path


@cache
def _entry_points(group: str) -> Mapping[str, list[EntryPoint]]:
    points: defaultdict[str, list[EntryPoint]] = defaultdict(list)
    for point in entry_points(group=group):
        if point not in points[point.name]:  # a package that is on the path twice
            points[point.name].append(point)
    return dict(points)


def _only_entry_point(group: str, name: str, built_in: Collection[str]) -> EntryPoint:
    first, *others = _entry_points(group)[name]
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{_describe(first)} has a name with other characters than a-z, 0-9, _ and -. Rename it")
    if others or name in built_in:
        other = _describe(others[0]) if others else f"a part of microfacial with the name {name}"
        raise ConfigError(f"{_describe(first)} has the same name as {other}. Uninstall one of them, or rename it")
    return first


def _describe(point: EntryPoint) -> str:
    return f"entry point {point.name} = {point.value} in group {point.group} of package {_distribution(point)}"


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "(unknown)"
