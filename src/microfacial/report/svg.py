"""A figure as SVG for the page: its colours follow the page's scheme, and words say what it shows."""

import io
import re
from xml.etree import ElementTree

from matplotlib.figure import Figure

from microfacial.report.figures import COLOURS, FONT, styled

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_LONG = re.compile(r"\d+\.\d{3,}")


def as_svg(figure: Figure, key: str, title: str, description: str) -> str:
    """Inline SVG that is as wide as its place allows; equal figures are equal text.

    Args:
        key: begins every id in it, so that ids stay unique on a page of many figures.
        title: what the figure is called.
        description: what it shows, for those who cannot see it.
    """
    root = _parse(figure)
    for element in root.iter():
        _adapt(element, key)
    for name, text in (("desc", description), ("title", title)):
        words = ElementTree.Element(f"{{{_SVG}}}{name}", id=f"{key}-{name}")
        words.text = text
        root.insert(0, words)
    width = float(root.attrib.pop("width").removesuffix("pt"))
    root.attrib.pop("height")
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-desc",
        "class": "plot",
        "style": f"--width: {width * 4 / 3:.0f}px",  # 72 points and 96 px are an inch
    }
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode").replace(f' xmlns="{_SVG}"', "")


@styled  # for some settings are read when a figure is written, not when it is drawn
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
    """Make ids unique, colours variables, numbers short, and leave the letters' face to the page."""
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
            element.set(name, _LONG.sub(lambda match: f"{float(match[0]):.2f}", " ".join(numbers.split())))
    if look := element.get("style"):
        look = look.replace(f"font-family: '{FONT}'; ", "")
        for colour, variable in COLOURS.items():
            look = look.replace(colour, f"var(--{variable})")
        element.set("style", look)
