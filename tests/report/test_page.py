import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from fake_results import make_comparison, make_content, make_hybrid, make_predictions, make_result
from microfacial.datasets.drawn_motion.fields import draw_bumps
from microfacial.datasets.drawn_motion.random_numbers import RandomNumbers
from microfacial.datasets.drawn_motion.skin import UNITS
from microfacial.datasets.drawn_motion.variation import Variation
from microfacial.models.unit_description import describe_units
from microfacial.records import ORACLE, SYNTHETIC
from microfacial.report.page import render_page
from microfacial.report.results import ModelResult, rank_results
from microfacial.report.tables import AblationTables

PART = {"repeats": "1", "uf1_sd": "0.0", "uar": "0.5", "uar_sd": "0.0", "note": ""}
FULL = {**PART, "hybrid": "full", "uf1": "0.123456", "uf1_difference": ""}
FULL |= {"uf1_difference_low": "", "uf1_difference_high": ""}
BARE = {**PART, "hybrid": "without graph", "uf1": "0.1", "uf1_difference": "-0.023456"}
BARE |= {"uf1_difference_low": "-0.04", "uf1_difference_high": "-0.01"}
SHIFT = {**BARE, "shift_frames": "-8", "moved_clips": "1", "clips": "2"}


def render(*results: ModelResult) -> str:
    return " ".join(render_page(make_content(*results)).split())


class TagChecker(HTMLParser):
    """Collects ids, and every tag that is closed in the wrong order."""

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


def test_the_page_has_the_digest_of_the_data_and_the_scores_of_each_class() -> None:
    html = render(make_result("m"))
    assert "<code>0123456789abcdef</code>" in html
    row = html.partition('id="classes"')[2].partition("<tbody>")[2].partition("</tr>")[0]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
    assert cells == ["0.667", "0.500", "–", "–"]  # one of two clips of happiness is right; disgust has no clip


def test_only_demo_scores_are_marked_synthetic() -> None:
    assert SYNTHETIC in render(make_result("m", note=SYNTHETIC))
    assert SYNTHETIC not in render(make_result("m"))


def test_the_page_loads_nothing_and_escapes_names() -> None:
    html = render(make_result("<b>"), make_hybrid())
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?+(?!data:|#)""", html)
    assert "http" not in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


@pytest.mark.figures
def test_equal_results_give_equal_pages() -> None:
    assert render(make_hybrid(), make_result("m")) == render(make_hybrid(), make_result("m"))


@pytest.mark.figures
def test_tags_are_closed_in_order_and_ids_are_unique() -> None:
    compared = replace(make_result("m"), against_best=make_comparison("m", 0.1, 0.05, 0.2), oracle=0.9)
    content = make_content(compared, make_hybrid(), make_result("linear_svm"))
    checker = TagChecker()
    checker.feed(render_page(replace(content, ablation=AblationTables(parts=[FULL, BARE], shifts=[SHIFT]))))
    assert (checker.open, checker.wrong) == ([], [])
    assert len(checker.ids) == len(set(checker.ids))


def test_all_images_and_figures_have_alternative_texts() -> None:
    html = render(make_result("m"), make_hybrid())
    images = re.findall(r"<img [^>]*>", html)
    assert images
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)
    figures = re.findall(r"<svg [^>]*>", html)
    assert len(figures) == 2 * 2 + 1 + 2 * 2  # confusion, calibration; curves; two forms of importances and attention
    assert all('role="img"' in figure and "aria-labelledby" in figure for figure in figures)


def test_the_hardest_clip_is_shown_with_its_flow_and_the_answers_of_the_models() -> None:
    html = render(make_result("a"), replace(make_result("b"), predictions=make_predictions("b", [1, 1])))
    assert "2 of 2 models are wrong: disgust 2" in html
    assert 'alt="Flow of c/s/1 from onset to apex, full colour at 2.00 px."' in html
    assert "Flow of c/s/2" not in html  # the page shows one clip
    assert '<i title="eyes" style="left:0.0%;top:25.0%;width:100.0%;height:25.0%">' in html


def test_a_hard_clip_is_shown_with_the_units_that_the_prior_recognises() -> None:
    strengths = torch.zeros(1, 1, len(UNITS), 3)
    strengths[0, 0, UNITS.index(12), 1] = 1.0  # on the person's left only
    still = Variation(centre=0, radius=0, direction_rad=0, place=0, scale=0)
    drawn = draw_bumps(strengths, 28, still, RandomNumbers(torch.Generator().manual_seed(0))).numpy()
    content = make_content(make_result("a"), replace(make_result("b"), predictions=make_predictions("b", [1, 1])))
    flow = np.concatenate([drawn, np.zeros((1, 1, 1, 28, 28))], axis=2).astype(np.float16)  # strain is not used
    maps = replace(content.store, unit="stretched", flow=np.repeat(flow, 2, axis=0))
    html = render_page(replace(content, store=maps))
    (probability,) = [unit.probability for unit in describe_units(flow[:, 0].astype(np.float32))[0] if unit.unit == 12]
    assert re.search(rf"Motion prior: action units [^<]*12 left \({probability:.2f}\)", html)


def test_attention_stands_next_to_the_annotated_muscles() -> None:
    html = render(make_result("m"), make_hybrid())
    assert "2 clips have annotated action units" in html
    assert html.count(">50 / 100<") == 4  # equal attention; both clips show 6+12, which moves eyes and mouth
    assert 'id="co-occurrence"' not in render(make_result("m"))


def test_the_page_does_not_contain_the_crop_of_a_face() -> None:
    content = make_content(make_result("m"))
    html = render_page(content)
    faces = np.random.default_rng(0).integers(0, 256, content.store.crops.shape, dtype=np.uint8)
    assert render_page(replace(content, store=replace(content.store, crops=faces))) == html


def test_every_model_shows_its_difference_from_the_best_simple_model() -> None:
    compared = replace(make_result("m"), against_best=make_comparison("m", -0.123456, -0.2, 0.04))
    html = render(compared, make_result("linear_svm"))
    assert "<td>−0.123</td><td>−0.200 to +0.040</td>" in html
    assert ">0.727</td>" in html
    assert "linear_svm is the only simple model that was trained" in html
    assert "the best of linear_svm, majority." in render(
        compared, make_result("linear_svm", 0.2), make_result("majority", 0.1)
    )
    assert "McNemar" not in render(make_result("m"))


def test_means_over_folds_are_marked_as_not_comparable() -> None:
    assert "not comparable with pooled scores" in render(make_result("m"))


def test_deviations_over_repetitions_are_shown_and_one_repetition_is_mentioned() -> None:
    several, single = render(make_result("m", repeats=3)), render(make_result("m"))
    assert "0.123 ± 0.012" in several
    assert "over 3 repetitions" in several
    assert "±" not in single
    assert "the effect of the random seed is unknown" in single


def test_models_that_were_fitted_once_are_named_and_have_no_deviation() -> None:
    html = render(make_result("linear_svm", 0.2), make_result("m", repeats=3))
    assert "<td>0.200</td>" in html
    assert "0.123 ± 0.012" in html
    assert "(linear_svm) were fitted once" in html
    assert "those of linear_svm come from one fit" in html


def test_the_oracle_has_its_own_marked_table_and_does_not_change_the_ranking() -> None:
    results = [replace(make_result("a", 0.2), oracle=0.9), make_result("b", 0.3)]
    html = render(*results)
    assert html.count(ORACLE) == 1
    assert '<td>+0.700</td><td class="oracle" data-value="0.9">UF1 0.900</td>' in html
    assert html.index(ORACLE) > html.index("</table>")  # after the leaderboard
    assert [result.model for result in rank_results(results)] == ["b", "a"]
    assert ORACLE not in render(make_result("a"))


def test_settings_of_unused_methods_are_not_shown() -> None:
    html = render(make_result("m"))
    assert "<dt>dis.a</dt><dd>1</dd>" in html
    assert "tvl1.b" not in html
    assert "<dt>epochs</dt><dd>3</dd>" in html
    assert "<dt>torch</dt><dd>2.13.0</dd>" in html


def test_an_ablation_is_shown_and_marked_if_it_belongs_to_another_state() -> None:
    content = make_content(make_hybrid())
    html = render_page(replace(content, ablation=AblationTables(parts=[FULL, BARE], shifts=[SHIFT])))
    assert '<th scope="row">without graph</th><td>0.100</td>' in html
    assert "<td class=told>−0.023</td><td class=told>−0.040 to −0.010</td>" in html
    assert '<th scope="row">-8</th>' in html
    assert "1 of 2" in html
    assert "Do not compare" not in html
    outdated = AblationTables(parts=[{**FULL, "uf1": "0.2"}, BARE], shifts=[])
    assert "Do not compare" in render_page(replace(content, ablation=outdated))
    assert "This page shows no ablation" in render_page(content)


def test_an_ablation_is_shown_without_the_hybrid_and_nothing_is_said_about_its_settings() -> None:
    content = make_content(make_result("m"))
    html = render_page(replace(content, ablation=AblationTables(parts=[FULL, BARE], shifts=[SHIFT])))
    assert "without graph" in html
    assert 'href="#ablation"' in html
    assert "not among the models" in html
    assert "belongs to other settings" not in html
    assert 'id="ablation"' not in render_page(content)


def test_sections_without_content_are_left_out() -> None:
    html = render(replace(make_result("majority"), predictions=make_predictions("majority", [0, 0])))
    for section in ("differences", "curves", "weights", "ablation", "hardest"):
        assert f'id="{section}"' not in html
        assert f'href="#{section}"' not in html


@pytest.mark.parametrize("words", ["does not prove a lie", "No model was trained on clips of the person"])
def test_the_page_states_its_method_and_its_limits(words: str) -> None:
    assert words in render(make_result("m"))


def test_links_lead_to_existing_sections() -> None:
    html = render(make_hybrid(), replace(make_result("m"), against_best=make_comparison("m", 0.1, 0.0, 0.2)))
    assert set(re.findall(r'<a [^>]*href="#([^"]+)"', html)) <= set(re.findall(r' id="([^"]+)"', html))
