"""Follow one head from frame to frame, aligned to the first frame of its run.

Each frame is aligned to the first frame of the run, so errors do not add up. Optical flow follows points on the skin,
and the similarity that most of them follow is the motion of the head. The networks confirm the face regularly.

Source: Lucas and Kanade, IJCAI 1981 (points are followed); Rousseeuw, J. Am. Stat. Assoc. 1984,
doi:10.1080/01621459.1984.10477105 (least median of squares).
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from threadpoolctl import threadpool_limits

from microfacial.errors import DatasetError
from microfacial.preprocessing.aligned_frames import find_skin
from microfacial.preprocessing.alignment import (
    PlacedFace,
    covered_pixels,
    follow_face,
    is_covered,
    place_distance,
    warp_to_grey,
)
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.portable import portable_opencv, round_similarity
from microfacial.preprocessing.similarity import chain_similarities, fit_robust_similarity, invert_similarity
from microfacial.records import FloatArray, Image

RUN_SIZE_PX = FacesConfig().size_px
_POINT_STEP_PX = 10  # distance of the points that are followed
_PYRAMID_LEVELS = (1, 3)  # coarsest levels, tried in turn; the first is quick and enough unless the head jumps
_SMALL_MOTION_PX = 2.0  # of the head between two frames, up to which a frame need not be aligned anew
_LEAST_POINTS = 12  # that optical flow must follow in a frame
_BAND_PX = (2.0, 8.0)  # the fine structure of a frame is the difference of two Gaussians
_BAND_STEP_PX = 2  # these structures are coarse, so half of the pixels in each direction are enough
_LEAST_LIKENESS = 0.6  # correlation of the skin with that of the first frame; below, the face is lost
_LEAST_COVERED = 0.95  # share of the skin that must lie in the frame
_JUMP = 0.08  # of the square's side: the networks find the face this far from where it was followed


@dataclass(kw_only=True)
class HeadRun:
    """A run of frames that are aligned to the same first frame.

    Attributes:
        face: the face in the first frame.
        skin: pixels that are skin in the first frame, `(S, S)`.
        visible: pixels that all of the frames show, `(S, S)`.
        first: the first frame on the aligned square, `(S, S)` uint8, grey.
        transform: similarity from the last frame to the aligned square, `(2, 3)`.
        structure: structure of the skin in the first frame by its band, normalised; a cache of `skin_likeness`.
    """

    face: PlacedFace
    skin: NDArray[np.bool_]
    visible: NDArray[np.bool_]
    first: Image
    transform: FloatArray
    structure: dict[tuple[float, float], NDArray[np.float32]] = field(default_factory=dict)


def start_run(frame: Image, face: PlacedFace) -> HeadRun | None:
    """Start a run at a face.

    Args:
        frame: `(H, W, 3)` uint8 BGR.
        face: the face in it.

    Returns:
        The run, or None if the face is partly outside of the frame.
    """
    try:
        skin = find_skin(face.points, RUN_SIZE_PX)
    except DatasetError:  # a region is off the square, so these points are no face
        return None
    covered = covered_pixels(frame, face.transform, RUN_SIZE_PX)
    if covered[skin].mean() < _LEAST_COVERED:
        return None
    aligned = warp_to_grey(frame, face.transform, RUN_SIZE_PX)
    return HeadRun(face=face, skin=skin & covered, visible=covered, first=aligned, transform=face.transform)


def follow_run(run: HeadRun, frame: Image, *, confirm: bool) -> Image | None:
    """Align the next frame to the first frame of a run.

    Args:
        run: the run, which is updated.
        frame: `(H, W, 3)` uint8 BGR.
        confirm: whether the networks must confirm the face.

    Returns:
        The frame on the aligned square, `(S, S)` uint8, or None if the face is not there.
    """
    attempts = (_align(run, frame, level) for level in _PYRAMID_LEVELS)
    followed = next((attempt for attempt in attempts if attempt is not None), None)
    if followed is None:
        return None
    transform, covered, aligned = followed
    if confirm:
        face = follow_face(frame, run.face, transform, RUN_SIZE_PX)
        if face is None or place_distance(transform, face.transform, RUN_SIZE_PX) > _JUMP * RUN_SIZE_PX:
            return None
    run.transform = transform
    run.visible &= covered
    return aligned


def predict_run(run: HeadRun, frame: Image) -> Image | None:
    """Align the next frame as the last one, as if the head had not moved. `move_run` corrects the run afterwards.

    Args:
        run: the run.
        frame: `(H, W, 3)` uint8 BGR.

    Returns:
        The frame on the aligned square, `(S, S)` uint8, or None if the face is not there or reaches out of the frame.
    """
    if not is_covered(frame, run.transform, RUN_SIZE_PX):
        return None
    aligned = warp_to_grey(frame, run.transform, RUN_SIZE_PX)
    return aligned if skin_likeness(run, aligned) >= _LEAST_LIKENESS else None


def move_run(run: HeadRun, head: FloatArray) -> bool:
    """Correct a run by the motion of the head on the square that `predict_run` has returned.

    Args:
        run: the run, which is updated unless the motion is large.
        head: similarity from the pixels of the square to where the head has moved them, `(2, 3)`.

    Returns:
        Whether the run is updated. If not, the frame must be aligned by `follow_run`.
    """
    if place_distance(np.eye(2, 3), head, RUN_SIZE_PX) > _SMALL_MOTION_PX:
        return False
    run.transform = round_similarity(chain_similarities(run.transform, invert_similarity(head)))
    return True


def _align(run: HeadRun, frame: Image, level: int) -> tuple[FloatArray, NDArray[np.bool_], Image] | None:
    """Align a frame to the first frame of a run.

    Args:
        run: the run.
        frame: `(H, W, 3)` uint8 BGR.
        level: coarsest level of the pyramid on which points are followed.

    Returns:
        The similarity from the frame to the aligned square, `(2, 3)`, the pixels of the square that show the frame, and
        the frame on the square, both `(S, S)`; or None if the face is not there.
    """
    transform = _register(run, frame, level)
    if transform is None:
        return None
    covered, aligned = covered_pixels(frame, transform, RUN_SIZE_PX), warp_to_grey(frame, transform, RUN_SIZE_PX)
    if covered[run.skin].mean() < _LEAST_COVERED or skin_likeness(run, aligned) < _LEAST_LIKENESS:
        return None
    return transform, covered, aligned


@portable_opencv()
def _register(run: HeadRun, frame: Image, level: int) -> FloatArray | None:
    """Return the similarity that aligns a frame to the first frame of a run. Return None if too few points agree."""
    rows, columns = np.mgrid[0:RUN_SIZE_PX:_POINT_STEP_PX, 0:RUN_SIZE_PX:_POINT_STEP_PX]
    used = run.skin[rows, columns]
    points = np.stack([columns[used], rows[used]], axis=-1).astype(np.float32)
    last = run.transform
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        run.first, warp_to_grey(frame, last, RUN_SIZE_PX), points, np.empty_like(points), maxLevel=level
    )
    followed = status.ravel() > 0
    if followed.sum() < max(_LEAST_POINTS, 0.5 * len(points)):
        return None
    head = fit_robust_similarity(points[followed], moved[followed])
    return round_similarity(chain_similarities(last, invert_similarity(head)))


@portable_opencv()
def skin_likeness(run: HeadRun, frame: Image, band_px: tuple[float, float] = _BAND_PX) -> float:
    """Return the correlation of the skin with that of the first frame of a run, -1 to 1.

    Args:
        run: the run.
        frame: a frame on the aligned square, `(S, S)` uint8, grey.
        band_px: standard deviations of two Gaussians. The difference of the pictures that they blur is compared.
    """
    skin = run.skin[::_BAND_STEP_PX, ::_BAND_STEP_PX]
    if band_px not in run.structure:
        run.structure[band_px] = _normalise(_filter_band(run.first, band_px)[skin])
    second = _filter_band(frame, band_px)[skin]
    norm = float(np.sqrt((second**2).sum()))
    return float((run.structure[band_px] * second).sum()) / norm if norm else 0.0


def _normalise(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values whose squares have the sum 1, or zeros."""
    norm = np.sqrt((values**2).sum())
    return values / norm if norm else values


def _filter_band(grey: Image, band_px: tuple[float, float]) -> NDArray[np.float32]:
    """Return the structures of a picture whose size lies in a band, at half of its size."""
    size = (grey.shape[1] // _BAND_STEP_PX, grey.shape[0] // _BAND_STEP_PX)
    picture = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    fine_px, coarse_px = (sigma / _BAND_STEP_PX for sigma in band_px)
    half = cv2.resize(picture, (size[0] // 2, size[1] // 2), interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(cv2.GaussianBlur(half, (0, 0), coarse_px / 2), size)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), fine_px) - coarse, np.float32)


def fill_depth(face: PlacedFace) -> NDArray[np.float32]:
    """Return the depth of each pixel of the aligned square. It is the mean depth outside of the face.

    Args:
        face: the face.

    Returns:
        `(S, S)` float32, in px.
    """
    rows, columns = np.indices((RUN_SIZE_PX, RUN_SIZE_PX))
    # The interpolation solves a thousand systems of two equations. Threads would only wait for each other, for seconds.
    with threadpool_limits(1, "blas"):
        depth = LinearNDInterpolator(face.points, face.depth - face.depth.mean(), fill_value=0.0)(columns, rows)
    return np.asarray(depth, dtype=np.float32)
