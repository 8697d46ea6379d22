"""Draws the README's pictures from the demo as it is built: the report as a browser shows it, and a flow contact sheet.

The demo's faces all derive from one photograph in the public domain; pictures of any other data set are refused.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import chromium
from microfacial.datasets.clip_table import read_clips
from microfacial.pipeline.commands import flow_sheet
from microfacial.pipeline.project import open_project
from microfacial.records import is_synthetic

DOCS = Path("docs")
DESK, PHONE = (1280, 1290), (390, 1290)  # px of the two windows
GAP = 40
SHEET_WIDTH_PX = 1240
MOST_BYTES = 200_000


def main() -> int:
    """Write docs/report.webp and docs/flow-sheet.webp; return 2 and say why where that cannot be."""
    project, browser = open_project(), chromium.find()
    report, clips = project.results / "reports" / "index.html", project.results / "clips.csv"
    if not (report.exists() and clips.exists()):
        return refuse(f"{report} is missing. Run `make repro` first")
    if not all(is_synthetic(clip.corpus) for clip in read_clips(clips)):
        return refuse("pictures in git may show the demo only. Set clips.name, root and corpora to demo's")
    if browser is None:
        return refuse(chromium.REMEDY)
    for path, picture in ((DOCS / "report.webp", shoot(report, browser)), (DOCS / "flow-sheet.webp", draw_sheet())):
        content = encode(picture)
        if len(content) > MOST_BYTES:
            return refuse(f"{path} would have {len(content)} bytes, more than the {MOST_BYTES} that git is to keep")
        path.write_bytes(content)
        print(f"{path}: {picture.width}×{picture.height} px, {len(content) // 1000} kB")
    return 0


def refuse(reason: str) -> int:
    """Say why, and return the exit code."""
    print(f"pictures: {reason}", file=sys.stderr)
    return 2


def shoot(report: Path, browser: str) -> Image.Image:
    """The top of the report on a desk by day, and its hard clips on a phone by night, side by side."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])  # root may run no other
        shots = []
        for (width, height), scheme, part in ((DESK, "light", ""), (PHONE, "dark", "#hardest")):
            page = running.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
            )
            page.goto(report.absolute().as_uri() + part)
            shots.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        running.close()
    both = Image.new("RGB", (DESK[0] + GAP + PHONE[0], max(DESK[1], PHONE[1])), "white")
    both.paste(shots[0], (0, 0))
    both.paste(shots[1], (DESK[0] + GAP, 0))
    return both


def draw_sheet() -> Image.Image:
    """The first clip of each class on a page of `microfacial flow --contact-sheet`."""
    project = open_project()
    first = {clip.label: clip.id for clip in reversed(read_clips(project.results / "clips.csv"))}
    with tempfile.TemporaryDirectory() as folder:
        flow_sheet.run_flow_sheet(project, Path(folder), list(first.values()))
        page = Image.open(next(Path(folder).glob("*.png"))).convert("RGB")
    return page.resize((SHEET_WIDTH_PX, round(page.height * SHEET_WIDTH_PX / page.width)), Image.Resampling.LANCZOS)


def encode(picture: Image.Image) -> bytes:
    """A picture as WebP: letters stay sharp, and flow keeps its shades."""
    buffer = io.BytesIO()
    picture.save(buffer, "webp", quality=82, method=6)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
