"""The HTML report: one page about all models of a data set that needs no other file."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Template
from markupsafe import Markup

from microfacial.models.inputs import portrait
from microfacial.models.prior import INPUT_PX
from microfacial.models.unit_description import describe_units
from microfacial.records import ONSET_APEX, ORACLE, PROTOCOL_NAMES, Clip, FaceStore
from microfacial.report import tables
from microfacial.report.finding import state_finding
from microfacial.report.flow_colours import (
    MIN_FULL_COLOUR,
    colour_flow,
    colour_wheel,
    measure_lengths,
    robust_maximum,
)
from microfacial.report.graph_attention import compare_with_annotations
from microfacial.report.images import as_data_uri, resize_image
from microfacial.report.page_figures import describe_preference, draw_page_figures
from microfacial.report.results import (
    SIMPLE_MODELS,
    ModelResult,
    ReportConfig,
    count_repetitions,
    find_best_simple,
    join_notes,
    rank_results,
)
from microfacial.report.settings_list import list_settings
from microfacial.report.tables import AblationTables, HardClip
from microfacial.report.templates import make_environment, read_page_file

_LOG = logging.getLogger(__name__)

_FLOW_PX, _WHEEL_PX = 144, 96


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """Everything that the page shows.

    Attributes:
        dataset: Name of the data set.
        clips: Clips of the data set, in the order of `store`.
        store: Flow and regions of all clips. The page does not show the crops, which contain faces.
        results: Results of all models, with comparisons.
        data_digest: Digest of the clips, their labels and their frames.
        settings: Sections `clips` and `train` of params.yaml.
        versions: Versions of the packages that results depend on, by name.
        ablation: Tables of `microfacial ablate`; None to show none.
        config: The `report` section of params.yaml.
    """

    dataset: str
    clips: Sequence[Clip]
    store: FaceStore
    results: Sequence[ModelResult]
    data_digest: str
    settings: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]
    ablation: AblationTables | None
    config: ReportConfig


def render_page(content: PageContent) -> str:
    """Return the page as HTML. Equal content gives equal text.

    Args:
        content: Everything that the page shows.
    """
    _LOG.debug("drawing the report page")
    results, shared = rank_results(content.results), content.results[0].evaluation
    hybrid = next((result for result in results if result.importances and result.importances.of_hybrid), None)
    return _load_template().render(
        style=Markup(read_page_file("page.css")),
        script=Markup(read_page_file("page.js")),
        content=content,
        results=results,
        shared=shared,
        notes=join_notes(result.evaluation for result in results),
        repeats=count_repetitions(results),
        fitted_once=[result.model for result in results if result.evaluation.repeats < count_repetitions(results)],
        finding=state_finding(results),
        protocol=PROTOCOL_NAMES[shared.protocol],
        scheme=content.settings["clips"]["scheme"],
        simple=find_best_simple(results),
        simple_models=[result.model for result in results if result.model in SIMPLE_MODELS],
        compared=[result.against_best for result in results if result.against_best],
        oracle=ORACLE if any(result.oracle is not None for result in results) else "",
        figures=draw_page_figures(results),
        class_scores=[tables.score_by_class(result.predictions) for result in results],
        subjects=tables.share_by_subject(results),
        corpora=sorted(shared.corpora),
        curved=[result.model for result in results if result.has_curves],
        hybrid=hybrid,
        co_occurrences=list(compare_with_annotations(results, content.clips)),
        preference=describe_preference(hybrid.importances) if hybrid and hybrid.importances else "",
        hardest=list(_show_hardest(content, tables.list_hardest(results, content.config.hardest_clips))),
        wheel=as_data_uri(colour_wheel(_WHEEL_PX)),
        by_person=tables.count_clips(content.clips, shared.classes, by_person=True),
        by_corpus=tables.count_clips(content.clips, shared.classes, by_person=False),
        facts=dict(tables.describe_clips(content.clips)),
        settings=dict(list_settings(content.settings, results)),
        outdated=content.ablation is not None and tables.is_outdated(content.ablation, results),
    )


@cache
def _load_template() -> Template:
    environment = make_environment()
    environment.filters |= {"score": "{:.3f}".format, "signed": _signed, "signed_span": _signed_span, "span": _span}
    return environment.get_template("page.html")


def _span(edges: tuple[float, float]) -> str:
    return "{:.3f}–{:.3f}".format(*edges)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _signed_span(edges: tuple[float, float]) -> str:
    return " to ".join(map(_signed, edges))


@dataclass(frozen=True, kw_only=True)
class _HardClipCard:
    """A hard clip with its flow.

    Attributes:
        hard: The answers of the models.
        clip: The clip.
        picture: Its flow as a link that contains the image.
        boxes: Name of each region and its left, top, width and height in percent of the picture.
        full_colour: Length of full colour, with its unit.
        units: Action units that moved according to the motion prior, with side and probability; empty if none did.
    """

    hard: HardClip
    clip: Clip
    picture: str
    boxes: list[tuple[str, list[float]]]
    full_colour: str
    units: str


def _show_hardest(content: PageContent, hardest: Sequence[HardClip]) -> Iterator[_HardClipCard]:
    rows = {clip.id: row for row, clip in enumerate(content.clips)}
    store = content.store
    chosen = [rows[hard.clip] for hard in hardest]
    described = _describe_units(store, chosen) if chosen else []
    window, unit = store.windows.index(ONSET_APEX), "levels" if store.unit == "stretched" else "px"
    for hard, row, units in zip(hardest, chosen, described, strict=True):
        flow = store.flow[row, window, :2].astype(np.float32)
        full_colour, side = robust_maximum(measure_lengths(flow), MIN_FULL_COLOUR[store.unit][0]), flow.shape[-1]
        yield _HardClipCard(
            hard=hard,
            clip=content.clips[row],
            picture=as_data_uri(resize_image(colour_flow(flow, full_colour), _FLOW_PX, _FLOW_PX)),
            boxes=[
                (name, [round(100 * edge / side, 1) for edge in (left, top, right - left, bottom - top)])
                for name, (top, left, bottom, right) in zip(store.regions, store.boxes[row].tolist(), strict=True)
            ],
            full_colour=f"{full_colour:.2f} {unit}",
            units=units,
        )


def _describe_units(store: FaceStore, rows: Sequence[int]) -> list[str]:
    """Return the units that moved in some clips according to the motion prior, such as `12 (0.94), 4 left (0.71)`."""
    chosen, clips = list(rows), tuple(store.clips[row] for row in rows)
    part = replace(store, clips=clips, crops=store.crops[chosen], flow=store.flow[chosen], boxes=store.boxes[chosen])
    return [
        ", ".join(
            f"{moved.unit}{'' if moved.side == 'both' else f' {moved.side}'} ({moved.probability:.2f})"
            for moved in clip
        )
        for clip in describe_units(portrait(part, INPUT_PX).values)
    ]
