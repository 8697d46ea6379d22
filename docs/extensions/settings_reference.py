"""A Sphinx directive that lists the keys of a section of params.yaml, from its settings class.

    ```{settings} microfacial.preprocessing.faces.FacesConfig
    :section: faces
    ```

`:without:` names a class whose keys are left out.

The text of a key is its entry under `Attributes:` in the docstring of its class, or the comment behind it in the class,
or the comment behind it in params.yaml. A key without a text is a warning, so the strict build fails.
"""

import ast
import inspect
import re
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from microfacial.settings import Section

_PARAMS = Path(__file__).parents[2] / "params.yaml"


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a section.

    Attributes:
        name: name of the key.
        values: type and bounds in words.
        default: default as params.yaml writes it. Empty if the key is required.
        meaning: what the key does. Empty if no text exists.
    """

    name: str
    values: str
    default: str
    meaning: str


def list_keys(kind: type[Section], section: str) -> list[Key]:
    """Return the keys of a settings class, those of its base classes first.

    Args:
        kind: settings class.
        section: name of its section in params.yaml, with dots between levels.
    """
    texts = {**_comments_in_params(section), **_texts_in_classes(kind)}
    return [
        Key(
            name=name,
            values=_describe_values(field.annotation, field.metadata),
            default="" if field.is_required() else _as_yaml(field.get_default(call_default_factory=True)),
            meaning=texts.get(name, ""),
        )
        for name, field in kind.model_fields.items()
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section))
    ]


def _texts_in_classes(kind: type[Section]) -> dict[str, str]:
    """Return the text of each key in the class and its base classes."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Section) and base is not Section:
            source = textwrap.dedent(inspect.getsource(base))
            texts |= _comments_in_class(source)
            texts |= _attributes(inspect.getdoc(base) if base.__doc__ else "")
    return texts


def _comments_in_class(source: str) -> dict[str, str]:
    """Return the comments behind the fields of a class."""
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(StringIO(source).readline)
        if token.type == tokenize.COMMENT and not token.line.lstrip().startswith("#")
    }
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    return {
        node.target.id: comments[node.end_lineno or 0]
        for node in definition.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.end_lineno in comments
    }


def _attributes(doc: str | None) -> dict[str, str]:
    """Return the entries under `Attributes:` of a docstring."""
    block = (doc or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^ {4}(\w+): ((?:.|\n {8})*)", block, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _comments_in_params(section: str) -> dict[str, str]:
    """Return the comments behind the keys of a section of params.yaml."""
    comments: dict[str, str] = {}
    path: list[str] = []
    for line in _PARAMS.read_text().splitlines():
        match = re.match(r"( *)([\w-]+):[^#]*(?:#\s*(.*))?$", line)
        if match is None:
            continue
        path[len(match[1]) // 2 :] = [match[2]]
        if ".".join(path[:-1]) == section and match[3]:
            comments[match[2]] = match[3]
    return comments


def _describe_values(annotation: Any, metadata: list[Any]) -> str:
    """Return the type and the bounds of a key in words."""
    bounds = " ".join(
        f"{sign} {_as_yaml(getattr(bound, name))}"
        for bound in metadata
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if hasattr(bound, name)
    )
    return f"{_describe_type(annotation)} {bounds.replace(' ≤', ', ≤').replace(' <', ', <')}".strip().replace(" ,", ",")


def _describe_type(annotation: Any) -> str:
    names: Mapping[Any, str] = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    if annotation in names:
        return names[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _describe_type(parts[0])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join("null" if part is type(None) else _describe_type(part) for part in parts)
    if origin in (tuple, list):
        return f"list of {_describe_type(parts[0])}s" if parts else "list"
    if origin is dict or origin is Mapping:
        return "mapping"
    return getattr(annotation, "__name__", str(annotation))


def _as_yaml(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_as_yaml, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


class SettingsDirective(SphinxDirective):
    """The list of the keys of one section."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"section": directives.unchanged_required, "without": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Return the list."""
        kind, section = _load(self.arguments[0]), self.options["section"]
        base = self.options.get("without")
        keys = [key for key in list_keys(kind, section) if base is None or key.name not in _load(base).model_fields]
        for key in keys:
            if not key.meaning:
                place = f"{section}.{key.name}"
                self.state.document.reporter.warning(
                    f"{place} has no text. Add a comment to {kind.__name__}", line=self.lineno
                )
        return self.parse_text_to_nodes("\n".join(_entries(keys)) if keys else "It has no settings.")


def _load(name: str) -> type[Section]:
    """Return a class by its full name."""
    module, _, attribute = name.rpartition(".")
    kind = getattr(import_module(module), attribute)
    assert issubclass(kind, Section)
    return kind


def _entries(keys: list[Key]) -> Iterator[str]:
    """Yield the lines of a definition list in Markdown, which fits a phone."""
    for key in keys:
        default = f"default `{key.default}`" if key.default else "required"
        yield f"`{key.name}`"
        yield f": {key.meaning[:1].upper()}{key.meaning[1:].rstrip('.')}."
        yield ""
        yield f"  *{key.values}; {default}*" if "`" not in key.values else f"  {key.values}; {default}"
        yield ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("settings", SettingsDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
