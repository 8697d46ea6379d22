"""The report in Chromium, in wide and narrow windows and in both colour schemes."""

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from fakes import ROOT
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import report, train
from microfacial.report.tables import digest_ablation
from shared_folders import build_once

pytestmark = pytest.mark.slow
Scheme = Literal["light", "dark"]
OpenPage = Callable[..., Page]
A4_PX = 718  # width of an A4 page without its margins of 1 cm
WIDTHS, SCHEMES = (1280, 360), ("light", "dark")
PARAMS = """
clips: {name: tiny, root: data, corpora: [demo], scheme: casme2-4}
faces: {method: landmarks, regions: mission, size_px: 56}
flow: {method: variational, head_motion: similarity-twice, variational: {levels: 2}}
train: {protocol: loso, seed: 0, repeats: 2, validation_folds: 3, bootstrap_draws: 100, oracle: true}
models:
  majority: {}
  linear_svm: {input_px: 14, c_values: [0.001, 0.01], inner_folds: 2}
  flow_cnn: {epochs: 4}
  hybrid: {epochs: 4, early_stopping: true}
report: {hardest_clips: 4, ablation: DIGEST}
"""
TABLE = "#leaderboard [aria-label^=Leaderboard] table"
ABLATION = """hybrid,repeats,uf1,uf1_sd,uar,uar_sd,uf1_difference,uf1_difference_low,uf1_difference_high,\
uar_difference,uar_difference_low,uar_difference_high,note
full,2,0.5,0.01,0.5,0.01,,,,,,,
without graph,2,0.4,0.01,0.4,0.01,-0.1,-0.2,-0.05,-0.1,-0.2,-0.05,
"""


@pytest.fixture(scope="session")
def page_path(computed: Path, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report with all sections."""

    def build(root: Path) -> None:
        shutil.copytree(computed, root, symlinks=True)
        shutil.copy(ROOT / "constraints.txt", root)
        (root / "mlruns").mkdir()
        shutil.copy(empty_store, root / "mlruns")
        (root / "results/tiny/ablation").mkdir()
        (root / "results/tiny/ablation/ablation.csv").write_text(ABLATION)
        digest = digest_ablation(root / "results/tiny/ablation")
        (root / "params.yaml").write_text(PARAMS.replace("DIGEST", f'"{digest}"'))
        with chdir(root), pytest.MonkeyPatch.context() as patch:
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            for model in ("majority", "linear_svm", "flow_cnn", "hybrid"):
                train.run_train(open_project(), model, processes=1)
            report.run_report(open_project())

    return build_once(tmp_path_factory, "reported", build) / "results/tiny/reports/index.html"


@pytest.fixture
def open_page(browser: Browser, page_path: Path) -> Iterator[OpenPage]:
    """Return a function that opens the report. Network requests, console messages and errors fail the test."""
    events: list[str] = []
    opened: list[Page] = []

    def open_report(width: int = 1280, scheme: Scheme = "light") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
        page.on("console", lambda message: events.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: events.append(f"error: {error}"))
        page.on(
            "request", lambda request: events.append(request.url) if request.url[:5] not in ("file:", "data:") else None
        )
        page.goto(page_path.as_uri())
        opened.append(page)
        return page

    yield open_report
    for page in opened:
        page.close()
    assert events == []


def read_column(page: Page, number: int) -> list[str]:
    return page.locator(f"{TABLE} tbody tr > :nth-child({number})").all_inner_texts()


def test_all_sections_exist_and_every_link_leads_to_one(open_page: OpenPage) -> None:
    page = open_page()
    assert page.locator("h1").inner_text() == "tiny"
    headings = page.locator("main h2").all_inner_texts()
    assert headings == [
        "Leaderboard",
        "Comparison with the best simple model",
        "Confusion matrices",
        "F1 and recall per class",
        "Accuracy per subject",
        "Calibration",
        "Training curves",
        "Weights of the hybrid",
        "Ablation of the hybrid",
        "Attention and annotated muscles",
        "Hardest clips and their motion",
        "Data",
        "Settings and versions",
        "Limits",
    ]
    assert page.locator("nav a").count() == len(headings)
    for link in page.locator("nav a").all():
        link.click()
        section = page.locator(str(link.get_attribute("href")))
        top = (section.bounding_box() or {"y": -1})["y"]
        assert top < 900  # the last sections cannot reach the top of the window
    figures = 4 * 2 + 2 + 2 + 1  # confusion and calibration, curves, hybrid, differences
    assert page.locator("svg.plot:visible").count() == figures
    assert page.locator(".clip img").count() == 4


def test_a_click_on_a_column_head_sorts_the_table_and_a_second_click_reverses_the_order(open_page: OpenPage) -> None:
    page = open_page()
    by_score = read_column(page, 1)
    head = page.locator(f"{TABLE} thead th").nth(1)
    assert head.get_attribute("aria-sort") == "descending"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert read_column(page, 1) == by_score[::-1]
    scores = [float(cell.split()[0]) for cell in read_column(page, 2)]
    assert scores == sorted(scores)

    names = page.locator(f"{TABLE} thead th").first
    names.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert names.get_attribute("aria-sort") == "ascending"
    assert head.get_attribute("aria-sort") is None
    assert read_column(page, 1) == sorted(by_score)


def test_cells_without_a_number_come_below_all_numbers(open_page: OpenPage) -> None:
    page = open_page()
    page.locator(f"{TABLE} thead th").nth(8).get_by_role("button").click()
    differences = read_column(page, 9)
    assert differences[-1] == "–"  # the baseline has no difference from itself
    numbers = [float(cell.replace("−", "-")) for cell in differences[:-1]]
    assert numbers == sorted(numbers, reverse=True)


def test_a_model_can_be_hidden_and_shown(open_page: OpenPage) -> None:
    page = open_page()
    count = page.locator('[data-model="flow_cnn"]').count()
    assert count == 7  # leaderboard, oracle, means over folds, confusion, classes, calibration, curves
    page.get_by_label("flow_cnn", exact=True).uncheck()
    assert page.locator('[data-model="flow_cnn"]:visible').count() == 0
    assert page.locator('[data-model="hybrid"]:visible').count() > 0
    page.get_by_label("flow_cnn", exact=True).check()
    # The means over folds are in a closed section.
    assert page.locator('[data-model="flow_cnn"]:visible').count() == count - 1


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(open_page: OpenPage, width: int) -> None:
    page = open_page(width)
    page.evaluate("document.querySelectorAll('details').forEach((section) => { section.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    letters = page.evaluate(
        "Math.min(...[...document.querySelectorAll('svg.plot')].filter((plot) => plot.checkVisibility())"
        ".map((plot) => plot.getBoundingClientRect().width"
        " / plot.viewBox.baseVal.width * Math.min(...[...plot.querySelectorAll('text')].map("
        "(text) => Number.parseFloat(getComputedStyle(text).fontSize)))))"
    )
    assert letters >= 8  # size in px of the smallest letters in any figure


def test_a_phone_shows_whole_figures_and_says_which_tables_can_be_scrolled(open_page: OpenPage) -> None:
    page = open_page(390)
    assert page.locator("#differences svg.plot:visible, #weights svg.plot:visible").count() == 3
    for frame in page.locator(".wide").all():
        assert frame.evaluate("(frame) => frame.scrollWidth <= frame.clientWidth")
    board = page.locator("#leaderboard .scroll").first
    hint = page.locator("#leaderboard .hint").first
    assert hint.is_visible()
    assert "more" in str(board.get_attribute("class")).split()
    board.evaluate("(frame) => { frame.scrollLeft = frame.scrollWidth }")
    page.wait_for_function("!document.querySelector('#leaderboard .scroll').classList.contains('more')")
    hidden = [
        frame.evaluate(
            "(frame) => (frame.scrollWidth - frame.clientWidth >= 2) === frame.previousElementSibling.hidden"
        )
        for frame in page.locator(".scroll").all()
    ]
    assert not any(hidden)
    assert open_page(1280).locator("#leaderboard .hint").first.is_hidden()


def read_copy(page: Page, table: str, form: str) -> str:
    """Click on the button that copies a table, and return the clipboard."""
    button = page.get_by_role("button", name=f"Copy {form}: {table}", exact=True)
    button.click()
    page.get_by_text(f"{form} copied").wait_for()
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_a_table_is_copied_as_csv_and_as_latex(open_page: OpenPage) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("flow_cnn", exact=True).uncheck()
    shown = page.locator(f"{TABLE} tbody tr:visible").count()
    rows = list(csv.reader(io.StringIO(read_copy(page, "Leaderboard", "CSV"))))
    assert rows[0][:4] == ["Model", "UF1", "95 %", "UAR"]  # without the column that only draws
    assert {len(row) for row in rows} == {10}
    assert len(rows) == 1 + shown == 4
    assert [row[0] for row in rows[1:]] == page.locator(f"{TABLE} tbody tr:visible th").all_inner_texts()
    assert any(row[7].startswith("-") for row in rows[1:])  # a minus sign that programs read

    lines = read_copy(page, "F1 and recall per class", "LaTeX").splitlines()
    columns = 1 + 2 * page.locator("#classes thead th").filter(has_text="recall").count()
    assert lines[1:3] == [rf"\begin{{tabular}}{{l{'r' * (columns - 1)}}}", r"\toprule"]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    body = lines[lines.index(r"\midrule") + 1 : -2]
    assert len(body) == shown
    assert {line.count("&") for line in body} == {columns - 1}
    assert all(line.endswith(r" \\") for line in body)
    assert any(line.startswith(r"linear\_svm & ") for line in body)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_contrast_headings_and_alternative_texts_pass_axe(open_page: OpenPage, width: int, scheme: Scheme) -> None:
    page = open_page(width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((section) => { section.open = true })")
    response = Axe().run(page).response
    assert [(broken["id"], [node["html"] for node in broken["nodes"]]) for broken in response["violations"]] == []
    passed = {rule["id"] for rule in response["passes"]}
    assert {"color-contrast", "heading-order", "image-alt", "svg-img-alt", "landmark-one-main"} <= passed


def test_figures_follow_the_colour_scheme(open_page: OpenPage) -> None:
    colours = {
        scheme: open_page(scheme=scheme).evaluate("getComputedStyle(document.querySelector('svg.plot text')).fill")
        for scheme in SCHEMES
    }
    assert colours["light"] != colours["dark"]


def test_the_printed_page_opens_all_sections_and_hides_controls(open_page: OpenPage) -> None:
    page = open_page(A4_PX, scheme="dark")
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_PX
    assert not page.locator("nav").is_visible()
    assert not page.locator("#models").is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("[...document.querySelectorAll('details')].every((section) => section.open)")
