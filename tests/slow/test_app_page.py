"""The page of the command `app` in Chromium: an upload, a recording, and the answer on a wide window and a phone."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from film_server import film_server, write_smiles

pytestmark = pytest.mark.slow
PATIENCE_MS = 300_000
WIDTHS = (1280, 390)
OpenPage = Callable[..., Page]
FAKE_CAMERA = """
navigator.mediaDevices.getUserMedia = async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [320, 240];
  const brush = canvas.getContext("2d");
  let step = 0;
  setInterval(() => { step += 1; brush.fillStyle = `hsl(${step % 360} 50% 50%)`; brush.fillRect(0, 0, 320, 240); }, 30);
  return canvas.captureStream(30);
};
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "two smiles.avi"
    write_smiles(path, "MJPG")
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with film_server(tmp_path_factory.mktemp("app"), "app") as (address, _):
        yield address


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    """Return a function that opens the page. Requests to other hosts, console messages and errors fail the test."""
    events: list[str] = []
    opened: list[Page] = []

    def open_app(width: int = 1280, scheme: str = "light", script: str = "") -> Page:
        page = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            accept_downloads=True,
        )
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: None if "422" in message.text else events.append(message.text))
        page.on("pageerror", lambda error: events.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((f"{address}/", "blob:", "data:")) else events.append(request.url)
            ),
        )
        if script:
            page.add_init_script(script)
        page.goto(f"{address}/")
        page.locator("#model option").first.wait_for(state="attached")
        opened.append(page)
        return page

    yield open_app
    for page in opened:
        page.close()
    assert events == []


def analyse(page: Page, film: Path) -> None:
    page.get_by_label("Video file").set_input_files(film)
    page.get_by_role("button", name="Analyse").click()
    page.locator("#result").wait_for()


def check_accessibility(page: Page) -> None:
    response = Axe().run(page).response
    assert [(broken["id"], [node["html"] for node in broken["nodes"]]) for broken in response["violations"]] == []
    passed = {rule["id"] for rule in response["passes"]}
    assert {"color-contrast", "heading-order", "label", "button-name"} <= passed


def test_an_uploaded_film_becomes_a_timeline_whose_movements_can_be_opened_and_downloaded(
    open_page: OpenPage, film: Path
) -> None:
    page = open_page()
    assert "lie" in page.locator("#misuse").inner_text()
    assert page.locator("#model").input_value() == "prior"
    assert "Model card" in page.locator("#card").text_content().__str__()
    analyse(page, film)
    assert page.locator("#summary").inner_text().startswith("two smiles.avi: 75 frames, 1.85 s, 40.0 frames per second")
    assert "motion_prior" in page.locator("#summary").inner_text()
    events = page.locator("#events button")
    count = events.count()
    assert count >= 2
    assert page.locator("#timelines .span").count() == count
    assert page.locator("#timelines .signal").count() == 1

    page.locator("#timelines .span").last.click(force=True)
    expect(events.last).to_have_attribute("aria-pressed", "true")
    expect(events.first).to_have_attribute("aria-pressed", "false")
    last = page.locator("#moments").inner_text()
    events.first.focus()
    page.keyboard.press("Enter")
    expect(events.first).to_have_attribute("aria-pressed", "true")
    first = page.locator("#moments").inner_text()
    assert [int(re.findall(r"apex (\d+)", text)[0]) for text in (first, last)] == sorted(
        int(re.findall(r"apex (\d+)", text)[0]) for text in (first, last)
    )
    assert page.locator("#pictures img").count() == 3
    assert page.locator("#pictures img").evaluate_all("(all) => all.every((image) => image.naturalWidth > 100)")

    downloads = {}
    for name in ("CSV", "page", "JSON"):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=f"Download {name}").click()
        downloads[name] = Path(waiting.value.path()).read_text()
        assert waiting.value.suggested_filename.startswith("two smiles.")
    rows = list(csv.DictReader(io.StringIO(downloads["CSV"])))
    fields = json.loads(downloads["JSON"])
    assert len(rows) == len(fields["events"]) == count
    assert [int(row["apex"]) for row in rows] == [event["apex"] for event in fields["events"]]
    assert fields["source"] == "two smiles.avi"
    assert downloads["page"].lower().startswith("<!doctype html>")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_the_window_and_has_no_barriers(open_page: OpenPage, film: Path, width: int) -> None:
    page = open_page(width, "dark" if width == WIDTHS[0] else "light")
    check_accessibility(page)
    analyse(page, film)
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("button:visible").evaluate_all(
        "(all) => all.every((button) => button.getBoundingClientRect().height >= 44)"
    )
    assert page.locator("svg text").evaluate_all(
        "(all) => all.every((text) => text.getBoundingClientRect().height >= 10)"
    )
    check_accessibility(page)


def test_a_clip_that_cannot_be_read_becomes_one_line(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(390)
    broken = tmp_path / "<b>.avi"
    broken.write_bytes(b"RIFF\4\0\0\0AVI ")
    page.get_by_label("Video file").set_input_files(broken)
    with page.expect_response("**/page/answer") as answered:
        page.get_by_role("button", name="Analyse").click()
    assert answered.value.status == 422
    expect(page.get_by_role("alert")).to_contain_text("<b>.avi")
    assert page.locator("#result").is_hidden()
    assert page.get_by_role("button", name="Analyse").is_enabled()


def test_a_browser_that_gives_no_camera_is_told_to_choose_a_file(open_page: OpenPage) -> None:
    page = open_page(390, script="Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("alert")).to_contain_text("choose its file")


def test_a_recording_is_analysed(open_page: OpenPage) -> None:
    page = open_page(390, script=FAKE_CAMERA)
    page.get_by_role("button", name="Record").click()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Stop recording").click()
    expect(page.get_by_role("status")).to_contain_text("recording.webm")
    page.get_by_role("button", name="Analyse").click()
    page.locator("#result").wait_for()
    assert page.locator("#summary").inner_text().startswith("recording.webm: ")
    assert "face" in page.locator("#reason").inner_text()
