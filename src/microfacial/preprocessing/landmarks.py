"""Find the face in an image and 468 points on it. Points are numbered as in MediaPipe's mesh of 468 vertices.

The whole image is searched first. Only if it shows no face, smaller and smaller parts of it are searched, because a
face that is small in the image vanishes when the image is scaled to the input of the detector.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from microfacial.preprocessing.face_networks import (
    MINIMUM_CONFIDENCE,
    FaceSquare,
    detect_faces,
    enclose_points,
    fit_mesh,
)
from microfacial.preprocessing.portable import portable_opencv, round_confidence
from microfacial.records import FloatArray, Image

BORDERS = (0.25, 0.0)
"""Borders that are put around an image, of its longer side, at both ends. The image is searched with each of them.

Without a border, some crops cut close to the face are missed. A border can make a small face too small.
"""

_MOST_SHIFT, _MOST_GROWTH = 0.1, 1.25  # of the side, between the squares that two passes find for one face
_MESH_PASSES = 3  # first on the detector's crop, then twice on a crop around the mesh; the last hardly moves it
_ALIKE = 0.9  # two faces are alike in size from this ratio of their sides; the one nearer to the middle is then chosen
_LEAST_TILE_PX = 192  # side of the smallest part of an image that is searched
_LARGE = 0.2  # of the longer side of an image: the detector sees faces of this side in the whole image
_TILE_LEVELS = 2  # the parts have the shorter side of the image, then half of it
_TILE_STEP = 0.5  # distance of the parts over their side


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """Points on the face in an image.

    Attributes:
        points: `(468, 2)` float64, x to the right and y down, in px, rounded. The centres of pixels are whole numbers.
        depth: `(468,)` float64, distance from the camera in px, rounded. Its zero is arbitrary.
        confidence: probability that there is a face, 0 to 1, rounded: the lower of the detector's and the mesh's.
        faces: number of faces in the image.
    """

    points: FloatArray
    depth: FloatArray
    confidence: float
    faces: int = 1


@portable_opencv()
def find_landmarks(image: Image) -> Landmarks | None:
    """Find the points of the face in an image.

    Of several faces, the largest is chosen. If several are alike in size, the one nearest to the middle is chosen.

    Args:
        image: `(H, W, 3)` uint8 BGR.

    Returns:
        The landmarks, or None if the image shows no face.

    Raises:
        StorageError: The networks' weights are missing or damaged.
    """
    return _choose(find_all_landmarks(image), image)


@portable_opencv()
def find_all_landmarks(
    image: Image, known: Sequence[FloatArray] = (), borders: Sequence[float] = BORDERS
) -> list[Landmarks]:
    """Find the points of all faces in an image.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        known: points of faces whose place is known, each `(468, 2)` in px. They are not fitted again.
        borders: some of `BORDERS`. Parts of the image are searched only if 0 is among them.

    Returns:
        The landmarks of each face that is not known.

    Raises:
        StorageError: The networks' weights are missing or damaged.
    """
    places = [enclose_points(points) for points in known]
    # The first result for a face is used.
    detections = [detection for border in borders for detection in detect_faces(image, border)]
    unknown = _leave_out(detections, places)
    faces = _fit_all(image, unknown)
    # Faces as small as the known ones would have been seen in the whole image.
    seen = len(unknown) < len(detections) or any(place.side >= _LARGE * max(image.shape[:2]) for place in places)
    side = min(image.shape[:2])
    for _ in range(0 if seen or 0.0 not in borders else _TILE_LEVELS):
        if faces or side < _LEAST_TILE_PX:
            break
        faces = _fit_all(image, _leave_out(_detect_in_tiles(image, side), places))
        side //= 2
    return faces


def _leave_out(
    detections: Iterable[tuple[FaceSquare, float]], places: Sequence[FaceSquare]
) -> list[tuple[FaceSquare, float]]:
    """Return the detections that are at none of the places."""
    return [detection for detection in detections if not any(_is_near(detection[0], place) for place in places)]


@portable_opencv()
def follow_landmarks(image: Image, points: FloatArray) -> Landmarks | None:
    """Find the points of a face near the place where it was in an earlier image.

    One pass of the mesh is enough, because the expected points are as good as those of an earlier pass.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        points: the expected points, `(468, 2)` in px.

    Returns:
        The landmarks, or None if the image shows no face there.

    Raises:
        StorageError: The networks' weights are missing or damaged.
    """
    return _fit_landmarks(image, enclose_points(points), 1.0, passes=1)


def _fit_all(image: Image, detections: Iterable[tuple[FaceSquare, float]]) -> list[Landmarks]:
    """Return the landmarks of each face that the mesh confirms. Detections of the same face give one result.

    Both passes of the detector find most faces in nearly the same square. The second square is left out, which saves
    the time to fit the face again. A face in front of a larger face has another square.
    """
    faces: list[Landmarks] = []
    fitted: list[FaceSquare] = []
    for square, confidence in detections:
        if any(_is_nearly_equal(square, other) for other in fitted):
            continue
        face = _fit_landmarks(image, square, confidence)
        if face is not None:
            fitted.append(square)
        if face is not None and not any(_is_same(face, other) for other in faces):
            faces.append(face)
    return faces


def _fit_landmarks(image: Image, square: FaceSquare, confidence: float, passes: int = _MESH_PASSES) -> Landmarks | None:
    """Fit the mesh to the face in a square. Return None if the square contains no face."""
    for _ in range(passes):
        points, depth, presence = fit_mesh(image, square)
        if presence < MINIMUM_CONFIDENCE:
            return None
        square = enclose_points(points)
    return Landmarks(points=points, depth=depth, confidence=round_confidence(min(confidence, presence)))


def _is_same(first: Landmarks, second: Landmarks) -> bool:
    return _is_near(enclose_points(first.points), enclose_points(second.points))


def _is_near(first: FaceSquare, second: FaceSquare) -> bool:
    """Return whether two squares are around the same face."""
    distance = np.hypot(*(first.middle - second.middle))
    return bool(distance < 0.5 * max(first.side, second.side))


def _is_nearly_equal(first: FaceSquare, second: FaceSquare) -> bool:
    """Return whether two squares have nearly the same middle and the same size."""
    distance = np.hypot(*(first.middle - second.middle))
    smaller, larger = sorted((first.side, second.side))
    return bool(distance <= _MOST_SHIFT * smaller and larger <= _MOST_GROWTH * smaller)


def _choose(faces: list[Landmarks], image: Image) -> Landmarks | None:
    """Return the largest face. Of faces that are alike in size, return the one nearest to the middle of the image."""
    squares = [enclose_points(face.points) for face in faces]
    largest = max((square.side for square in squares), default=0.0)
    middle = 0.5 * np.array(image.shape[1::-1])
    alike = [
        (float(np.hypot(*(square.middle - middle))), number)
        for number, square in enumerate(squares)
        if square.side >= _ALIKE * largest
    ]
    return replace(faces[min(alike)[1]], faces=len(faces)) if alike else None


# --- small faces ------------------------------------------------------------------------------------------------------


def _detect_in_tiles(image: Image, side: int) -> list[tuple[FaceSquare, float]]:
    """Return the faces in square parts of an image, the most certain one first. A face may appear more than once."""
    detections = [
        (replace(square, middle=square.middle + corner), confidence)
        for corner, tile in _cut_tiles(image, side)
        for square, confidence in detect_faces(tile, 0.0)
    ]
    return sorted(detections, key=lambda detection: -detection[1])


def _cut_tiles(image: Image, side: int) -> Iterator[tuple[FloatArray, Image]]:
    """Yield square parts that cover the image and overlap: x and y of the corner, and the part."""
    tops, lefts = (
        np.linspace(0, length - side, 1 + math.ceil((length - side) / (_TILE_STEP * side))).astype(int).tolist()
        for length in image.shape[:2]
    )
    for top, left in product(tops, lefts):
        yield np.array([left, top], dtype=np.float64), image[top : top + side, left : left + side]
