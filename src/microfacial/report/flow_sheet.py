"""Draws what faces and flow made of clips, a row a clip, for people to look over before anything is trained on it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.preprocessing.strain import strain
from microfacial.records import ONSET_APEX, SYNTHETIC, Clip, Face, FlowUnit, is_synthetic
from microfacial.report.canvas import FAINT, INK, WARNING, Page, Picture, wrap
from microfacial.report.flow_colours import (
    LEAST,
    ROBUST_PERCENT,
    Field,
    colour_flow,
    colour_strain,
    colour_wheel,
    lengths,
    require_finite,
    robust_maximum,
)

CLIPS_PER_PAGE = 8
_MARGIN, _GAP, _LINE = 18, 10, 16  # px, as all sizes below
_CAPTION_WIDTH = 236
_TILE, _SMALL = 224, 96
_HEADER_HEIGHT, _HEADS_HEIGHT, _ROW_HEIGHT = 176, 22, _TILE + 40
_WHEEL, _BAR = 108, (2 * _SMALL + _GAP, 12)
_ARROW_STEP = 16
_DOUBT = 0.5  # a face found with less confidence is marked
_MOST_LINES = 4  # of a note or a list of action units
_UNITS = {"px": ("px", "px/px"), "stretched": ("levels", "levels")}
_HEADS = {
    "px": ("onset, regions", "apex", "flow onset→apex", "strain onset→apex", "flow of the phases"),
    "stretched": ("published map, regions", "flow", "strain"),
}
_FAULTS = (
    "a box that misses its region\n"
    "one tint over the whole face: head motion that is left\n"
    "both lids yellow or violet, strong in one phase: a blink\n"
    "confetti of all colours: noise"
)
_REGION_COLOURS = ("#ffd400", "#00e5ff", "#ff5ad9", "#7dff4a", "#ff8a3c", "#9f8bff", "#ffffff", "#ff4b4b")


@dataclass(frozen=True, kw_only=True)
class ClipView:
    """What there is to see of one clip: `crops` `(2, H, W, 3)` uint8, BGR, onset first, and `flow` `(T, C, H, W)`."""

    clip: Clip
    face: Face
    crops: Picture
    flow: NDArray[np.float16]


@dataclass(frozen=True, kw_only=True)
class SheetFacts:
    """What holds for all pages: the data set, what flow and boxes are, what became of the head's motion in words."""

    data_set: str
    windows: tuple[str, ...]
    unit: FlowUnit
    regions: tuple[str, ...]
    head_motion: str


def draw_page(views: Sequence[ClipView], facts: SheetFacts, number: int, count: int) -> Picture:
    """Draw some clips on one page, `(H, W, 3)` uint8, BGR, below a legend; it is page `number` of `count`.

    Raises:
        StorageError: a clip's flow is not finite.
    """
    heads = _HEADER_HEIGHT + _HEADS_HEIGHT
    page = Page(_right_edge(facts) + _MARGIN, heads + len(views) * _ROW_HEIGHT + _MARGIN)
    _draw_header(page, facts, [view.clip for view in views], f"page {number} of {count}")
    _draw_heads(page, facts)
    for row, view in enumerate(views):
        _draw_row(page, view, facts, heads + row * _ROW_HEIGHT)
    return page.pixels()


# --- legend -----------------------------------------------------------------------------------------------------------


def _draw_header(page: Page, facts: SheetFacts, clips: list[Clip], place: str) -> None:
    page.write(facts.data_set, _MARGIN, _MARGIN, size_px=20, bold=True)
    page.write(f"faces and flow, {place}", _MARGIN, _MARGIN + 28, colour=FAINT)
    if any(is_synthetic(clip.corpus) for clip in clips):
        warning = wrap(SYNTHETIC, _CAPTION_WIDTH - 2 * _GAP, size_px=13, bold=True)
        page.write(warning, _MARGIN, _MARGIN + 54, size_px=13, bold=True, colour=WARNING)
    _draw_wheel(page, _tile_left(0) + (_TILE - _WHEEL) // 2 - 14, 34)
    page.write("\n".join(_explain(facts)), _tile_left(1), _MARGIN)
    if facts.unit == "px":
        page.write("Look for", _tile_left(1), _MARGIN + 80, bold=True)
        page.write(_FAULTS, _tile_left(1) + 68, _MARGIN + 80)
    _draw_strain_bar(page, _tile_left(4), _MARGIN + 96)


def _draw_wheel(page: Page, left: int, top: int) -> None:
    page.paste(colour_wheel(_WHEEL), left, top)
    middle = (left + _WHEEL / 2, top + _WHEEL / 2)
    ways = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], np.float32) * _WHEEL * 0.42
    page.arrows(np.tile(np.array(middle, np.float32), (4, 1)), ways, INK)
    page.write("right, +u", left + _WHEEL + 5, middle[1] - 8)
    page.write("left", left - 5, middle[1] - 8, align="right")
    page.write("up", middle[0], top - 18, align="center")
    page.write("down, +v", middle[0], top + _WHEEL + 1, align="center")


def _explain(facts: SheetFacts) -> Iterator[str]:
    unit, strain_unit = _UNITS[facts.unit]
    least, least_strain = LEAST[facts.unit]
    yield "Flow: colour is the direction in the picture, its strength the length; what is white does not move."
    yield (
        f"“Full” is the length (or strain) of full colour: {ROBUST_PERCENT:g} % of the picture have less. It is at "
        f"least {least:g} {unit} ({least_strain:g} {strain_unit})."
    )
    yield facts.head_motion
    if facts.unit == "px":
        yield "“Drift” is the median motion. Phases have the scale of onset→apex; below each stands its own “full”."


def _draw_strain_bar(page: Page, left: int, top: int) -> None:
    width, height = _BAR
    page.write("strain", left, top)
    page.paste(colour_strain(np.tile(np.linspace(0, 1, width), (height, 1)), 1.0), left, top + 18)
    page.write("0", left, top + 19 + height)
    page.write("full", left + width, top + 19 + height, align="right")


def _draw_heads(page: Page, facts: SheetFacts) -> None:
    top = _HEADER_HEIGHT - 2
    page.line(top - 6, _MARGIN, _right_edge(facts))
    for column, name in enumerate(_HEADS[facts.unit]):
        page.write(name, _tile_left(column), top, bold=True)


def _right_edge(facts: SheetFacts) -> int:
    """Where pictures end; a page of published maps, which have no phases, is as wide for its legend's sake."""
    phases = max(4, len(facts.windows) - 1)
    return _tile_left(4) + math.ceil(phases / 2) * (_SMALL + _GAP) - _GAP


def _tile_left(column: int) -> int:
    return _MARGIN + _CAPTION_WIDTH + column * (_TILE + _GAP)


# --- a row ------------------------------------------------------------------------------------------------------------


def _draw_row(page: Page, view: ClipView, facts: SheetFacts, top: int) -> None:
    require_finite(view.flow, view.clip.id)
    _draw_caption(page, view, top)
    shown = view.crops if facts.unit == "px" else view.crops[:1]
    for column, crop in enumerate(shown):
        page.paste(_fit(crop, _TILE), _tile_left(column), top)
    _draw_regions(page, view.face, view.flow.shape[-1], facts.regions, top)
    moments = (("onset", view.clip.onset), ("apex", view.clip.apex))
    if facts.unit == "px":
        for column, (moment, frame) in enumerate(moments):
            page.write(f"{moment}, frame {frame}", _tile_left(column), top + _TILE + 2, colour=FAINT)
    _draw_motion(page, view, facts, len(shown), top)


def _draw_caption(page: Page, view: ClipView, top: int) -> None:
    name = wrap(view.clip.id, _CAPTION_WIDTH - 2 * _GAP, size_px=13, bold=True)
    page.write(name, _MARGIN, top - 3, size_px=13, bold=True)
    top += (name.count("\n") + 1) * _LINE + 3
    for text, doubtful in _describe(view):
        lines = wrap(text, _CAPTION_WIDTH - 2 * _GAP, most_lines=_MOST_LINES)
        page.write(lines, _MARGIN, top, colour=WARNING if doubtful else INK)
        top += (lines.count("\n") + 1) * _LINE


def _describe(view: ClipView) -> Iterator[tuple[str, bool]]:
    """Lines on a clip, and whether each is cause for doubt."""
    clip, face = view.clip, view.face
    yield (clip.label if clip.emotion == clip.label else f"{clip.label} ({clip.emotion})"), False
    if clip.action_units:
        yield f"action units {clip.action_units}", False
    if clip.onset != clip.apex:
        milliseconds = 1000 * (clip.apex - clip.onset) / clip.fps
        yield f"frames {clip.onset} – {clip.apex} – {clip.offset}", False
        yield f"{milliseconds:.0f} ms to the apex at {clip.fps:g} fps", False
        yield f"apex {clip.apex_source}", clip.apex_source != "annotated"
    sure = "" if face.confidence is None else f", confidence {face.confidence:.2f}"
    yield f"face by {face.source}{sure}", face.confidence is not None and face.confidence < _DOUBT
    if clip.notes:
        yield clip.notes, True


def _draw_regions(page: Page, face: Face, size_px: int, regions: Sequence[str], top: int) -> None:
    left = _tile_left(0)
    for number, (name, box) in enumerate(zip(regions, face.boxes, strict=True)):
        colour = _REGION_COLOURS[number % len(_REGION_COLOURS)]
        scaled = _scale_box(box, size_px)
        page.outline(scaled, left, top, colour, width_px=1.5)
        label = wrap(name, scaled[3] - scaled[1], size_px=10)
        page.write(label, left + scaled[1] + 3, top + scaled[0] + 2, size_px=10, colour=colour, ground="#00000090")


def _scale_box(box: Sequence[int], size_px: int) -> tuple[int, int, int, int]:
    first_row, first_column, last_row, last_column = (round(edge * _TILE / size_px) for edge in box)
    return first_row, first_column, last_row, last_column


def _draw_motion(page: Page, view: ClipView, facts: SheetFacts, column: int, top: int) -> None:
    least, least_strain = LEAST[facts.unit]
    motion = view.flow.astype(np.float32)
    main = motion[facts.windows.index(ONSET_APEX)]
    stretch = strain(main[:2]) if facts.unit == "px" else main[2]
    longest, largest = robust_maximum(lengths(main), least), robust_maximum(stretch, least_strain)
    left, next_left = _tile_left(column), _tile_left(column + 1)
    page.paste(colour_flow(_fit_field(main[:2], _TILE), longest), left, top)
    _draw_arrows(page, main[:2], longest, left, top)
    page.paste(colour_strain(_fit_field(stretch[None], _TILE)[0], largest), next_left, top)
    flow_words, strain_words = _describe_scales(main, longest, largest, facts.unit)
    page.write(flow_words, left, top + _TILE + 2, colour=FAINT)
    page.write(strain_words, next_left, top + _TILE + 2, colour=FAINT)
    for box in view.face.boxes:
        scaled = _scale_box(box, view.flow.shape[-1])
        page.outline(scaled, left, top, INK, opacity=0.35)
        page.outline(scaled, next_left, top, "white", opacity=0.35)
    _draw_phases(page, motion, facts, longest, _tile_left(column + 2), top)


def _describe_scales(flow: NDArray[np.float32], longest: float, largest: float, unit: FlowUnit) -> tuple[str, str]:
    """Words below flow and strain. The median of a published map is zero by construction, so it has no drift."""
    if unit == "stretched":
        return f"full {longest:.0f} levels", f"full {largest:.0f} levels"
    drift = float(np.hypot(*np.median(flow, axis=(1, 2))))
    return f"full {longest:.2f} px · drift {drift:.2f} px", f"full {largest:.3f} px/px"


def _draw_phases(
    page: Page, motion: NDArray[np.float32], facts: SheetFacts, longest: float, left: int, top: int
) -> None:
    phases = [(name, motion[row]) for row, name in enumerate(facts.windows) if name != ONSET_APEX]
    for number, (name, flow) in enumerate(phases):
        down, across = divmod(number, 2)
        x, y = left + across * (_SMALL + _GAP), top + down * (_SMALL + 32)
        page.paste(colour_flow(_fit_field(flow[:2], _SMALL), longest), x, y)
        page.outline((0, 0, _SMALL, _SMALL), x, y, "#d0d0d0")
        own = robust_maximum(lengths(flow), 0.0)
        page.write(f"{name.replace('>', '→')}\n{own:.2f} px", x, y + _SMALL + 1, size_px=10.5, colour=FAINT)


def _draw_arrows(page: Page, flow: NDArray[np.float32], longest: float, left: int, top: int) -> None:
    """Arrows on a grid, one step long at full colour; shorter than a fifth of that they are left out."""
    count = _TILE // _ARROW_STEP
    sparse = _fit_field(flow, count).reshape(2, -1).T / longest
    sparse /= np.maximum(1.0, np.hypot(*sparse.T))[:, None]
    steps = (np.arange(count) + 0.5) * _ARROW_STEP
    starts = np.stack(np.meshgrid(left + steps, top + steps), axis=-1).reshape(-1, 2).astype(np.float32)
    long = np.hypot(*sparse.T) > 0.2
    page.arrows(starts[long], sparse[long] * _ARROW_STEP, INK)


def _fit(picture: Picture, side: int) -> Picture:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=_method(picture.shape[0], side)), np.uint8)


def _fit_field(field: Field, side: int) -> NDArray[np.float32]:
    """Values `(C, H, W)` on a grid of another size; lengths stay in px of the old one."""
    planes = np.ascontiguousarray(field.transpose(1, 2, 0), dtype=np.float32)
    resized = cv2.resize(planes, (side, side), interpolation=_method(field.shape[1], side))
    return np.asarray(resized, np.float32).reshape(side, side, -1).transpose(2, 0, 1)


def _method(old: int, new: int) -> int:
    """Averaging where a picture shrinks; where it grows, pixels stay pixels, so that nothing looks finer than it is."""
    return cv2.INTER_AREA if new < old else cv2.INTER_NEAREST
