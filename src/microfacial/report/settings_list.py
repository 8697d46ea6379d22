"""Settings and package versions as the page lists them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from microfacial.report.results import ModelResult


def list_settings(
    sections: Mapping[str, Mapping[str, Any]], results: Sequence[ModelResult]
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the sections `clips`, `faces`, `flow` and `train` in this order, then one section per model.

    The sections `faces` and `flow` are those that the first model was trained with. The section of a model, such as
    `models.hybrid`, contains the settings that it was trained with.

    Args:
        sections: Sections `clips` and `train` of params.yaml, by name.
        results: Results of all models.

    Yields:
        Name of a section, and its keys and values as `flatten_settings` gives them.
    """
    trained = results[0].settings
    used = {**sections, "faces": trained["faces"], "flow": drop_unused_methods(trained["flow"])}
    for name in ("clips", "faces", "flow", "train"):
        yield name, list(flatten_settings(used[name]))
    for result in results:
        yield f"models.{result.model}", list(flatten_settings(result.settings["models"][result.model]))


def flatten_settings(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield keys, with dots between levels, and values as params.yaml writes them.

    Args:
        section: Settings by key. A value that is a mapping has settings of its own.
        prefix: Text before each key.

    Yields:
        Key, such as `variational.levels`, and value.
    """
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from flatten_settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _as_yaml(value)


def _as_yaml(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{', '.join(map(_as_yaml, value))}]" if isinstance(value, list | tuple) else f"{value}"


def drop_unused_methods(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flow section without the settings of methods that were not chosen.

    Args:
        flow: The section. Under the name of each method, it has a mapping with the settings of that method.
    """
    return {key: value for key, value in flow.items() if key == flow["method"] or not isinstance(value, Mapping)}
