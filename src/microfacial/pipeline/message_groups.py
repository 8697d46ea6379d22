"""Messages about many clips: group those that differ only in names and numbers, and show a few of each group."""

import re
from collections.abc import Iterable, Sequence

SHOWN = 3
"""Messages of a group that are printed before the rest is counted."""

_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\S*\d\S*")  # parts of a message that differ between rows

Message = tuple[str, str]
"""Name of a clip or row, and the message about it."""


def common_text(message: str) -> str:
    """Return a message with `…` in place of quoted words and of words with digits.

    Args:
        message: text about one clip.
    """
    return _VARIABLE.sub("…", message)


def group_messages(messages: Iterable[Message]) -> list[list[Message]]:
    """Group messages by their common text, in the order of the first message of each group.

    Args:
        messages: messages about clips.
    """
    groups: dict[str, list[Message]] = {}
    for name, text in messages:
        groups.setdefault(common_text(text), []).append((name, text))
    return list(groups.values())


def list_group(group: Sequence[Message], shown: int | None, more: str = "") -> list[str]:
    """Return the lines of a group: its first messages, and a count of the others with their common text.

    Args:
        group: messages with the same common text. A name may be empty.
        shown: greatest number of messages to show. None shows all.
        more: way to see all messages.
    """
    lines = [f"{name}{': ' if name else ''}{text}" for name, text in group[:shown]]
    rest = len(group) - len(lines)
    if rest:
        lines.append(f"{rest} more of {len(group)} like these{more and f' ({more})'}: {common_text(group[0][1])}")
    return lines
