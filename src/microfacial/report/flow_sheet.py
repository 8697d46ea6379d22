"""Contact sheets of faces and flow, one row per clip, so that people can check both before they train models."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microfacial.preprocessing.strain import strain
from microfacial.records import ONSET_APEX, SYNTHETIC, Box, Clip, Face, FlowUnit, Image, is_synthetic
from microfacial.report.canvas import WARNING, Canvas, wrap
from microfacial.report.figure_style import FAINT, INK, RULE
from microfacial.report.flow_colours import (
    MIN_FULL_COLOUR,
    colour_flow,
    colour_strain,
    measure_lengths,
    require_finite,
    robust_maximum,
)
from microfacial.report.flow_legend import FAULTS, draw_strain_bar, draw_wheel, explain_flow
from microfacial.report.images import resize_field, resize_image

CLIPS_PER_PAGE = 8
_MARGIN, _GAP, _LINE = 18, 10, 16  # px, like all sizes below
_CAPTION_WIDTH = 236
_TILE, _SMALL = 224, 96
_HEADER_HEIGHT, _HEADS_HEIGHT, _ROW_HEIGHT = 176, 22, _TILE + 40
_ARROW_STEP = 16
_LOW_CONFIDENCE = 0.5  # faces below are marked
_MAX_LINES = 4  # of a note or a list of action units
_HEADS = {
    "px": ("onset, regions", "apex", "flow onset→apex", "strain onset→apex", "flow of the phases"),
    "stretched": ("published map, regions", "flow", "strain"),
}
_REGION_COLOURS = ("#ffd400", "#00e5ff", "#ff5ad9", "#7dff4a", "#ff8a3c", "#9f8bff", "#ffffff", "#ff4b4b")


@dataclass(frozen=True, kw_only=True)
class ClipView:
    """Data of one row.

    Attributes:
        clip: The clip.
        face: Its face, with one box per region.
        crops: Aligned onset and apex, `(2, H, W, 3)` uint8, BGR.
        flow: Flow, `(T, C, H, W)` float16, as in `FaceStore`.
    """

    clip: Clip
    face: Face
    crops: Image
    flow: NDArray[np.float16]


@dataclass(frozen=True, kw_only=True)
class SheetFacts:
    """Facts that hold for all pages.

    Attributes:
        data_set: Name of the data set.
        windows: Names of the T windows of the flow.
        unit: Unit of the flow.
        regions: Names of the boxes of each face.
        head_motion: Setting `flow.head_motion`.
    """

    data_set: str
    windows: tuple[str, ...]
    unit: FlowUnit
    regions: tuple[str, ...]
    head_motion: str


def draw_flow_sheet(views: Sequence[ClipView], facts: SheetFacts, number: int, count: int) -> Image:
    """Draw one page: a legend, and a row for each clip.

    Args:
        views: Clips of this page.
        facts: Facts that hold for all pages.
        number: Number of this page, from 1.
        count: Number of all pages.

    Returns:
        Page `(H, W, 3)` uint8, BGR.

    Raises:
        StorageError: The flow of a clip is not finite.
    """
    first_row = _HEADER_HEIGHT + _HEADS_HEIGHT
    canvas = Canvas(_right_edge(facts) + _MARGIN, first_row + len(views) * _ROW_HEIGHT + _MARGIN)
    _draw_header(canvas, facts, [view.clip for view in views], f"page {number} of {count}")
    for row, view in enumerate(views):
        _draw_row(canvas, view, facts, first_row + row * _ROW_HEIGHT)
    return canvas.to_image()


def _draw_header(canvas: Canvas, facts: SheetFacts, clips: list[Clip], page: str) -> None:
    canvas.write(facts.data_set, _MARGIN, _MARGIN, size_px=20, bold=True)
    canvas.write(f"faces and flow, {page}", _MARGIN, _MARGIN + 28, colour=FAINT)
    if any(is_synthetic(clip.corpus) for clip in clips):
        warning = wrap(SYNTHETIC, _CAPTION_WIDTH - 2 * _GAP, size_px=13, bold=True)
        canvas.write(warning, _MARGIN, _MARGIN + 54, size_px=13, bold=True, colour=WARNING)
    draw_wheel(canvas, _tile_left(0) + _TILE // 2 - 14, 34)
    canvas.write("\n".join(explain_flow(facts.unit, facts.head_motion)), _tile_left(1), _MARGIN)
    if facts.unit == "px":
        canvas.write("Look for", _tile_left(1), _MARGIN + 80, bold=True)
        canvas.write(FAULTS, _tile_left(1) + 68, _MARGIN + 80)
    draw_strain_bar(canvas, _tile_left(4), _MARGIN + 96)
    canvas.draw_rule(_HEADER_HEIGHT - 8, _MARGIN, _right_edge(facts))
    for column, name in enumerate(_HEADS[facts.unit]):
        canvas.write(name, _tile_left(column), _HEADER_HEIGHT - 2, bold=True)


def _right_edge(facts: SheetFacts) -> int:
    """Return the right edge of the pictures. Published maps have no phases, but their legend needs the same width."""
    phases = max(4, len(facts.windows) - 1)
    return _tile_left(4) + math.ceil(phases / 2) * (_SMALL + _GAP) - _GAP


def _tile_left(column: int) -> int:
    return _MARGIN + _CAPTION_WIDTH + column * (_TILE + _GAP)


def _draw_row(canvas: Canvas, view: ClipView, facts: SheetFacts, top: int) -> None:
    require_finite(view.flow, view.clip.id)
    _draw_caption(canvas, view, top)
    crops = view.crops if facts.unit == "px" else view.crops[:1]  # a published map has no apex
    for column, crop in enumerate(crops):
        canvas.paste(resize_image(crop, _TILE, _TILE), _tile_left(column), top)
    _draw_regions(canvas, view.face, view.flow.shape[-1], facts.regions, top)
    if facts.unit == "px":
        for column, (moment, frame) in enumerate((("onset", view.clip.onset), ("apex", view.clip.apex))):
            canvas.write(f"{moment}, frame {frame}", _tile_left(column), top + _TILE + 2, colour=FAINT)
    _draw_motion(canvas, view, facts, len(crops), top)


def _draw_caption(canvas: Canvas, view: ClipView, top: int) -> None:
    name = wrap(view.clip.id, _CAPTION_WIDTH - 2 * _GAP, size_px=13, bold=True)
    canvas.write(name, _MARGIN, top - 3, size_px=13, bold=True)
    top += (name.count("\n") + 1) * _LINE + 3
    for text, doubtful in _describe_clip(view):
        lines = wrap(text, _CAPTION_WIDTH - 2 * _GAP, max_lines=_MAX_LINES)
        canvas.write(lines, _MARGIN, top, colour=WARNING if doubtful else INK)
        top += (lines.count("\n") + 1) * _LINE


def _describe_clip(view: ClipView) -> Iterator[tuple[str, bool]]:
    """Yield lines about a clip, each with a flag that marks it as doubtful."""
    clip, face = view.clip, view.face
    yield (clip.label if clip.emotion == clip.label else f"{clip.label} ({clip.emotion})"), False
    if clip.action_units:
        yield f"action units {clip.action_units}", False
    if clip.onset != clip.apex:
        milliseconds = 1000 * (clip.apex - clip.onset) / clip.fps
        yield f"frames {clip.onset} – {clip.apex} – {clip.offset}", False
        yield f"{milliseconds:.0f} ms to the apex at {clip.fps:g} fps", False
        yield f"apex {clip.apex_source}", clip.apex_source != "annotated"
    confidence = "" if face.confidence is None else f", confidence {face.confidence:.2f}"
    yield f"face by {face.source}{confidence}", face.confidence is not None and face.confidence < _LOW_CONFIDENCE
    if clip.notes:
        yield clip.notes, True


def _draw_regions(canvas: Canvas, face: Face, size_px: int, regions: Sequence[str], top: int) -> None:
    left = _tile_left(0)
    for number, (name, box) in enumerate(zip(regions, face.boxes, strict=True)):
        colour = _REGION_COLOURS[number % len(_REGION_COLOURS)]
        scaled = _scale_box(box, size_px)
        canvas.outline(scaled, left, top, colour, width_px=1.5)
        label = wrap(name, scaled[3] - scaled[1], size_px=10)
        place = (left + scaled[1] + 3, top + scaled[0] + 2)
        canvas.write(label, *place, size_px=10, colour=colour, background="#00000090")


def _scale_box(box: Box, size_px: int) -> Box:
    top, left, bottom, right = (round(edge * _TILE / size_px) for edge in box)
    return top, left, bottom, right


def _draw_motion(canvas: Canvas, view: ClipView, facts: SheetFacts, column: int, top: int) -> None:
    """Draw flow, strain and phases, from this column on."""
    least, least_strain = MIN_FULL_COLOUR[facts.unit]
    windows = view.flow.astype(np.float32)
    main = windows[facts.windows.index(ONSET_APEX)]
    main_strain = strain(main[:2]) if facts.unit == "px" else main[2]
    full_flow = robust_maximum(measure_lengths(main), least)
    full_strain = robust_maximum(main_strain, least_strain)
    left, next_left = _tile_left(column), _tile_left(column + 1)
    canvas.paste(colour_flow(resize_field(main[:2], _TILE), full_flow), left, top)
    _draw_flow_arrows(canvas, main[:2], full_flow, left, top)
    canvas.paste(colour_strain(resize_field(main_strain[None], _TILE)[0], full_strain), next_left, top)
    flow_scale, strain_scale = _describe_scales(main, full_flow, full_strain, facts.unit)
    canvas.write(flow_scale, left, top + _TILE + 2, colour=FAINT)
    canvas.write(strain_scale, next_left, top + _TILE + 2, colour=FAINT)
    for box in view.face.boxes:
        scaled = _scale_box(box, view.flow.shape[-1])
        canvas.outline(scaled, left, top, INK, opacity=0.35)
        canvas.outline(scaled, next_left, top, "white", opacity=0.35)
    _draw_phases(canvas, windows, facts, full_flow, _tile_left(column + 2), top)


def _describe_scales(
    flow: NDArray[np.float32], full_flow: float, full_strain: float, unit: FlowUnit
) -> tuple[str, str]:
    """Return the text below flow and strain. The median of a published map is always zero, so it has no drift."""
    if unit == "stretched":
        return f"full {full_flow:.0f} levels", f"full {full_strain:.0f} levels"
    drift = float(np.hypot(*np.median(flow, axis=(1, 2))))
    return f"full {full_flow:.2f} px · drift {drift:.2f} px", f"full {full_strain:.3f} px/px"


def _draw_phases(
    canvas: Canvas, windows: NDArray[np.float32], facts: SheetFacts, full_flow: float, left: int, top: int
) -> None:
    phases = [(name, windows[row]) for row, name in enumerate(facts.windows) if name != ONSET_APEX]
    for number, (name, flow) in enumerate(phases):
        row, column = divmod(number, 2)
        x, y = left + column * (_SMALL + _GAP), top + row * (_SMALL + 32)
        canvas.paste(colour_flow(resize_field(flow[:2], _SMALL), full_flow), x, y)
        canvas.outline((0, 0, _SMALL, _SMALL), x, y, RULE)
        own_full = robust_maximum(measure_lengths(flow), 0.0)
        canvas.write(f"{name.replace('>', '→')}\n{own_full:.2f} px", x, y + _SMALL + 1, size_px=10.5, colour=FAINT)


def _draw_flow_arrows(canvas: Canvas, flow: NDArray[np.float32], full_flow: float, left: int, top: int) -> None:
    """Draw arrows on a grid. At full colour an arrow is one grid step long; arrows below a fifth are left out."""
    count = _TILE // _ARROW_STEP
    sparse = resize_field(flow, count).reshape(2, -1).T / full_flow
    sparse /= np.maximum(1.0, np.hypot(*sparse.T))[:, None]
    steps = (np.arange(count) + 0.5) * _ARROW_STEP
    starts = np.stack(np.meshgrid(left + steps, top + steps), axis=-1).reshape(-1, 2).astype(np.float32)
    drawn = np.hypot(*sparse.T) > 0.2
    canvas.draw_arrows(starts[drawn], sparse[drawn] * _ARROW_STEP)
