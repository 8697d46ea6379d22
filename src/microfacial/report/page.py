"""One self-contained HTML page on all models of a data set."""

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from microfacial.records import (
    ONSET_APEX,
    ORACLE,
    PROTOCOL_NAMES,
    Clip,
    Comparison,
    FaceStore,
    Importances,
    Predictions,
)
from microfacial.report import figures, tables
from microfacial.report.flow_colours import LEAST, Picture, colour_flow, colour_wheel, lengths, robust_maximum
from microfacial.report.results import SIMPLE, ReportConfig, Result, best_simple, rank, say_what_was_found
from microfacial.report.svg import as_svg
from microfacial.report.tables import AblationTables, HardClip

_FLOW_SIDE_PX = 144
_WHEEL_SIDE_PX = 96


@dataclass(frozen=True, kw_only=True)
class Content:
    """All that the page tells of: `clips` and `store` in the same order, `settings` by section of params.yaml.

    `versions` are those of the packages that decide results; `ablation` is None where none is to be shown.
    """

    dataset: str
    clips: Sequence[Clip]
    store: FaceStore
    results: Sequence[Result]
    settings: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]
    ablation: AblationTables | None
    config: ReportConfig


def render(content: Content) -> str:
    """The page, the same text for the same content."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"score": "{:.3f}".format, "signed": _signed, "signed_span": _signed_span, "span": _span}
    results, shared = rank(content.results), content.results[0].evaluation
    simple = best_simple([result.evaluation for result in results])
    compared = [result.against_best for result in results if result.against_best]
    subjects = tables.share_by_subject(results)
    return environment.from_string(_read("page.html")).render(
        style=Markup(_read("page.css")),
        script=Markup(_read("page.js")),
        content=content,
        results=results,
        shared=shared,
        found=say_what_was_found(results),
        protocol=PROTOCOL_NAMES[shared.protocol],
        scheme=content.settings["clips"]["scheme"],
        simple=simple,
        simple_present=[result.model for result in results if result.model in SIMPLE],
        compared=compared,
        oracle=ORACLE if any(result.oracle is not None for result in results) else "",
        drawn=_draw(results, compared),
        subjects=subjects,
        corpora=sorted(shared.corpora),
        curved=[result.model for result in results if _has_curves(result)],
        hybrid=next((result for result in results if result.importances), None),
        preference=_say_preference(results),
        hardest=list(_show_hardest(content, tables.list_hardest(results, content.config.hardest_clips))),
        wheel=_as_data_uri(colour_wheel(_WHEEL_SIDE_PX)),
        people=tables.count_clips(content.clips, shared.classes, by_person=True),
        by_corpus=tables.count_clips(content.clips, shared.classes, by_person=False),
        facts=dict(tables.describe_clips(content.clips)),
        settings=dict(_list_settings(content.settings, results)),
        stale=_is_stale(content.ablation, results),
    )


def _read(name: str) -> str:
    return resources.files("microfacial.report").joinpath(name).read_text(encoding="utf-8")


def _span(edges: tuple[float, float]) -> str:
    return "{:.3f}–{:.3f}".format(*edges)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _signed_span(edges: tuple[float, float]) -> str:
    return " to ".join(map(_signed, edges))


# --- figures ----------------------------------------------------------------------------------------------------------


def _draw(results: Sequence[Result], compared: Sequence[Comparison]) -> dict[str, Markup]:
    """Every figure as inline SVG, by its key."""
    drawn = {key: as_svg(figure, key, title, words) for key, figure, title, words in _figures(results, compared)}
    return {key: Markup(svg) for key, svg in drawn.items()}


def _figures(results: Sequence[Result], compared: Sequence[Comparison]) -> Iterator[tuple[str, Figure, str, str]]:
    """Key, figure, title and description of each."""
    if compared:
        words = "; ".join(
            "{}: {:+.3f}, {:+.3f} to {:+.3f}".format(one.model, one.uf1_difference, *one.uf1_interval)
            for one in compared
        )
        title = f"Differences in UF1 to {compared[0].baseline}"
        yield "differences", figures.draw_differences(compared), title, f"{words}."
    for result in results:
        model, found = result.model, result.evaluation
        key = f"{result.model}-{{}}".format
        yield key("confusion"), figures.draw_confusion(found), f"Confusion matrix of {model}", _tell_confusion(result)
        words = _tell_reliability(result.predictions)
        yield key("reliability"), figures.draw_reliability(result.predictions), f"Calibration of {model}", words
        if _has_curves(result):
            words = _tell_curves(result)
            yield key("curves"), figures.draw_curves(model, result.curves), f"Loss curves of {model}", words
        if counted := result.importances:
            words = _tell_importances(counted)
            yield "importances", figures.draw_region_importances(counted), f"Where the weight of {model} goes", words
            if counted.attention.any():  # there is a graph
                words = _tell_attention(counted)
                yield "attention", figures.draw_attention(counted), f"Attention in the graph of {model}", words


def _has_curves(result: Result) -> bool:
    return any(history.training_loss for history in result.curves.values())


def _tell_confusion(result: Result) -> str:
    found = result.evaluation
    rows = (
        f"{label} {', '.join(map(str, row))}" for label, row in zip(found.classes, found.overall.confusion, strict=True)
    )
    return f"Truth down, prediction across, in the order {', '.join(found.classes)}: {'; '.join(rows)}."


def _tell_reliability(predictions: Predictions) -> str:
    bins = zip(*figures.bin_confidence(predictions), strict=True)
    return "; ".join(f"{sure:.2f} sure, {right:.2f} right, of {count} predictions" for sure, right, count in bins) + "."


def _tell_curves(result: Result) -> str:
    ends = [history.training_loss[-1] for history in result.curves.values() if history.training_loss]
    starts = [history.training_loss[0] for history in result.curves.values() if history.training_loss]
    return (
        f"The training loss of {len(ends)} folds goes from a median of {np.median(starts):.2f} "
        f"to one of {np.median(ends):.2f}."
    )


def _tell_importances(importances: Importances) -> str:
    rows, shares = figures.list_shares(importances)
    means = shares.mean(axis=0)
    return "; ".join(
        f"{row}: "
        + ", ".join(f"{name} {100 * share:.1f} %" for name, share in zip(importances.region_names, own, strict=True))
        for row, own in zip(rows, means, strict=True)
    )


def _tell_attention(importances: Importances) -> str:
    taken, names = importances.attention.mean(axis=0), importances.region_names
    return "; ".join(
        f"{taker} took "
        + ", ".join(f"{100 * share:.0f} % from {giver}" for giver, share in zip(names, own, strict=True))
        for taker, own in zip(names, taken, strict=True)
    )


def _say_preference(results: Sequence[Result]) -> str:
    """How far the hybrid is from weighing all regions alike."""
    counted = next((result.importances for result in results if result.importances), None)
    if counted is None:
        return ""
    _, shares = figures.list_shares(counted)
    within = shares.mean(axis=0) / shares.mean(axis=0).mean(axis=1, keepdims=True)
    row, column = np.unravel_index(np.abs(within - 1).argmax(), within.shape)
    ratio, region = float(within[row, column]), counted.region_names[int(column)]
    if abs(ratio - 1) < 0.1:
        return (
            f"It hardly prefers any region: none has a weight more than {math.ceil(100 * abs(ratio - 1))} % from "
            "an equal share, so that these weights explain little."
        )
    return f"The farthest from an equal share is {region}, with {ratio:.2f} times as much."


# --- clips ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """A hard clip with its flow: `picture` as data, `boxes` in percent of its side by the name of their region."""

    hard: HardClip
    clip: Clip
    picture: str
    boxes: list[tuple[str, list[float]]]
    full: str


def _show_hardest(content: Content, hardest: Sequence[HardClip]) -> Iterator[_Shown]:
    rows = {clip.id: row for row, clip in enumerate(content.clips)}
    store = content.store
    window, unit = store.windows.index(ONSET_APEX), "levels" if store.unit == "stretched" else "px"
    for hard in hardest:
        row = rows[hard.clip]
        flow = store.flow[row, window, :2].astype(np.float32)
        longest, side = robust_maximum(lengths(flow), LEAST[store.unit][0]), flow.shape[-1]
        yield _Shown(
            hard=hard,
            clip=content.clips[row],
            picture=_as_data_uri(_resize(colour_flow(flow, longest))),
            boxes=[
                (name, [round(100 * edge / side, 1) for edge in (left, top, right - left, bottom - top)])
                for name, (top, left, bottom, right) in zip(store.regions, store.boxes[row].tolist(), strict=True)
            ],
            full=f"{longest:.2f} {unit}",
        )


def _resize(picture: Picture) -> Picture:
    method = cv2.INTER_AREA if picture.shape[0] > _FLOW_SIDE_PX else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, (_FLOW_SIDE_PX, _FLOW_SIDE_PX), interpolation=method), np.uint8)


def _as_data_uri(picture: Picture) -> str:
    """A picture `(H, W, 3)`, BGR, as PNG in a link."""
    _, content = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return "data:image/png;base64," + base64.b64encode(content.tobytes()).decode()


# --- settings and ablation --------------------------------------------------------------------------------------------


def _list_settings(
    sections: Mapping[str, Mapping[str, Any]], results: Sequence[Result]
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Keys and values of each section; faces and flow are those that the models were trained with."""
    trained = results[0].settings
    shared = {**sections, "faces": trained["faces"], "flow": tables.drop_unused_flow(trained["flow"])}
    for name in ("clips", "faces", "flow", "train"):
        yield name, list(tables.flatten(shared[name]))
    for result in results:
        own = result.settings["models"][result.model]
        yield f"models.{result.model}", list(tables.flatten(own))


def _is_stale(ablation: AblationTables | None, results: Sequence[Result]) -> bool:
    """Whether the full hybrid of the ablation scored otherwise than the hybrid here: then it is of another state."""
    hybrid = next((result.evaluation for result in results if result.model == "hybrid"), None)
    if ablation is None or hybrid is None or int(ablation.parts[0]["repeats"]) != hybrid.repeats:
        return ablation is not None
    return abs(float(ablation.parts[0]["uf1"]) - hybrid.overall.uf1) > 1e-6
