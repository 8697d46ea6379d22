"""Small videos and folders of frames with known movements, for tests of answers."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from drawn_films import FACE
from matplotlib import get_data_path
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


def other_face() -> Frame:
    """Return the face of another person, as large as `FACE`."""
    photograph = cv2.imread(str(Path(get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    assert photograph is not None
    face = cv2.resize(photograph[60:420, 60:420], FACE.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(face, dtype=np.uint8)


def write_video(path: Path, frames: Sequence[Frame], fps: float) -> Path:
    """Write a video: MJPG for .avi, MPEG-4 for others."""
    height, width = frames[0].shape[:2]
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    assert video.isOpened()
    for frame in frames:
        video.write(frame)
    video.release()
    return path


def make_noise(count: int, side: int = 120) -> list[Frame]:
    """Return frames of white noise."""
    random = np.random.default_rng(0)
    return list(random.integers(0, 256, (count, side, side, 3), dtype=np.uint8))
