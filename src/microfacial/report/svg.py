"""Figures as SVG for the report: colours follow the page's scheme, and text describes the figure."""

import io
import re
from xml.etree import ElementTree

from matplotlib.figure import Figure

from microfacial.report.figure_style import COLOURS, FONT, use_figure_style

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_LONG_NUMBER = re.compile(r"\d+\.\d{3,}")


def as_svg(figure: Figure, key: str, title: str, description: str) -> str:
    """Return inline SVG that fills the width of its place on the page. Equal figures give equal text.

    Args:
        figure: Figure in the style of `figure_style`.
        key: Prefix of every id, so that ids stay unique on a page with many figures.
        title: Short name of the figure, for screen readers.
        description: Content of the figure in words, for screen readers.
    """
    root = _parse(figure)
    for element in root.iter():
        _adapt(element, key)
    for name, text in (("desc", description), ("title", title)):
        child = ElementTree.Element(f"{{{_SVG}}}{name}", id=f"{key}-{name}")
        child.text = text
        root.insert(0, child)
    width = float(root.attrib.pop("width").removesuffix("pt"))
    root.attrib.pop("height")
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-desc",
        "class": "plot",
        "style": f"--width: {width * 4 / 3:.0f}px",  # an inch is 72 points or 96 px
    }
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode").replace(f' xmlns="{_SVG}"', "")


@use_figure_style  # matplotlib reads some settings when it writes a figure, not when it draws one
def _parse(figure: Figure) -> ElementTree.Element:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{_SVG}}}style" or child.tag.endswith("metadata"):
                parent.remove(child)
    return root


def _adapt(element: ElementTree.Element, key: str) -> None:
    """Make ids unique, replace colours with variables, shorten numbers, and remove the font."""
    if not (element.text or "").strip():
        element.text = None
    element.tail = None
    if name := element.attrib.pop("id", None):
        element.set("id", f"{key}-{name}")
    if target := element.attrib.pop(f"{{{_XLINK}}}href", None):
        element.set("href", f"#{key}-{target.removeprefix('#')}")
    if clip := element.get("clip-path"):
        element.set("clip-path", clip.replace("url(#", f"url(#{key}-"))
    for name in ("d", "x", "y", "transform"):
        if numbers := element.get(name):
            element.set(name, _LONG_NUMBER.sub(lambda match: f"{float(match[0]):.2f}", " ".join(numbers.split())))
    if css := element.get("style"):
        css = css.replace(f"font-family: '{FONT}'; ", "")
        for colour, variable in COLOURS.items():
            css = css.replace(colour, f"var(--{variable})")
        element.set("style", css)
