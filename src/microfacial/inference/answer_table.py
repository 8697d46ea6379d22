"""Answers as rows: one for each event, and one for a film without events or a film that cannot be read."""

from collections.abc import Iterator, Sequence
from typing import Any

from microfacial.datasets.cells import protect_cell
from microfacial.errors import escape_controls
from microfacial.inference.film_answer import Event, FilmAnswer
from microfacial.models.unit_description import MovedUnit

_COLUMNS = (
    *("clip", "model", "version", "scheme", "person", "onset", "apex", "offset", "onset_s", "apex_s", "offset_s"),
    *("score", "kind", "label"),
)
_LAST_COLUMNS = ("units", "reason", "error")
_HEAD = ("person", "frames", "seconds", "kind", "score", "label", "probabilities", "units")
_SIDES = {"left": " left", "right": " right", "both": ""}


def event_rows(answer: FilmAnswer) -> list[dict[str, Any]]:
    """Return the rows of an answer as JSON values: one for each event, or one with the reason or the error.

    Args:
        answer: the answer.

    Returns:
        Rows with the fields in docs/reference/answers.md. A row has the key `error` only if the film cannot be read.
    """
    if answer.error is not None:
        return [{"clip": answer.source, "error": answer.error}]
    head = {
        "clip": answer.source,
        "model": answer.model.name,
        "version": answer.model.version,
        "scheme": answer.model.scheme,
    }
    if not answer.events:
        return [{**head, "label": None, "probabilities": {}, "units": [], "attention": {}, "reason": answer.reason}]
    rows = []
    for event in answer.events:
        fields = event.to_dict()
        reason = fields.pop("abstained")
        rows.append({**head, **fields, "reason": reason})
    return rows


def csv_columns(classes: Sequence[str]) -> list[str]:
    """Return the columns of a CSV file with the rows of answers.

    Args:
        classes: names of the model's classes. Each has a column `p_<class>`.
    """
    return [*_COLUMNS, *(f"p_{name}" for name in classes), *_LAST_COLUMNS]


def csv_rows(answer: FilmAnswer) -> list[dict[str, str]]:
    """Return the rows of an answer for a CSV file. Cells without a value are left out.

    Args:
        answer: the answer.

    Returns:
        Cells as text by the names of `csv_columns`. Texts are protected; see `protect_cell`.
    """
    rows = []
    for row, event in zip(event_rows(answer), answer.events or [None], strict=True):
        cells = {name: _as_cell(row[name]) for name in _COLUMNS if row.get(name) is not None}
        cells |= {f"p_{name}": f"{value:.6f}" for name, value in row.get("probabilities", {}).items()}
        cells |= {name: _as_cell(row[name]) for name in ("reason", "error") if row.get(name)}
        rows.append({**cells, "units": format_units(event.units) if event else ""})
    return rows


def format_answer(answer: FilmAnswer) -> str:
    """Return an answer as text for a terminal: a line about the film, and a table of its events.

    Args:
        answer: the answer. Its film was read.
    """
    people = f"{len(answer.people)} {'person' if len(answer.people) == 1 else 'people'}"
    duration = "" if answer.seconds is None else f", {answer.seconds:.3f} s"
    rate = "" if answer.fps is None else f" at {answer.fps:.4g} per second"
    lines = [f"{escape_controls(answer.source)}: {people}, {answer.frames} frames{rate}{duration}"]
    if answer.events:
        lines += _align([_HEAD, *(_cells(event) for event in answer.events)])
    else:
        lines.append(f"  no event: {answer.reason}")
    for person in answer.people:
        lines += [
            f"  person {person.person}, frames {gap.first}–{gap.last} not judged: {gap.reason}" for gap in person.gaps
        ]
    return "\n".join(lines)


def format_event(event: Event) -> str:
    """Return an event as one line of text.

    Args:
        event: the event.
    """
    return f"person {'  '.join(filter(None, _cells(event)))}"


def format_probabilities(event: Event) -> str:
    """Return the probabilities of an event as text, such as `happiness 0.812  disgust 0.188`.

    Args:
        event: the event.
    """
    return "  ".join(f"{name} {probability:.3f}" for name, probability in event.probabilities.items())


def format_units(units: Sequence[MovedUnit]) -> str:
    """Return action units as text, such as `AU12 0.93, AU14 left 0.61`.

    Args:
        units: the action units.
    """
    return ", ".join(f"AU{unit.unit}{_SIDES[unit.side]} {unit.probability:.2f}" for unit in units)


def _as_cell(value: str | float) -> str:
    return protect_cell(value) if isinstance(value, str) else str(value)


def _cells(event: Event) -> tuple[str, ...]:
    times = [time for time in (event.onset_s, event.apex_s, event.offset_s) if time is not None]
    return (
        str(event.person),
        f"{event.onset}–{event.apex}–{event.offset}",
        "–".join(f"{time:.3f}" for time in times),
        event.kind,
        "" if event.score is None else f"{event.score:.2f}",
        event.label or "–",
        f"({format_probabilities(event)})" if event.label else (event.abstained or ""),
        format_units(event.units),
    )


def _align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows with columns of equal width. The last two columns can be long, so the text after them is not moved."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()
