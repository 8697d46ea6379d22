"""Find all objects that an object contains, and those that its code names."""

import dis
import gc
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import CodeType, FrameType, FunctionType, GeneratorType, ModuleType, NoneType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

_CONSTANTS = (NoneType, bool, int, float, complex, str, bytes)
_CLOSED = (ModuleType, FrameType, GeneratorType, CodeType)  # they lead to everything in a program
# Standard modules whose objects are opened. Those of others, such as loggers and threads, lead to the whole program.
_CONTAINERS = {"builtins", "collections", "functools", "itertools", "operator", "types"}
_LIBRARIES = {"IPython", "joblib", "microfacial", "numpy", "pandas", "scipy", "sklearn", "torch"}


def walk(key: str, value: Any, *, code: bool) -> Iterator[tuple[str, Any]]:
    """Yield a parameter with its name, and everything in it, each object once. Constants can come several times.

    Items of collections and object arrays, attributes, and parameters of estimators are in an object.

    Args:
        key: name of the parameter.
        value: its value.
        code: false yields only what `copy.deepcopy` and `sklearn.base.clone` copy. True also yields what functions and
            classes refer to, except those of libraries, and all attributes of estimators.
    """
    seen: dict[int, Any] = {}  # the objects are kept, so that no other object gets the same id
    left: list[tuple[str, Any]] = [(key, value)]
    while left:
        name, part = left.pop()
        if isinstance(part, _CONSTANTS):
            yield name, part
        elif id(part) not in seen:
            seen[id(part)] = part
            yield name, part
            left += _open(name, part, code)


def _open(name: str, part: Any, code: bool) -> list[tuple[str, Any]]:
    """Return the objects directly in a part, with the names of parameters and of items of mappings."""
    if isinstance(part, FunctionType):
        return [(name, item) for item in _list_references(part)] if code else []
    if isinstance(part, type):
        items = [*vars(part).values(), *part.__bases__] if code and not _is_library(part.__module__) else []
        return [(name, item) for item in items]
    if isinstance(part, _CLOSED):
        return []
    named: list[tuple[str, Any]] = []
    if isinstance(part, BaseEstimator):
        named += part.get_params(deep=False).items()
        if not code:
            return named
    if isinstance(part, dict):
        named += [(item_name if isinstance(item_name, str) else name, item) for item_name, item in part.items()]
    if isinstance(part, np.ndarray) and part.dtype.hasobject:
        named.append((name, part.tolist()))
    if not _is_closed(type(part).__module__):
        # Texts in dicts are their keys. The garbage collector knows attributes, also those in slots, and items.
        texts = str if isinstance(part, dict) else ()
        named = [*((name, item) for item in gc.get_referents(part) if not isinstance(item, texts)), *named]
    return named


def _list_references(function: FunctionType) -> list[Any]:
    """Return the objects outside of a function that its code names, its default values and its attributes."""
    objects = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *vars(function).values()]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # the cell is empty
            objects.append(cell.cell_contents)
    if _is_library(function.__globals__.get("__name__", "")):
        return objects
    codes: list[CodeType] = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        # The names of a code are also those of attributes, such as self.scaler, which is not the global scaler.
        loaded = {line.argval for line in dis.get_instructions(code) if line.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        for name in sorted(loaded & function.__globals__.keys()):
            value = function.__globals__[name]
            objects.append(value)
            if isinstance(value, ModuleType) and not _is_library(value.__name__):
                objects += [vars(value)[attribute] for attribute in code.co_names if attribute in vars(value)]
    return objects


def _is_library(module: object) -> bool:
    top = str(module).partition(".")[0]
    return top in _LIBRARIES or top in sys.stdlib_module_names


def _is_closed(module: object) -> bool:
    top = str(module).partition(".")[0]
    return top in sys.stdlib_module_names and top not in _CONTAINERS
