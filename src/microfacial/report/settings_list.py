"""Settings and package versions as the page lists them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from microfacial.report.results import ModelResult


def list_settings(
    sections: Mapping[str, Mapping[str, Any]], results: Sequence[ModelResult]
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the name of each section of params.yaml with its keys and values.

    The sections `faces`, `flow` and `models` contain the settings that the models were trained with.

    Args:
        sections: Sections `clips` and `train`.
        results: Results of all models.
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
        section: Settings; values may be mappings.
        prefix: Text before each key.
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
        flow: The section; each method has a mapping with its own settings.
    """
    return {key: value for key, value in flow.items() if key == flow["method"] or not isinstance(value, Mapping)}
