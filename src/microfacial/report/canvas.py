"""A page that pictures, words and lines are put on, in px from its upper left corner; the same bytes every time."""

import io
import re
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath
from numpy.typing import NDArray

from microfacial.records import Box

Picture = NDArray[np.uint8]
INK, FAINT, WARNING, PAPER = "#202020", "#6a6a6a", "#b3261e", 255
_DOTS_PER_INCH = 72  # a point is a px then
_FONT = "DejaVu Sans"  # comes with matplotlib
_BASELINE, LINE_SPACING = 1.0, 1.3  # in letter sizes


def wrap(text: str, width_px: float, *, size_px: float = 12, bold: bool = False, most_lines: int = 9) -> str:
    """Break text into lines no wider than `width_px`, after blanks and + / _ -; what is over `most_lines` becomes …."""
    pieces = re.findall(r"[^\s+/_-]*[\s+/_-]|[^\s+/_-]+", text)
    lines = [""]
    for piece in pieces:
        if lines[-1] and _measure(f"{lines[-1]}{piece}".rstrip(), size_px, bold) > width_px:
            lines.append("")
        lines[-1] += piece
    if len(lines) > most_lines:
        lines[most_lines - 1 :] = [lines[most_lines - 1].rsplit(maxsplit=1)[0] + " …"]
    return "\n".join(line.rstrip() for line in lines)


def _measure(text: str, size_px: float, bold: bool) -> float:
    """Width of a line in px."""
    font = FontProperties(family=_FONT, size=size_px, weight="bold" if bold else "normal")
    return float(TextToPath().get_text_width_height_descent(text, font, ismath=False)[0])


class Page:
    """Paper of a fixed size in px. Pictures are `(H, W, 3)` uint8, BGR; words and lines lie above all of them."""

    def __init__(self, width: int, height: int) -> None:
        self._paper = np.full((height, width, 3), PAPER, np.uint8)
        self._figure = Figure(figsize=(width / _DOTS_PER_INCH, height / _DOTS_PER_INCH), dpi=_DOTS_PER_INCH)
        self._axes = self._figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self._axes.set_axis_off()

    def paste(self, picture: Picture, left: int, top: int) -> None:
        """Put a picture on the paper, pixel by pixel."""
        height, width = picture.shape[:2]
        self._paper[top : top + height, left : left + width] = picture

    def write(
        self,
        text: str,
        left: float,
        top: float,
        *,
        size_px: float = 12,
        colour: str = INK,
        bold: bool = False,
        align: Literal["left", "center", "right"] = "left",
        ground: str = "none",
    ) -> None:
        """Write lines of text from `top` down, to the right of `left`, or centred on it, or up to it."""
        for number, line in enumerate(text.split("\n")):
            self._axes.text(
                left,
                top + (_BASELINE + number * LINE_SPACING) * size_px,  # not by the letters' own heights, which differ
                line,
                fontsize=size_px,
                color=colour,
                fontweight="bold" if bold else "normal",
                fontfamily=_FONT,
                horizontalalignment=align,
                verticalalignment="baseline",
                parse_math=False,  # a dollar in a note is a dollar
                bbox={"facecolor": ground, "edgecolor": "none", "pad": 1.0},
            )

    def outline(self, box: Box, left: int, top: int, colour: str, width_px: float = 1.0, opacity: float = 1.0) -> None:
        """Draw the edge of a box whose own origin lies at `left`, `top`."""
        first_row, first_column, last_row, last_column = box
        corner = (left + first_column + 0.5, top + first_row + 0.5)
        size = (last_column - first_column - 1, last_row - first_row - 1)
        self._axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=width_px, alpha=opacity))

    def arrows(self, starts: NDArray[np.float32], motions: NDArray[np.float32], colour: str) -> None:
        """Draw arrows from `starts`, `(n, 2)` as columns and rows, along `motions`, `(n, 2)` to the right and down."""
        self._axes.quiver(
            *starts.T,
            *motions.T,
            color=colour,
            angles="xy",
            scale_units="xy",
            scale=1,
            units="dots",
            width=1.1,
            headwidth=4.5,
            headlength=5,
            headaxislength=4.5,
            minlength=0,
        )

    def line(self, top: float, left: float, right: float) -> None:
        """Draw a thin level line."""
        self._axes.plot([left, right], [top + 0.5, top + 0.5], color="#d0d0d0", linewidth=1, antialiased=False)

    def pixels(self) -> Picture:
        """The page as one picture."""
        self._figure.figimage(self._paper[..., ::-1], zorder=-1)
        buffer = io.BytesIO()
        self._figure.savefig(buffer, format="rgba", dpi=_DOTS_PER_INCH)
        colours = np.frombuffer(buffer.getvalue(), np.uint8).reshape(*self._paper.shape[:2], 4)
        return np.ascontiguousarray(colours[..., 2::-1])
