"""Read frames of a clip on the aligned square, with the pixels that are skin."""

import logging
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.frames import Footage, stream_clip
from microfacial.errors import DatasetError, NoFaceError
from microfacial.preprocessing.alignment import PlacedFace, covered_pixels, place_face, warp_to_grey
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.regions import FACE_SCHEMES, face_boxes
from microfacial.records import FRAME_NUMBER, FloatArray, Image

_LOG = logging.getLogger(__name__)

_EYES = tuple(FACE_SCHEMES["mission"]).index("eyes")


def locate_clip(root: Path, frames: str) -> Path:
    """Return the place of a clip for messages: its video, or the folder of its frames.

    Args:
        root: folder below which the path lies.
        frames: path of the frames, as in `Clip.frames`.
    """
    path = root / frames
    return path.parent if FRAME_NUMBER.search(frames) else path


def read_aligned_frames(
    footage: Footage, root: Path, numbers: Iterable[int]
) -> tuple[dict[int, Image], NDArray[np.bool_]]:
    """Read frames and align each one to the face that was found in the first.

    Args:
        footage: clip or recording.
        root: folder below which the paths of the footage lie.
        numbers: numbers of the frames to read.

    Returns:
        Frames by number, `(S, S)` uint8, grey, and a skin mask, `(S, S)` bool. S is the default side of the aligned
        square.

    Raises:
        NoFaceError: No face was found in the first frame.
        DatasetError: A frame is missing or unreadable, or its size differs from the first frame's.
    """
    _LOG.debug("reading and aligning the frames of %s", footage.frames)
    size_px = FacesConfig().size_px
    face: PlacedFace | None = None
    aligned = {}
    for number, frame in stream_clip(footage, root, numbers):
        face = face or place_face(frame, size_px)
        if face is None:
            raise NoFaceError(
                f"{locate_clip(root, footage.frames)}: no face was found in frame {number}. Crop frames to the face"
            )
        aligned[number] = warp_to_grey(frame, face.transform, size_px)
    assert face is not None, "footage has frames"
    try:
        skin = find_skin(face.points, size_px)
    except DatasetError as error:
        raise NoFaceError(f"{locate_clip(root, footage.frames)}: {error}") from None
    return aligned, skin & covered_pixels(frame, face.transform, size_px)


def find_skin(points: FloatArray, size_px: int) -> NDArray[np.bool_]:
    """Return which pixels are skin: the convex hull of the face without the box around the eyes.

    Args:
        points: landmarks in aligned pixels, `(468, 2)`.
        size_px: side of the aligned square.

    Returns:
        `(size_px, size_px)` bool.

    Raises:
        DatasetError: Too little of a region lies on the square.
    """
    hull = cv2.convexHull(points.round().astype(np.int32))
    skin = cv2.fillConvexPoly(np.zeros((size_px, size_px), np.uint8), hull, 1).astype(np.bool_)
    top, left, bottom, right = face_boxes("mission", points, size_px)[_EYES]
    skin[top:bottom, left:right] = False
    return skin
