import re
from xml.etree import ElementTree

from matplotlib import rc_context

from fake_results import make_evaluation
from microfacial.report.figures import COLOURS, draw_confusion
from microfacial.report.svg import as_svg


def svg(key: str = "k") -> str:
    return as_svg(draw_confusion(make_evaluation("m")), key, "A <title>", "What it shows.")


def test_colours_are_those_of_the_page() -> None:
    assert not set(re.findall(r"#[0-9a-f]{6}", svg()))
    assert set(re.findall(r"var\(--(\w+)\)", svg())) <= set(COLOURS.values())


def test_text_stays_text_in_the_page_s_letters() -> None:
    assert "happiness</text>" in svg()
    assert "font-family" not in svg()


def test_equal_figures_are_equal_text_whatever_the_user_has_set() -> None:
    first = svg()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "other", "svg.id": "other"}):
        assert svg() == first


def test_ids_of_two_figures_differ_and_references_follow() -> None:
    one, other = (set(re.findall(r' id="([^"]+)"', svg(key))) for key in ("k", "l"))
    assert not one & other
    assert set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg())) <= one


def test_it_has_a_name_and_a_description_and_fits_its_place() -> None:
    root = ElementTree.fromstring(svg())
    assert root.get("role") == "img"
    named = {element.get("id"): element.text for element in root if element.tag in ("title", "desc")}
    assert [named[key] for key in str(root.get("aria-labelledby")).split()] == ["A <title>", "What it shows."]
    assert root.get("viewBox")
    assert not root.get("width")
