import re
from xml.etree import ElementTree

import pytest
from matplotlib import rc_context

from fake_results import make_evaluation
from microfacial.report.figure_style import COLOURS
from microfacial.report.figures import draw_confusion
from microfacial.report.svg import as_svg

pytestmark = pytest.mark.figures


def make_svg(key: str = "k") -> str:
    return as_svg(draw_confusion(make_evaluation("m")), key, "A <title>", "A description.")


def test_all_colours_are_variables_of_the_page() -> None:
    assert not set(re.findall(r"#[0-9a-f]{6}", make_svg()))
    assert set(re.findall(r"var\(--(\w+)\)", make_svg())) <= set(COLOURS.values())


def test_text_stays_text_in_the_font_of_the_page() -> None:
    assert "happiness</text>" in make_svg()
    assert "font-family" not in make_svg()


def test_equal_figures_give_equal_text_under_any_matplotlibrc() -> None:
    first = make_svg()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "other", "svg.id": "other"}):
        assert make_svg() == first


def test_ids_of_two_figures_differ_and_references_follow() -> None:
    first, second = (set(re.findall(r' id="([^"]+)"', make_svg(key))) for key in ("k", "l"))
    assert not first & second
    assert set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", make_svg())) <= first


def test_the_svg_has_a_title_and_a_description_and_no_fixed_width() -> None:
    root = ElementTree.fromstring(make_svg())
    assert root.get("role") == "img"
    texts = {element.get("id"): element.text for element in root if element.tag in ("title", "desc")}
    assert [texts[key] for key in str(root.get("aria-labelledby")).split()] == ["A <title>", "A description."]
    assert root.get("viewBox")
    assert not root.get("width")
