import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fake_results import make_comparison, make_content, make_evaluation, make_hybrid, make_predictions, make_result
from microfacial.records import ORACLE, SYNTHETIC
from microfacial.report.figures import draw_confusion
from microfacial.report.page import render
from microfacial.report.results import Result, rank, summarise
from microfacial.report.tables import AblationTables

PART = {"repeats": "1", "uf1_sd": "0.0", "uar": "0.5", "uar_sd": "0.0", "note": ""}
FULL = {**PART, "hybrid": "full", "uf1": "0.123456", "uf1_difference": ""}
FULL |= {"uf1_difference_low": "", "uf1_difference_high": ""}
BARE = {**PART, "hybrid": "without graph", "uf1": "0.1", "uf1_difference": "-0.023456"}
BARE |= {"uf1_difference_low": "-0.04", "uf1_difference_high": "-0.01"}
SHIFT = {**BARE, "shift_frames": "-8", "moved_clips": "1", "clips": "2"}


def page(*results: Result) -> str:
    return " ".join(render(make_content(*results)).split())


class Balance(HTMLParser):
    """Collects ids, and every tag that is closed out of turn."""

    void = frozenset({"meta", "link", "img", "input", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attributes if name == "id"]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attributes if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_demo_scores_are_marked_synthetic_and_others_are_not() -> None:
    assert SYNTHETIC in page(make_result("m", note=SYNTHETIC))
    assert SYNTHETIC not in page(make_result("m"))
    assert summarise([make_result("m", note=SYNTHETIC)])["note"] == SYNTHETIC
    assert SYNTHETIC in [text.get_text() for text in draw_confusion(make_evaluation("m", note=SYNTHETIC)).axes[0].texts]


def test_the_page_needs_nothing_from_elsewhere_and_escapes_names() -> None:
    html = page(make_result("<b>"), make_hybrid())
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?+(?!data:|#)""", html)
    assert "http" not in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_equal_results_are_equal_pages() -> None:
    assert page(make_hybrid(), make_result("m")) == page(make_hybrid(), make_result("m"))


def test_tags_close_in_turn_and_no_id_comes_twice() -> None:
    compared = replace(make_result("m"), against_best=make_comparison("m", 0.1, 0.05, 0.2), oracle=0.9)
    content = make_content(compared, make_hybrid(), make_result("linear_svm"))
    found = Balance()
    found.feed(render(replace(content, ablation=AblationTables(parts=[FULL, BARE], shifts=[SHIFT]))))
    assert (found.open, found.wrong) == ([], [])
    assert len(found.ids) == len(set(found.ids))


def test_pictures_say_what_they_show() -> None:
    html = page(make_result("m"), make_hybrid())
    assert "Confusion matrix of m</title>" in html
    assert "Truth down, prediction across, in the order happiness, disgust: happiness 3, 1; disgust 2, 4." in html
    assert "graph, onset→apex: eyes 40.0 %, mouth 10.0 %" in html
    assert "eyes took 50 % from eyes, 50 % from mouth" in html
    pictures = re.findall(r"<img [^>]*>", html)
    assert pictures
    assert all(re.search(r'alt="[^"]{20,}"', picture) for picture in pictures)
    drawn = re.findall(r"<svg [^>]*>", html)
    assert all('role="img"' in picture and "aria-labelledby" in picture for picture in drawn)


def test_the_hardest_clip_is_shown_with_its_flow_and_what_models_took_it_for() -> None:
    html = page(make_result("a"), replace(make_result("b"), predictions=make_predictions("b", [1, 1])))
    assert "2 of 2 models wrong: disgust 2" in html
    assert 'alt="Flow of c/s/1 from onset to apex, full colour at 2.00 px."' in html
    assert "Flow of c/s/2" not in html  # one clip was asked for
    assert '<i title="eyes" style="left:0.0%;top:25.0%;width:100.0%;height:25.0%">' in html


def test_no_crop_of_a_face_is_in_the_page() -> None:
    content = make_content(make_result("m"))
    shown = render(content)
    faces = np.random.default_rng(0).integers(0, 256, content.store.crops.shape, dtype=np.uint8)
    assert render(replace(content, store=replace(content.store, crops=faces))) == shown


def test_every_model_shows_its_difference_to_the_best_simple_model() -> None:
    compared = replace(make_result("m"), against_best=make_comparison("m", -0.123456, -0.2, 0.04))
    html = page(compared, make_result("linear_svm"))
    assert "<td>−0.123</td><td>−0.200 to +0.040</td>" in html
    assert ">0.727</td>" in html
    assert "linear_svm is the only simple model that was trained" in html
    assert "the best of linear_svm, majority, picked by the very scores" in page(
        compared, make_result("linear_svm", 0.2), make_result("majority", 0.1)
    )
    assert "McNemar" not in page(make_result("m"))


def test_means_over_folds_stand_under_their_name() -> None:
    assert "not comparable with pooled scores" in page(make_result("m"))


def test_deviations_are_shown_over_repetitions_and_their_absence_is_said() -> None:
    several, one = page(make_result("m", repeats=3)), page(make_result("m"))
    assert "0.123 ± 0.012" in several
    assert "over 3 repetitions" in several
    assert "±" not in one
    assert "how much another seed would change is not" in one


def test_an_oracle_has_a_table_of_its_own_that_says_what_it_is_and_ranks_nothing() -> None:
    results = [replace(make_result("a", 0.2), oracle=0.9), make_result("b", 0.3)]
    html = page(*results)
    assert html.count(ORACLE) == 1
    assert '<td>+0.700</td><td class="oracle" data-value="0.9">UF1 0.900</td>' in html
    assert html.index(ORACLE) > html.index("</table>")  # in a table of its own, after the leaderboard
    assert [one.model for one in rank(results)] == ["b", "a"]
    assert "0.9" not in str(summarise(results))
    assert ORACLE not in page(make_result("a"))


def test_weights_that_prefer_nothing_are_said_to_explain_little() -> None:
    assert "The farthest from an equal share is eyes, with 1.60 times as much" in page(make_hybrid())
    counted = make_hybrid().importances
    assert counted
    even = replace(counted, graph_regions=np.full((2, 2), 0.5))
    assert "It hardly prefers any region" in page(replace(make_hybrid(), importances=even))


def test_without_a_graph_no_attention_is_drawn() -> None:
    counted = make_hybrid().importances
    assert counted
    bare = replace(counted, attention=np.zeros((2, 2, 2)))
    assert 'id="attention-title"' in page(make_hybrid())
    assert 'id="attention-title"' not in page(replace(make_hybrid(), importances=bare))


def test_settings_are_shown_without_those_of_methods_that_were_not_used() -> None:
    html = page(make_result("m"))
    assert "<dt>dis.a</dt><dd>1</dd>" in html
    assert "tvl1.b" not in html
    assert "<dt>epochs</dt><dd>3</dd>" in html
    assert "<dt>torch</dt><dd>2.13.0</dd>" in html


def test_an_ablation_is_shown_and_one_of_another_state_is_marked() -> None:
    content = make_content(make_hybrid())
    shown = AblationTables(parts=[FULL, BARE], shifts=[SHIFT])
    html = render(replace(content, ablation=shown))
    assert '<th scope="row">without graph</th><td>0.100</td>' in html
    assert "<td class=told>−0.023</td><td class=told>−0.040 to −0.010</td>" in html
    assert '<th scope="row">-8</th>' in html
    assert "1 of 2" in html
    assert "do not compare" not in html
    for other in ({"uf1": "0.2"}, {"repeats": "5"}):
        moved = AblationTables(parts=[{**FULL, **other}, BARE], shifts=[])
        assert "do not compare" in render(replace(content, ablation=moved))
    assert "Not measured for this page" in render(content)


def test_without_clips_to_show_and_networks_to_compare_the_page_is_whole() -> None:
    html = page(replace(make_result("majority"), predictions=make_predictions("majority", [0, 0])))
    for absent in ("differences", "curves", "looks", "ablation", "hardest"):
        assert f'id="{absent}"' not in html
        assert f'href="#{absent}"' not in html


@pytest.mark.parametrize("word", ["lie", "never saw that person"])
def test_the_page_says_what_it_means_and_does_not_mean(word: str) -> None:
    assert word in page(make_result("m"))


def test_links_lead_to_sections_that_are_there(tmp_path: Path) -> None:
    html = page(make_hybrid(), replace(make_result("m"), against_best=make_comparison("m", 0.1, 0.0, 0.2)))
    assert set(re.findall(r'<a [^>]*href="#([^"]+)"', html)) <= set(re.findall(r' id="([^"]+)"', html))
