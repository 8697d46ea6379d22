"""Parse YAML 1.2 strictly: plain values in mappings and lists, every key once. DVC reads YAML with the same library.

Anchors, tags, dates and keys that are not text are refused, because the project's files need none of them and because a
few lines with anchors can describe gigabytes.
"""

from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from microfacial.errors import DamagedError

_MAX_BYTES = 300_000  # of files that people write
_MAX_DEPTH = 20  # levels of mappings and lists
_MAX_DIGITS = 100  # of a number
_PREFIX = "tag:yaml.org,2002:"
_NUMBERS = (f"{_PREFIX}int", f"{_PREFIX}float")
_TEXT = f"{_PREFIX}str"
_PLAIN = {_TEXT, *_NUMBERS, *(f"{_PREFIX}{name}" for name in ("null", "bool", "seq", "map"))}
_LIBRARY_ERRORS = (  # ruamel.yaml raises these too for text that is not YAML
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    YAMLError,
)


def parse_yaml(content: bytes, max_bytes: int | None = _MAX_BYTES) -> Any:
    """Return the value that a YAML file describes.

    Numbers and words have their meaning in YAML 1.2: `1e-05` is a number, and `yes`, `on` and `1:30` are text.

    Args:
        content: bytes of the file.
        max_bytes: longest content that is read. None: any length.

    Returns:
        None, a bool, an int, a float or text, or dictionaries and lists of these. Keys are text.

    Raises:
        DamagedError: the content is not YAML, is too large or too deep, has a key twice, or uses anchors, tags, dates
            or other keys than text. The message names the line.
    """
    if max_bytes is not None and len(content) > max_bytes:
        raise DamagedError(f"has {len(content)} bytes. At most {max_bytes} are read")
    return deepcopy(_parse(content))


@lru_cache(maxsize=4)  # a command reads params.yaml several times
def _parse(content: bytes) -> Any:
    text = _decode(content)
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _StrictComposer
    try:
        node = yaml.compose(text)
        if node is None:
            return None
        for child in _walk(node):
            _check_node(child)
        return yaml.constructor.construct_document(node)
    except DamagedError:
        raise
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DamagedError(f"line {line}: is not valid YAML: {error.reason}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        reason = " ".join(f"{error.context or ''} {error.problem or ''}".split())
        raise DamagedError(f"{place}is not valid YAML: {reason}") from None
    except _LIBRARY_ERRORS as error:
        raise DamagedError(f"is not valid YAML: {' '.join(str(error).split())}") from None


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DamagedError(f"line {line}: byte {content[error.start]:#04x} is not UTF-8. Save it as UTF-8") from None


class _StrictComposer(Composer):
    """Refuses directives, anchors, tags and deep nesting before the library builds values from them."""

    def compose_document(self) -> Any:
        event = self.parser.peek_event()
        if event.version or event.tags:
            raise DamagedError(f"{_line(event)}: the directives above `---` are not read. Remove them")
        return super().compose_document()

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent):
            raise DamagedError(f"{_line(event)}: *{event.anchor} is an alias. Write the value instead")
        if event.anchor is not None:
            raise DamagedError(f"{_line(event)}: &{event.anchor} is an anchor. Remove it and write out its aliases")
        if event.tag is not None:
            raise DamagedError(f"{_line(event)}: {event.tag} is a tag. Remove it and write a plain value")
        if self.depth >= _MAX_DEPTH:
            raise DamagedError(f"{_line(event)}: more than {_MAX_DEPTH} levels of mappings and lists")
        return super().compose_node(parent, index)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _walk(key)
            yield from _walk(value)
    elif not isinstance(node, ScalarNode):
        for child in node.value:
            yield from _walk(child)


def _check_node(node: Node) -> None:
    line = _line(node)
    if node.tag not in _PLAIN:
        raise DamagedError(f"{line}: {node.value} is a {str(node.tag).removeprefix(_PREFIX)}. Write it in quotes")
    if isinstance(node, MappingNode):
        _check_keys(node)
    elif node.tag in _NUMBERS and len(node.value) > _MAX_DIGITS:
        raise DamagedError(f"{line}: a number of {len(node.value)} digits. At most {_MAX_DIGITS} are read")
    elif isinstance(node, ScalarNode) and not _is_clean(node.value):
        raise DamagedError(f"{line}: {node.value!r} has a control character. Remove it")


def _check_keys(node: MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.tag != _TEXT:
            value = key.value if isinstance(key, ScalarNode) else "a list or a mapping"
            raise DamagedError(f"line {line}: a key must be text, found {value}. Write it in quotes if it is text")
        if not key.value.isprintable():
            raise DamagedError(f"line {line}: the key {key.value!r} has a line end or a control character. Remove it")
        if key.value in lines:
            raise DamagedError(f"line {line}: {key.value} is already in line {lines[key.value]}. Remove one of them")
        lines[key.value] = line


def _is_clean(text: str) -> bool:
    """Return whether text has no control characters except tabs and line ends, and can be written as UTF-8."""
    return not any((ord(sign) < 32 and sign not in "\t\r\n") or 0xD800 <= ord(sign) < 0xE000 for sign in text)


def _line(place: Any) -> str:
    """Return the line of an event or a node."""
    return f"line {place.start_mark.line + 1}"
