"""Motion of the head between two frames: fit it to flow, and remove it from flow or from a frame."""

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.preprocessing.opencv_flow import Flow, Gray
from microfacial.preprocessing.portable import round_similarity
from microfacial.preprocessing.similarity import fit_robust_similarity, transform_points
from microfacial.records import FloatArray

_STEP_PX = 8  # every 8th pixel is enough to fit the four parameters of a similarity


def fit_head_motion(flow: Flow, inside: NDArray[np.bool_]) -> FloatArray:
    """Fit the similarity that most of the face follows.

    Args:
        flow: `(H, W, 2)` in px.
        inside: pixels whose flow is used, `(H, W)`.

    Returns:
        The similarity, `(2, 3)`.
    """
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[0:height:_STEP_PX, 0:width:_STEP_PX]
    used = inside[rows, columns]
    points = np.stack([columns[used], rows[used]], axis=-1).astype(np.float32)
    moved = points + flow[rows[used], columns[used]]
    return round_similarity(fit_robust_similarity(points, moved))


def subtract_head_motion(motion: FloatArray, flow: Flow) -> Flow:
    """Return the flow that is left after the motion of the head is undone.

    Args:
        motion: similarity, `(2, 3)`.
        flow: `(H, W, 2)` in px.

    Returns:
        `(H, W, 2)` in px: where each pixel moved, brought back by the inverse of `motion`.
    """
    rows, columns = np.indices(flow.shape[:2])
    points = np.stack([columns, rows], axis=-1)
    inverse: FloatArray = cv2.invertAffineTransform(motion)
    return (transform_points(inverse, points + flow) - points).astype(np.float32)


def undo_head_motion(motion: FloatArray, frame: Gray) -> Gray:
    """Return the frame as if the head had not moved.

    Args:
        motion: similarity, `(2, 3)`.
        frame: `(H, W)` float32.

    Returns:
        `(H, W)` float32. Beyond the frame, its edge pixels are repeated.
    """
    height, width = frame.shape
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, motion, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
