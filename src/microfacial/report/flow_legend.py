"""The legend of the flow sheet: the colour wheel, the scale of strain, and explanations in words."""

from collections.abc import Iterator

import numpy as np

from microfacial.records import FlowUnit
from microfacial.report.canvas import Canvas
from microfacial.report.flow_colours import MIN_FULL_COLOUR, ROBUST_PERCENT, colour_strain, colour_wheel

FAULTS = (
    "a box that misses its region\n"
    "one tint over the whole face: head motion that was not removed\n"
    "both lids yellow or violet, strong in one phase: a blink\n"
    "confetti of all colours: noise"
)
"""Faults that a reader of the sheet should look for, one per line."""

_WHEEL_PX = 108
_BAR_WIDTH, _BAR_HEIGHT = 202, 12  # px
_UNITS = {"px": ("px", "px/px"), "stretched": ("levels", "levels")}  # of flow, of strain


def draw_wheel(canvas: Canvas, centre: int, top: int) -> None:
    """Draw the colour wheel with arrows and the names of the directions.

    Args:
        canvas: Page to draw on.
        centre: Column of the wheel's centre.
        top: Upper edge of the wheel; the word "up" stands above it.
    """
    left, middle = centre - _WHEEL_PX // 2, top + _WHEEL_PX // 2
    canvas.paste(colour_wheel(_WHEEL_PX), left, top)
    directions = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], np.float32) * _WHEEL_PX * 0.42
    canvas.draw_arrows(np.tile(np.array((centre, middle), np.float32), (4, 1)), directions)
    canvas.write("right, +u", left + _WHEEL_PX + 5, middle - 8)
    canvas.write("left", left - 5, middle - 8, align="right")
    canvas.write("up", centre, top - 18, align="center")
    canvas.write("down, +v", centre, top + _WHEEL_PX + 1, align="center")


def draw_strain_bar(canvas: Canvas, left: int, top: int) -> None:
    """Draw the colours of strain from zero to full.

    Args:
        canvas: Page to draw on.
        left: Left edge of the bar.
        top: Upper edge of the word above the bar.
    """
    canvas.write("strain", left, top)
    canvas.paste(colour_strain(np.tile(np.linspace(0, 1, _BAR_WIDTH), (_BAR_HEIGHT, 1)), 1.0), left, top + 18)
    canvas.write("0", left, top + 19 + _BAR_HEIGHT)
    canvas.write("full", left + _BAR_WIDTH, top + 19 + _BAR_HEIGHT, align="right")


def explain_flow(unit: FlowUnit, head_motion: str) -> Iterator[str]:
    """Yield the lines that explain the pictures of flow and strain.

    Args:
        unit: Unit of the flow.
        head_motion: Setting `flow.head_motion`.
    """
    flow_unit, strain_unit = _UNITS[unit]
    least, least_strain = MIN_FULL_COLOUR[unit]
    yield "Flow: hue shows the direction in the picture, saturation the length. White skin does not move."
    yield (
        f"“Full” is the length (or strain) of full colour: {ROBUST_PERCENT:g} % of the picture have less. It is at "
        f"least {least:g} {flow_unit} ({least_strain:g} {strain_unit})."
    )
    if unit == "stretched":
        yield "Published maps may contain head motion. The medians of u and v are shifted to zero."
        return
    if head_motion == "off":
        yield "The flow contains the motion of the head (flow.head_motion: off)."
    else:
        yield f"The motion of the head is removed (flow.head_motion: {head_motion})."
    yield "“Drift” is the median motion. Phases use the scale of onset→apex; the number below each is its own “full”."
