"""Draw the answer about a film as one HTML page that needs no other file: timeline, pictures, classes, units, model."""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined, Template

from microfacial.inference.answer_table import format_units
from microfacial.inference.film_answer import MISUSE, Event, FilmAnswer, PersonAnswer
from microfacial.preprocessing.strain import strain
from microfacial.records import ONSET_APEX, FaceStore, FloatArray
from microfacial.report.flow_colours import (
    MIN_FULL_COLOUR,
    colour_flow,
    colour_strain,
    measure_lengths,
    robust_maximum,
)
from microfacial.report.images import as_data_uri

MOST_PICTURED = 60
"""Events with pictures on a page: those with the highest scores. Each takes about 200 kB."""

_WIDTH, _TOP, _BOTTOM = 1000.0, 10.0, 150.0  # of the timeline
_MOST_POINTS = 1200
_TICKS = 8


def render_film_page(answer: FilmAnswer) -> str:
    """Return the page as HTML. Equal answers give equal text.

    Args:
        answer: the answer, whose events have their stores if pictures are wanted.
    """
    strongest = sorted(range(len(answer.events)), key=lambda row: -(answer.events[row].score or 0.0))[:MOST_PICTURED]
    return _load_template().render(
        name=PurePath(answer.source).name or answer.source,
        answer=answer,
        misuse=MISUSE,
        timelines=[_draw_timeline(person, answer) for person in answer.people],
        events=[
            _describe_event(number, event, pictured=number - 1 in strongest)
            for number, event in enumerate(answer.events, 1)
        ],
        facts=_list_facts(answer),
    )


@cache
def _load_template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = resources.files("microfacial.inference").joinpath("film_page.html")
    return environment.from_string(page.read_text(encoding="utf-8"))


def _list_facts(answer: FilmAnswer) -> list[tuple[str, str]]:
    note = answer.model
    facts = [
        ("model", f"{note.name}, {note.version}"),
        ("classes", ", ".join(note.classes) + (f" (label scheme {note.scheme})" if note.scheme else "")),
        ("trained on", note.trained_on),
        ("scores", note.scores),
        ("calibration", note.calibration),
        ("prohibited", note.prohibited),
    ]
    return [(name, text) for name, text in facts if text]


def _describe_event(number: int, event: Event, *, pictured: bool) -> dict[str, Any]:
    times = [time for time in (event.onset_s, event.apex_s, event.offset_s) if time is not None]
    store = event.store if pictured else None
    return {
        "number": number,
        "event": event,
        "frames": f"{event.onset}–{event.apex}–{event.offset}",
        "seconds": "–".join(f"{time:.3f}" for time in times),
        "score": "" if event.score is None else f"{event.score:.2f}",
        "units": format_units(event.units),
        "attention": sorted(event.attention.items(), key=lambda item: -item[1]),
        "pictures": [] if store is None else list(draw_event_pictures(store)),
        "boxes": [] if store is None else list(place_boxes(store)),
    }


def draw_event_pictures(store: FaceStore) -> Iterator[dict[str, Any]]:
    """Yield the apex frame, the flow and the strain of an event.

    Args:
        store: crops and flow of the event.

    Yields:
        `name`, `scale` (what the colours mean), `uri` (a link that contains the picture), and `named` (whether the
        names of the regions are shown).
    """
    flow = store.flow[0, store.windows.index(ONSET_APEX)].astype(np.float32)
    least, least_strain = MIN_FULL_COLOUR[store.unit]
    stretched = store.unit == "stretched"
    strains = flow[2] if stretched else strain(flow[:2])
    full, full_strain = robust_maximum(measure_lengths(flow[:2]), least), robust_maximum(strains, least_strain)
    unit = "levels" if stretched else "px"
    yield {"name": "Apex frame", "uri": as_data_uri(store.crops[0, 1]), "scale": "Boxes are regions", "named": True}
    yield {
        "name": "Flow from onset to apex",
        "uri": as_data_uri(colour_flow(flow[:2], full)),
        "scale": f"Full colour is {full:.2f} {unit}",
        "named": False,
    }
    yield {
        "name": "Strain from onset to apex",
        "uri": as_data_uri(colour_strain(strains, full_strain)),
        "scale": f"Full colour is {full_strain:.3f}",
        "named": False,
    }


def place_boxes(store: FaceStore) -> Iterator[dict[str, Any]]:
    """Yield the regions of an event.

    Args:
        store: crops and flow of the event.

    Yields:
        `name`, and `left`, `top`, `width` and `height` in percent of the picture.
    """
    side = store.crops.shape[2]
    for name, box in zip(store.regions, store.boxes[0].tolist(), strict=True):
        top, left, bottom, right = (100 * edge / side for edge in box)
        yield {
            "name": name,
            "left": round(left, 1),
            "top": round(top, 1),
            "width": round(right - left, 1),
            "height": round(bottom - top, 1),
        }


def _draw_timeline(person: PersonAnswer, answer: FilmAnswer) -> dict[str, Any]:
    """Return the parts of a timeline. Its width is the duration of the film."""
    duration = max(answer.seconds or 0.0, 1e-6)

    def across(seconds: float | None) -> float:
        return round(_WIDTH * min(max((seconds or 0.0) / duration, 0.0), 1.0), 1)

    times, values = _thin_out(np.array(person.seconds), np.array(person.signal))
    greatest = max(1.5 * person.threshold, float(values.max(initial=0.0)), 1e-6)
    heights = _BOTTOM - (_BOTTOM - _TOP) * values / greatest
    points = [f"{across(time)} {height:.1f}" for time, height in zip(times.tolist(), heights.tolist(), strict=True)]
    spans = [
        {
            "event": number,
            "x": across(event.onset_s),
            "width": max(2.0, round(across(event.offset_s) - across(event.onset_s), 1)),
            "apex": across(event.apex_s),
            "doubt": event.label is None,
            "title": f"event {number}: {event.label or event.abstained}",
        }
        for number, event in enumerate(answer.events, 1)
        if event.person == person.person
    ]
    gaps = [
        {**vars(gap), "x": across(gap.first_s), "width": max(1.0, round(across(gap.last_s) - across(gap.first_s), 1))}
        for gap in person.gaps
    ]
    limit = round(_BOTTOM - (_BOTTOM - _TOP) * person.threshold / greatest, 1)
    return {
        "number": person.person,
        "note": person.note,
        "path": "M" + "L".join(points) if points else "",
        "limit": limit,
        "spans": spans,
        "gaps": gaps,
        "ticks": list(_draw_ticks(duration)),
    }


def _thin_out(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return at most `_MOST_POINTS` points: the highest value of each interval, so that no peak is lost."""
    if len(values) <= _MOST_POINTS:
        return times, values
    starts = np.linspace(0, len(values), _MOST_POINTS, endpoint=False).astype(int)
    return times[starts], np.maximum.reduceat(values, starts)


def _draw_ticks(duration: float) -> Iterator[dict[str, Any]]:
    """Yield ticks at round times."""
    rough = duration / _TICKS
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    for number in range(int(duration / step) + 1):
        place = round(_WIDTH * number * step / duration, 1)
        anchors: Sequence[str] = ("start", "middle", "end")
        anchor = anchors[0] if number == 0 else anchors[2] if place > 0.97 * _WIDTH else anchors[1]
        yield {"x": place, "text": f"{number * step:g} s", "anchor": anchor}
