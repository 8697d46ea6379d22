"""Style of all figures: colours, letters, and helpers for axes and tables.

The style replaces the user's matplotlibrc, so equal figures always have equal bytes. The colours are unique strings:
`svg.as_svg` replaces each of `COLOURS` with a variable of the page's style sheet, so one drawing serves light and dark
pages.
"""

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from microfacial.records import FloatArray

INK, FAINT, RULE, PAPER = "#1b2430", "#5a6675", "#d4dae2", "#fffffe"  # text, secondary text, lines, background
FIRST, SECOND, CELL = "#1f66b5", "#b4530a", "#3b82d1"  # two data series, and the tint of table cells
COLOURS: Mapping[str, str] = MappingProxyType(
    {INK: "ink", FAINT: "faint", RULE: "rule", PAPER: "paper", FIRST: "first", SECOND: "second", CELL: "cell"}
)
"""Colour of a figure → name of the variable in page.css."""

FONT = "DejaVu Sans"  # matplotlib installs it
_STYLE: list[Any] = [
    "default",
    {
        "font.family": FONT,
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": FAINT,
        "axes.titlecolor": INK,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.facecolor": "none",
        "figure.facecolor": PAPER,
        "grid.color": RULE,
        "legend.frameon": False,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "text.parse_math": False,  # a dollar sign in a name is an ordinary character
        "svg.fonttype": "none",  # text in SVG stays text
        "svg.hashsalt": "microfacial",  # ids in SVG are the same every time
    },
]
_DEEPEST_TINT = 0.72  # opacity of the deepest cell; text on it stays readable
use_figure_style = style.context(_STYLE)
"""Decorator: run a function with this style instead of the user's matplotlibrc."""


def start_figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """Return a new figure with one empty axes.

    Args:
        width: Width in inches.
        height: Height in inches.
        title: Title of the axes; may be empty.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot(title=title)


def draw_cells(
    axes: Axes,
    depth: FloatArray,
    words: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    text_px: float = 9,
) -> None:
    """Draw a table whose cells are tinted by value.

    Args:
        axes: Axes that the table fills.
        depth: Strength of the tint of each cell, `(rows, columns)`, 0 to 1.
        words: Text of each cell, `(rows, columns)`.
        rows: Names of the rows.
        columns: Names of the columns; more than three are written at a slant.
        text_px: Size of the letters in points.
    """
    for (row, column), share in np.ndenumerate(depth):
        corner = (column - 0.48, row - 0.48)
        axes.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=CELL, alpha=_DEEPEST_TINT * share, linewidth=0))
        axes.text(column, row, words[row][column], ha="center", va="center", fontsize=text_px)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    slant: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if len(columns) > 3 else {}
    axes.set_xticks(range(len(columns)), columns, **slant)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)


def label_rows(axes: Axes, labels: Sequence[Sequence[str]], text_px: float = 8.5) -> None:
    """Write several lines to the left of each row, instead of the labels of the axis.

    Each line is a text of its own: the lines of one text would not be aligned in the font of a browser.

    Args:
        axes: Axes with rows at 0, 1, ….
        labels: Lines of each row.
        text_px: Size of the letters in points.
    """
    for row, lines in enumerate(labels):
        for number, line in enumerate(lines):
            place = row + 0.27 * (number - (len(lines) - 1) / 2)
            transform = axes.get_yaxis_transform()
            axes.text(-0.03, place, line, transform=transform, ha="right", va="center", color=INK, fontsize=text_px)
    axes.set_yticks([])


@use_figure_style
def as_png(figure: Figure) -> bytes:
    """Return the figure as PNG, without date or version: equal figures give equal bytes.

    Args:
        figure: Figure in this style.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
