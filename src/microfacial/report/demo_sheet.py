"""Draws the demo data on one page: a row per synthetic person with onset, apex and what changed in between."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from openpyxl import load_workbook

from microfacial.datasets.synthetic.layouts import ANNOTATIONS
from microfacial.errors import DatasetError

Image = NDArray[np.uint8]

CLIPS_PER_ROW = 3
TILE_WIDTH = 128
GAP = 6
CAPTION_HEIGHT = 18
TITLE_HEIGHT = 34
GAIN = 8  # of the difference picture
INK, PAPER = (40, 40, 40), 255


def demo_sheet(folder: Path) -> Image:
    """Draw the demo data in `folder` as one uint8 picture, blue first, about 1200 px wide.

    Each row is one person. Per clip: onset, apex, and eight times their difference around grey without head
    motion; the caption names the clip, its frames, the emotion and the action units as annotated.

    Raises:
        DatasetError: if the annotations or an annotated frame are missing.
    """
    people = groupby(_read_rows(folder / ANNOTATIONS), key=lambda row: row[0])
    strips = [_person_strip(folder, list(clips)[:CLIPS_PER_ROW]) for _, clips in people]
    width = max(strip.shape[1] for strip in strips)
    return np.vstack([_title(width), *(_widen(strip, width) for strip in strips)])


def _read_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the annotation workbook, without its header."""
    if not path.is_file():
        raise DatasetError(f"demo: no annotations at {path}. Write the demo data first")
    yield from load_workbook(path).worksheets[0].iter_rows(min_row=2, values_only=True)


def _person_strip(folder: Path, clips: list[tuple[Any, ...]]) -> Image:
    """Draw the clips of one person side by side."""
    return np.hstack([_clip_tile(folder, clip) for clip in clips])


def _clip_tile(folder: Path, row: tuple[Any, ...]) -> Image:
    """Draw one clip: three pictures over a caption."""
    subject, name, _, onset, apex, offset, _, units, emotion = row[:9]
    shown, frames = ((onset + offset) // 2, "no apex") if apex == "/" else (apex, f"{onset}-{apex}")
    clip = folder / "Cropped" / f"sub{subject}" / name
    first, last = _read_frame(clip, onset), _read_frame(clip, shown)
    pictures = np.hstack([_shrink(image) for image in (first, last, _difference(first, last))])
    tile = np.pad(pictures, ((GAP, CAPTION_HEIGHT), (GAP, GAP), (0, 0)), constant_values=PAPER)
    caption = f"sub{subject} {name} {frames}  {emotion}  AU {units}"
    return _write(tile, caption, (GAP, tile.shape[0] - 5), 0.4)


def _read_frame(clip: Path, number: int) -> Image:
    """Read one frame of a clip."""
    path = clip / f"reg_img{number}.jpg"
    image = cv2.imread(str(path))
    if image is None:
        raise DatasetError(f"demo: cannot read {path}, which is annotated. Write the demo data again")
    return image.astype(np.uint8, copy=False)


def _shrink(image: Image) -> Image:
    """Return the picture at the width of a tile."""
    height = round(image.shape[0] * TILE_WIDTH / image.shape[1])
    return cv2.resize(image, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _difference(first: Image, last: Image) -> Image:
    """Return the amplified difference around middle grey, without head motion and smoothed against noise."""
    grey_first, grey_last = (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (first, last))
    still = np.eye(2, 3, dtype=np.float32)
    _, head = cv2.findTransformECC(grey_first, grey_last, still, cv2.MOTION_EUCLIDEAN)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(last, head, last.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    change = cv2.GaussianBlur(back.astype(np.float32) - first.astype(np.float32), (0, 0), 1.0)
    return np.clip(128 + GAIN * change, 0, 255).astype(np.uint8)


def _title(width: int) -> Image:
    """Draw the line over the page."""
    blank = np.full((TITLE_HEIGHT, width, 3), PAPER, np.uint8)
    text = f"synthetic: no measure of accuracy | one photograph, warped | onset, apex, {GAIN} x difference"
    return _write(blank, text, (GAP, TITLE_HEIGHT - 11), 0.6)


def _write(image: Image, text: str, origin: tuple[int, int], size: float) -> Image:
    """Return the picture with a line of text, its lower left corner at `origin`."""
    written = cv2.putText(image, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)
    return written.astype(np.uint8, copy=False)


def _widen(strip: Image, width: int) -> Image:
    """Return the strip with paper added on its right."""
    space = ((0, 0), (0, width - strip.shape[1]), (0, 0))
    return np.pad(strip, space, constant_values=PAPER)
