"""The aligned square: the mean face on it, and how a face and a frame are brought there.

On the aligned square the mean face is upright and symmetric. Brows, cheeks and chin lie inside.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.preprocessing.face_networks import WEIGHTS
from microfacial.preprocessing.landmarks import BORDERS, Landmarks, find_all_landmarks, find_landmarks, follow_landmarks
from microfacial.preprocessing.portable import portable_opencv, round_points, round_similarity
from microfacial.preprocessing.similarity import fit_similarity, invert_similarity, transform_points
from microfacial.records import FloatArray, Image

MEAN_FACE = WEIGHTS / "mean_face.csv"
_STABLE = (33, 133, 362, 263, 168, 6, 197, 195, 2, 98, 327)  # corners of the eyes, bridge and base of the nose

_NOSE_TIP, _CHEEKBONES, _FOREHEAD_CHIN = 1, (234, 454), (10, 152)
_NOSE_HEIGHT = 0.566  # of the way from forehead to chin, in faces that look into the camera
_MOST_SIDEWAYS, _MOST_UPRIGHT = 0.16, 0.08  # see `is_turned`


@dataclass(frozen=True, kw_only=True)
class PlacedFace:
    """A face that was found in a frame, with its place on the aligned square.

    Attributes:
        transform: similarity from frame pixels to aligned pixels, `(2, 3)` float64.
        points: landmarks in aligned pixels, `(468, 2)` float64, x and y.
        depth: distance of each landmark from the camera in aligned pixels, `(468,)` float64. Its zero is arbitrary.
        confidence: probability that this is a face, 0 to 1.
        faces: number of faces in the frame.
    """

    transform: FloatArray
    points: FloatArray
    depth: FloatArray
    confidence: float
    faces: int


def place_face(frame: Image, size_px: int) -> PlacedFace | None:
    """Find the face in a frame and fit the similarity to the aligned square.

    Args:
        frame: `(H, W, 3)` uint8 BGR.
        size_px: side of the aligned square.

    Returns:
        The face, or None if no face was found.
    """
    landmarks = find_landmarks(frame)
    return None if landmarks is None else _place(landmarks, size_px)


def place_all_faces(
    frame: Image,
    size_px: int,
    known: Iterable[tuple[PlacedFace, FloatArray]] = (),
    borders: Sequence[float] = BORDERS,
) -> list[PlacedFace]:
    """Find all faces in a frame, and fit the similarity of each to the aligned square.

    Args:
        frame: `(H, W, 3)` uint8 BGR.
        size_px: side of the aligned square.
        known: faces of earlier frames whose place in this frame is known, each with its similarity from frame pixels to
            aligned pixels, `(2, 3)`. They are left out, which saves the time to fit them.
        borders: see `find_all_landmarks`.

    Returns:
        The other faces.
    """
    points = [_place_in_frame(face, transform) for face, transform in known]
    return [_place(landmarks, size_px) for landmarks in find_all_landmarks(frame, points, borders)]


def follow_face(frame: Image, face: PlacedFace, transform: FloatArray, size_px: int) -> PlacedFace | None:
    """Find a face near the place where it is expected.

    Args:
        frame: `(H, W, 3)` uint8 BGR.
        face: the face in an earlier frame.
        transform: expected similarity from frame pixels to aligned pixels, `(2, 3)`.
        size_px: side of the aligned square.

    Returns:
        The face, or None if there is no face.
    """
    landmarks = follow_landmarks(frame, _place_in_frame(face, transform))
    return None if landmarks is None else _place(landmarks, size_px)


def _place_in_frame(face: PlacedFace, transform: FloatArray) -> FloatArray:
    """Return the landmarks of a face in px of a frame, `(468, 2)`."""
    return transform_points(invert_similarity(transform), face.points)


def _place(landmarks: Landmarks, size_px: int) -> PlacedFace:
    stable = list(_STABLE)
    transform = round_similarity(fit_similarity(landmarks.points[stable], mean_face(size_px)[stable]))
    return PlacedFace(
        transform=transform,
        points=round_points(transform_points(transform, landmarks.points)),
        depth=round_points(landmarks.depth * float(np.hypot(*transform[:, 0]))),
        confidence=landmarks.confidence,
        faces=landmarks.faces,
    )


def place_distance(first: FloatArray, second: FloatArray, size_px: int) -> float:
    """Return how far a head moves between two frames.

    Args:
        first: similarity from the pixels of one frame to aligned pixels, `(2, 3)`.
        second: the same for the other frame.
        size_px: side of the aligned square.

    Returns:
        The largest motion of four points around the middle of the face, in aligned pixels.
    """
    corners = _corners(0.25 * size_px, 0.75 * size_px)
    moved = transform_points(second, transform_points(invert_similarity(first), corners))
    return float(np.hypot(*(moved - corners).T).max())


@lru_cache
def _corners(low: float, high: float) -> FloatArray:
    """Return the corners of a square, `(4, 2)`, x and y. They are read-only, because all calls share them."""
    corners = np.array([(low, low), (high, low), (low, high), (high, high)])
    corners.flags.writeable = False
    return corners


def is_turned(face: PlacedFace) -> bool:
    """Return whether a head is turned away from the camera so far that a part of the face is hidden or foreshortened.

    The tip of the nose then leaves the middle between the cheekbones, or between forehead and chin. The limits are
    those of turns by 30° to 40°.

    Args:
        face: the face.
    """
    sideways, upright = (
        (face.points[_NOSE_TIP, axis] - face.points[first, axis]) / (face.points[last, axis] - face.points[first, axis])
        for axis, (first, last) in enumerate((_CHEEKBONES, _FOREHEAD_CHIN))
    )
    return bool(abs(sideways - 0.5) > _MOST_SIDEWAYS or abs(upright - _NOSE_HEIGHT) > _MOST_UPRIGHT)


def mean_face(size_px: int) -> FloatArray:
    """Return the points of the mean face on the aligned square.

    Args:
        size_px: side of the aligned square.

    Returns:
        x and y in aligned pixels, `(468, 2)`. The centres of pixels are whole numbers.
    """
    return _read_mean_face() * size_px - 0.5  # the file puts pixel centres at +½


@lru_cache
def _read_mean_face() -> FloatArray:
    return np.loadtxt(MEAN_FACE, delimiter=",")


@portable_opencv()
def warp_to_square(frame: Image, transform: FloatArray, size_px: int) -> Image:
    """Warp a frame onto the aligned square. Beyond the frame, its edge pixels are repeated.

    Args:
        frame: `(H, W, …)` uint8.
        transform: similarity from frame pixels to aligned pixels, `(2, 3)`.
        size_px: side of the aligned square.

    Returns:
        `(size_px, size_px, …)` uint8.
    """
    size = (size_px, size_px)
    return cv2.warpAffine(frame, transform, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@portable_opencv()
def warp_to_grey(frame: Image, transform: FloatArray, size_px: int) -> Image:
    """Convert a frame to grey and warp it onto the aligned square. Beyond the frame, its edge pixels are repeated.

    Args:
        frame: `(H, W, 3)` uint8 BGR.
        transform: similarity from frame pixels to aligned pixels, `(2, 3)`.
        size_px: side of the aligned square.

    Returns:
        `(size_px, size_px)` uint8.
    """
    # The grey levels of the square's part of the frame are enough. Pixels next to it have a part in the interpolation.
    columns, rows = (
        slice(min(max(0, math.floor(low) - 1), length - 1), max(1, math.ceil(high) + 2))
        for low, high, length in zip(*_bounds(transform, size_px), frame.shape[1::-1], strict=True)
    )
    grey = cv2.cvtColor(frame[rows, columns], cv2.COLOR_BGR2GRAY)
    corner = transform_points(transform, np.array([columns.start, rows.start], np.float64))
    return np.asarray(warp_to_square(grey, np.column_stack([transform[:, :2], corner]), size_px), np.uint8)


def _bounds(transform: FloatArray, size_px: int) -> tuple[list[float], list[float]]:
    """Return the least and the greatest x and y in a frame of the pixels just outside of the aligned square."""
    corners = transform_points(invert_similarity(transform), _corners(-1.0, float(size_px)))
    return corners.min(axis=0).tolist(), corners.max(axis=0).tolist()


def is_covered(frame: Image, transform: FloatArray, size_px: int) -> bool:
    """Return whether the aligned square and a margin of one pixel around it show the frame itself.

    Args:
        frame: `(H, W, …)` uint8.
        transform: similarity from frame pixels to aligned pixels, `(2, 3)`.
        size_px: side of the aligned square.
    """
    (left, top), (right, bottom) = _bounds(transform, size_px)
    return left >= 0 and top >= 0 and right <= frame.shape[1] - 1 and bottom <= frame.shape[0] - 1


@portable_opencv()
def covered_pixels(frame: Image, transform: FloatArray, size_px: int) -> NDArray[np.bool_]:
    """Return which pixels of the aligned square show the frame itself and not its repeated edge.

    Args:
        frame: `(H, W, …)` uint8.
        transform: similarity from frame pixels to aligned pixels, `(2, 3)`.
        size_px: side of the aligned square.

    Returns:
        `(size_px, size_px)` bool.
    """
    if is_covered(frame, transform, size_px):
        return np.ones((size_px, size_px), np.bool_)
    ones = np.ones(frame.shape[:2], np.uint8)
    return cv2.warpAffine(ones, transform, (size_px, size_px), flags=cv2.INTER_NEAREST).astype(np.bool_)
