"""Small films of a face, for tests of tracking and spotting."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from microfacial.datasets.frames import Recording, open_clip

FPS = 40.0
FACE: NDArray[np.uint8] = np.ascontiguousarray(data.astronaut()[20:220, 120:330, ::-1])  # type: ignore[no-untyped-call]
WALL = np.full_like(FACE, 150)


def draw_face(smile_px: float = 0.0, right_px: float = 0.0, image: NDArray[np.uint8] = FACE) -> NDArray[np.uint8]:
    """Return a face whose mouth corner moves down by `smile_px`, on a head that is shifted by `right_px`."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    inner = x - np.float32(right_px)
    bump = np.exp(-((inner - 92) ** 2 + (y - 118) ** 2) / 150)
    return np.asarray(
        cv2.remap(image, inner, y - np.float32(smile_px) * bump, cv2.INTER_CUBIC, borderValue=(150, 150, 150))
    )


def smile(frames: int, apex: int, height_px: float = 2.0) -> list[float]:
    """Return the strength of a movement in each frame. It lasts ten frames."""
    return [height_px * max(0.0, 1 - abs(index - apex) / 5) for index in range(frames)]


def write_film(folder: Path, frames: Sequence[NDArray[np.uint8]]) -> Recording:
    """Write frames with new sensor noise into a folder, numbered from 1."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for number, frame in enumerate(frames, 1):
        noisy = np.clip(np.rint(frame + random.normal(0, 1.0, frame.shape)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"img{number}.png"), noisy)
    return open_clip(folder)
