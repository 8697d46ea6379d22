"""Round the scores that are written to files."""

from collections.abc import Mapping
from typing import Any

_DIGITS = 4


def round_scores(content: Any) -> Any:
    """Round all floating-point numbers in nested dictionaries and sequences to four digits.

    Args:
        content: anything that JSON can represent.

    Returns:
        The same content. Tuples become lists.
    """
    if isinstance(content, Mapping):
        return {name: round_scores(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [round_scores(value) for value in content]
    return round(content, _DIGITS) if isinstance(content, float) else content
