"""The canvas of all contact sheets: images, text and lines at places in px. Equal drawings give equal bytes.

Coordinates count from the upper left corner. Figures with axes are drawn with matplotlib alone (see `figures`).
"""

import io
import re
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath
from numpy.typing import NDArray

from microfacial.records import Box, Image
from microfacial.report.figure_style import FONT, INK, RULE

WARNING = "#b3261e"  # text that must not be overlooked
_WHITE = 255
_DOTS_PER_INCH = 72  # so that a point of text is a px
_BASELINE, _LINE_SPACING = 1.0, 1.3  # in letter sizes


def wrap(text: str, width_px: float, *, size_px: float = 12, bold: bool = False, max_lines: int = 9) -> str:
    """Break text into lines, after spaces and the characters + / _ -.

    Args:
        text: Text in one line.
        width_px: Widest line. A longer piece without a place to break stays whole.
        size_px: Size of the letters.
        bold: Whether the letters are bold.
        max_lines: Most lines. If the text needs more, the last line ends with "…".
    """
    lines = [""]
    for piece in re.findall(r"[^\s+/_-]*[\s+/_-]|[^\s+/_-]+", text):
        if lines[-1] and _measure(f"{lines[-1]}{piece}".rstrip(), size_px, bold) > width_px:
            lines.append("")
        lines[-1] += piece
    if len(lines) > max_lines:
        lines[max_lines - 1 :] = [lines[max_lines - 1].rsplit(maxsplit=1)[0] + " …"]
    return "\n".join(line.rstrip() for line in lines)


def _measure(text: str, size_px: float, bold: bool) -> float:
    """Return the width of one line in px."""
    font = FontProperties(family=FONT, size=size_px, weight="bold" if bold else "normal")
    return float(TextToPath().get_text_width_height_descent(text, font, ismath=False)[0])


class Canvas:
    """A white page of fixed size. Text and lines lie above all images.

    Args:
        width: Width in px.
        height: Height in px.
    """

    def __init__(self, width: int, height: int) -> None:
        self._pixels = np.full((height, width, 3), _WHITE, np.uint8)
        self._figure = Figure(figsize=(width / _DOTS_PER_INCH, height / _DOTS_PER_INCH), dpi=_DOTS_PER_INCH)
        self._axes = self._figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self._axes.set_axis_off()

    def paste(self, image: Image, left: int, top: int) -> None:
        """Put an image on the page, pixel by pixel.

        Args:
            image: Image `(H, W, 3)` uint8, BGR.
            left: Left edge of the image.
            top: Upper edge of the image.
        """
        height, width = image.shape[:2]
        self._pixels[top : top + height, left : left + width] = image

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
        background: str = "none",
    ) -> None:
        """Write lines of text.

        Args:
            text: Text of one or several lines.
            left: Left end, centre or right end of each line, as `align` says.
            top: Upper edge of the first line.
            size_px: Size of the letters.
            colour: Colour of the letters.
            bold: Whether the letters are bold.
            align: Meaning of `left`.
            background: Colour behind the letters; "none" for no colour.
        """
        for number, line in enumerate(text.split("\n")):
            self._axes.text(
                left,
                top + (_BASELINE + number * _LINE_SPACING) * size_px,  # equal steps for all letters
                line,
                fontsize=size_px,
                color=colour,
                fontweight="bold" if bold else "normal",
                fontfamily=FONT,
                horizontalalignment=align,
                verticalalignment="baseline",
                parse_math=False,  # a dollar sign in a note is an ordinary character
                bbox={"facecolor": background, "edgecolor": "none", "pad": 1.0},
            )

    def outline(self, box: Box, left: int, top: int, colour: str, width_px: float = 1.0, opacity: float = 1.0) -> None:
        """Draw the edge of a box.

        Args:
            box: Top, left, bottom and right relative to the image that it lies on; bottom and right are exclusive.
            left: Left edge of the image.
            top: Upper edge of the image.
            colour: Colour of the line.
            width_px: Width of the line.
            opacity: Opacity of the line, 0 to 1.
        """
        first_row, first_column, last_row, last_column = box
        corner = (left + first_column + 0.5, top + first_row + 0.5)
        size = (last_column - first_column - 1, last_row - first_row - 1)
        self._axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=width_px, alpha=opacity))

    def draw_arrows(self, starts: NDArray[np.float32], motions: NDArray[np.float32], colour: str = INK) -> None:
        """Draw arrows.

        Args:
            starts: Where arrows start, `(n, 2)`: column and row.
            motions: Where they lead from there, `(n, 2)`: px to the right and px down.
            colour: Colour of the arrows.
        """
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

    def draw_rule(self, top: float, left: float, right: float) -> None:
        """Draw a thin horizontal line.

        Args:
            top: Row of the line.
            left: Left end.
            right: Right end.
        """
        self._axes.plot([left, right], [top + 0.5, top + 0.5], color=RULE, linewidth=1, antialiased=False)

    def to_image(self) -> Image:
        """Return the page as an image `(height, width, 3)` uint8, BGR."""
        self._figure.figimage(self._pixels[..., ::-1], zorder=-1)
        buffer = io.BytesIO()
        self._figure.savefig(buffer, format="rgba", dpi=_DOTS_PER_INCH)
        colours = np.frombuffer(buffer.getvalue(), np.uint8).reshape(*self._pixels.shape[:2], 4)
        return np.ascontiguousarray(colours[..., 2::-1])
