"""Runs of frames in which one face is followed. Each frame is aligned to the first frame of its run.

Source: see `face_track`.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.errors import DatasetError
from microfacial.preprocessing.aligned_frames import find_skin
from microfacial.preprocessing.alignment import (
    PlacedFace,
    covered_pixels,
    follow_face,
    place_distance,
    warp_to_grey,
)
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.frame_spool import FrameSpool
from microfacial.preprocessing.portable import portable_opencv, round_similarity
from microfacial.preprocessing.similarity import chain_similarities, fit_robust_similarity, invert_similarity
from microfacial.records import FloatArray, Image

TRACK_PX = FacesConfig().size_px
"""Side of the aligned square of tracked faces."""

_POINT_STEP_PX = 10  # distance of the points that are followed
_LEAST_POINTS = 12  # that optical flow must follow in a frame
_FINE_PX = (2.0, 8.0)  # the fine structure of a frame is the difference of two Gaussians
_LEAST_LIKENESS = 0.6  # correlation of the skin with that of the first frame; below, the face is lost
_LEAST_COVERED = 0.95  # share of the skin that must lie in the frame
_JUMP = 0.08  # of the square's side: the networks find the face this far from where it was followed


@dataclass(kw_only=True)
class FaceRun:
    """A run of frames that are aligned to the same first frame.

    Attributes:
        face: the face in the first frame.
        skin: pixels that are skin in the first frame, `(S, S)`.
        visible: pixels that all of the frames show, `(S, S)`.
        first: the first frame on the aligned square, `(S, S)` uint8, grey.
        start: index of the first frame among the frames of all runs.
        numbers: numbers of the frames.
        transforms: similarity from each frame to the aligned square, `(2, 3)`.
    """

    face: PlacedFace
    skin: NDArray[np.bool_]
    visible: NDArray[np.bool_]
    first: Image
    start: int
    numbers: list[int] = field(default_factory=list)
    transforms: list[FloatArray] = field(default_factory=list)

    def add(self, number: int, aligned: Image, transform: FloatArray, frames: FrameSpool) -> None:
        """Add an aligned frame to the run, and to the frames of all runs."""
        self.numbers.append(number)
        self.transforms.append(transform)
        frames.append(aligned)


def start_run(number: int, frame: Image, face: PlacedFace, frames: FrameSpool) -> FaceRun | None:
    """Start a run with a frame.

    Args:
        number: number of the frame.
        frame: the frame, `(H, W, 3)` uint8 BGR.
        face: the face in it.
        frames: aligned frames of all runs, to which the frame is added.

    Returns:
        The run, or None if the face is not a whole one.
    """
    try:
        skin = find_skin(face.points, TRACK_PX)
    except DatasetError:  # a region is off the square, so these points are no face
        return None
    covered = covered_pixels(frame, face.transform, TRACK_PX)
    if covered[skin].mean() < _LEAST_COVERED:
        return None
    aligned = warp_to_grey(frame, face.transform, TRACK_PX)
    run = FaceRun(face=face, skin=skin & covered, visible=covered, first=aligned, start=len(frames))
    run.add(number, aligned, face.transform, frames)
    return run


def follow_run(run: FaceRun, number: int, frame: Image, frames: FrameSpool, *, confirm: bool) -> bool:
    """Align a frame to the first frame of a run, and add it to the run.

    Args:
        run: the run.
        number: number of the frame.
        frame: the frame, `(H, W, 3)` uint8 BGR.
        frames: aligned frames of all runs, to which the frame is added.
        confirm: whether the networks confirm that the face is there.

    Returns:
        Whether the face is there. If not, nothing is added.
    """
    transform = _register(run, frame)
    if transform is None:
        return False
    covered, aligned = covered_pixels(frame, transform, TRACK_PX), warp_to_grey(frame, transform, TRACK_PX)
    if covered[run.skin].mean() < _LEAST_COVERED or skin_likeness(run, aligned) < _LEAST_LIKENESS:
        return False
    if confirm:
        face = follow_face(frame, run.face, transform, TRACK_PX)
        if face is None or place_distance(transform, face.transform, TRACK_PX) > _JUMP * TRACK_PX:
            return False
    run.add(number, aligned, transform, frames)
    run.visible &= covered
    return True


@portable_opencv()
def _register(run: FaceRun, frame: Image) -> FloatArray | None:
    """Return the similarity that aligns a frame to the first frame of a run. Return None if too few points agree."""
    rows, columns = np.mgrid[0:TRACK_PX:_POINT_STEP_PX, 0:TRACK_PX:_POINT_STEP_PX]
    used = run.skin[rows, columns]
    points = np.stack([columns[used], rows[used]], axis=-1).astype(np.float32)
    last = run.transforms[-1]
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        run.first, warp_to_grey(frame, last, TRACK_PX), points, np.empty_like(points)
    )
    followed = status.ravel() > 0
    if followed.sum() < max(_LEAST_POINTS, 0.5 * len(points)):
        return None
    head = fit_robust_similarity(points[followed], moved[followed])
    return round_similarity(chain_similarities(last, invert_similarity(head)))


@portable_opencv()
def skin_likeness(run: FaceRun, frame: Image, band_px: tuple[float, float] = _FINE_PX) -> float:
    """Return the correlation of the skin with that of the first frame of a run, -1 to 1.

    Args:
        run: the run.
        frame: a frame on the aligned square, `(S, S)` uint8, grey.
        band_px: standard deviations of two Gaussians. The difference of the pictures that they blur is compared.
    """
    first, second = (
        (cv2.GaussianBlur(grey, (0, 0), band_px[0]) - cv2.GaussianBlur(grey, (0, 0), band_px[1]))[run.skin]
        for grey in (run.first.astype(np.float32), frame.astype(np.float32))
    )
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm else 0.0
