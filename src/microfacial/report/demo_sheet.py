"""A contact sheet of the demo data: one row per synthetic person, with onset, apex and the difference between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from openpyxl import load_workbook

from microfacial.datasets.synthetic.tables import CASME2_TABLE
from microfacial.errors import DatasetError
from microfacial.records import SYNTHETIC, Image
from microfacial.report.canvas import WARNING, Canvas
from microfacial.report.images import resize_image

_CLIPS_PER_ROW = 3
_PICTURES_PER_CLIP = 3
_PICTURE_WIDTH, _GAP, _CAPTION_HEIGHT, _TITLE_HEIGHT = 128, 6, 18, 34  # px
_TILE_WIDTH = _PICTURES_PER_CLIP * _PICTURE_WIDTH + 2 * _GAP
_GAIN = 8  # of the difference
_EXPLANATION = f"one photograph, warped · onset, apex, {_GAIN} × their difference without head motion"


@dataclass(frozen=True)
class _ClipTile:
    """Onset, apex and difference in one image, and the text below."""

    pictures: Image
    caption: str


def draw_demo_sheet(folder: Path) -> Image:
    """Draw the demo data on one page. Each row shows the first clips of one person.

    For each clip the page shows the onset, the apex, and eight times their difference around grey, after head motion is
    removed. The middle frame stands in for an apex that is not annotated. A caption names the clip, its frames, the
    emotion and the annotated action units.

    Args:
        folder: Folder with the demo data in the layout of CASME II.

    Returns:
        Page `(H, W, 3)` uint8, BGR, about 1200 px wide.

    Raises:
        DatasetError: The annotations or an annotated frame are missing.
    """
    people = groupby(_read_rows(folder / CASME2_TABLE.path), key=lambda row: row[0])
    rows = [[_read_tile(folder, clip) for clip in list(clips)[:_CLIPS_PER_ROW]] for _, clips in people]
    heights = [max(tile.pictures.shape[0] for tile in row) + _GAP + _CAPTION_HEIGHT for row in rows]
    canvas = Canvas(max(map(len, rows)) * _TILE_WIDTH, _TITLE_HEIGHT + sum(heights))
    canvas.write(SYNTHETIC, _GAP, 10, size_px=14, bold=True, colour=WARNING)
    canvas.write(_EXPLANATION, _GAP + 290, 11, size_px=13)
    top = _TITLE_HEIGHT
    for row, height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            left = column * _TILE_WIDTH + _GAP
            canvas.paste(tile.pictures, left, top + _GAP)
            canvas.write(tile.caption, left, top + _GAP + tile.pictures.shape[0] + 2, size_px=11)
        top += height
    return canvas.to_image()


def _read_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the annotation workbook, without its header."""
    if not path.is_file():
        raise DatasetError(f"demo: {path} is missing. Run `microfacial demo`, which writes it")
    yield from load_workbook(path).worksheets[0].iter_rows(min_row=2, values_only=True)


def _read_tile(folder: Path, row: tuple[Any, ...]) -> _ClipTile:
    subject, name, _, onset, apex, offset, _, units, emotion = row[:9]
    shown, frames = ((onset + offset) // 2, "no apex") if apex == "/" else (apex, f"{onset}–{apex}")
    clip = folder / "Cropped" / f"sub{subject}" / name
    first, last = _read_frame(clip, onset), _read_frame(clip, shown)
    height = round(first.shape[0] * _PICTURE_WIDTH / first.shape[1])
    pictures = [resize_image(picture, _PICTURE_WIDTH, height) for picture in (first, last, _difference(first, last))]
    return _ClipTile(np.hstack(pictures), f"sub{subject} {name}  {frames}  {emotion}  AU {units}")


def _read_frame(clip: Path, number: int) -> Image:
    path = clip / f"reg_img{number}.jpg"
    image = cv2.imread(str(path))
    if image is None:
        raise DatasetError(f"demo: cannot read {path}, which is annotated. Run `microfacial demo`, which writes it")
    return image.astype(np.uint8, copy=False)


def _difference(first: Image, last: Image) -> Image:
    """Return the amplified difference around middle grey, without head motion, smoothed against noise."""
    grey_first, grey_last = (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (first, last))
    still = np.eye(2, 3, dtype=np.float32)
    _, head = cv2.findTransformECC(grey_first, grey_last, still, cv2.MOTION_EUCLIDEAN)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(last, head, last.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    change = cv2.GaussianBlur(back.astype(np.float32) - first.astype(np.float32), (0, 0), 1.0)
    return np.clip(128 + _GAIN * change, 0, 255).astype(np.uint8)
