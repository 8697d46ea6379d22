"""Draw the pictures of the README from the results of the demo: the report in a browser, and a contact sheet of flow.

The demo's faces are derived from one photograph in the public domain. Pictures of other data sets are refused.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

import chromium
from microfacial.datasets.clip_table import read_clips
from microfacial.pipeline.commands.flow_sheet import run_flow_sheet
from microfacial.pipeline.project import open_project
from microfacial.records import is_synthetic

DOCS = Path("docs")
DESKTOP, PHONE = (1280, 1290), (390, 1290)  # width and height of the two windows in px
GAP = 40
SHEET_WIDTH_PX = 1240
MAX_BYTES = 200_000


def main() -> int:
    """Write docs/report.webp and docs/flow-sheet.webp. If that is impossible, print the reason and return 2."""
    project, browser = open_project(), chromium.find()
    report, clips = project.results / "reports" / "index.html", project.results / "clips.csv"
    if not (report.exists() and clips.exists()):
        return refuse(f"{report} is missing. Run `make repro` first")
    if not all(is_synthetic(clip.corpus) for clip in read_clips(clips)):
        return refuse("pictures in git may show the demo only. Set clips.name, root and corpora to the demo")
    if browser is None:
        return refuse(chromium.REMEDY)
    pictures = {DOCS / "report.webp": draw_report(report, browser), DOCS / "flow-sheet.webp": draw_sheet()}
    for path, picture in pictures.items():
        content = encode(picture)
        if len(content) > MAX_BYTES:
            return refuse(f"{path} has {len(content)} bytes, more than the limit of {MAX_BYTES} for pictures in git")
        path.write_bytes(content)
        print(f"{path}: {picture.width}×{picture.height} px, {len(content) // 1000} kB")
    return 0


def refuse(reason: str) -> int:
    """Print the reason and return the exit code."""
    print(f"pictures: {reason}", file=sys.stderr)
    return 2


def draw_report(report: Path, browser: str) -> Image.Image:
    """Return two windows side by side: the top of the report on a light desktop, its hardest clips on a dark phone."""
    with sync_playwright() as playwright:
        # Without this option, root cannot start Chromium.
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        shots = [
            take_screenshot(running, report.absolute().as_uri(), DESKTOP, "light"),
            take_screenshot(running, f"{report.absolute().as_uri()}#hardest", PHONE, "dark"),
        ]
        running.close()
    both = Image.new("RGB", (DESKTOP[0] + GAP + PHONE[0], max(DESKTOP[1], PHONE[1])), "white")
    both.paste(shots[0], (0, 0))
    both.paste(shots[1], (DESKTOP[0] + GAP, 0))
    return both


def take_screenshot(
    browser: Browser, address: str, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> Image.Image:
    """Return a picture of a page in a window. `size` is the width and height in px."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
    page.goto(address)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def draw_sheet() -> Image.Image:
    """Return a page of `microfacial flow --contact-sheet` with the first clip of each class."""
    project = open_project()
    first = {clip.label: clip.id for clip in reversed(read_clips(project.results / "clips.csv"))}
    with tempfile.TemporaryDirectory() as folder:
        run_flow_sheet(project, Path(folder), list(first.values()))
        page = Image.open(next(Path(folder).glob("*.png"))).convert("RGB")
    return page.resize((SHEET_WIDTH_PX, round(page.height * SHEET_WIDTH_PX / page.width)), Image.Resampling.LANCZOS)


def encode(picture: Image.Image) -> bytes:
    """Return a picture as WebP with sharp letters and smooth colours."""
    buffer = io.BytesIO()
    picture.save(buffer, "webp", quality=82, method=6)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
