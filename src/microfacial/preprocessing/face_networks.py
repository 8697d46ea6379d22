"""The two small networks that find faces, run by OpenCV on the CPU.

BlazeFace (128×128) finds faces and six points on each. The crop around a face is rotated upright, enlarged, and given
to the face mesh (192×192), as in MediaPipe's pipeline.

Source: Bazarevsky et al., BlazeFace, arXiv:1907.05047; Kartynnik et al., Real-time Facial Surface Geometry from
Monocular Video on Mobile GPUs, arXiv:1907.06724. The weights and their licence: weights/NOTICE.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from microfacial.errors import StorageError
from microfacial.preprocessing.portable import round_points, round_similarity
from microfacial.preprocessing.similarity import transform_points
from microfacial.records import FloatArray, Image

WEIGHTS = Path(__file__).parent / "weights"
MINIMUM_CONFIDENCE = 0.5
_DETECTOR, _MESH = "face_detection_short_range.tflite", "face_landmark.tflite"
_SHA256: Mapping[str, str] = MappingProxyType(
    {
        _DETECTOR: "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
        _MESH: "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    }
)

_DETECTOR_PX, _MESH_PX = 128, 192
_GREY = 128
_STRIDES_PX = ((8, 2), (16, 6))  # stride of each grid of the detector, and anchors per cell
_MINIMUM_OVERLAP = 0.3  # intersection over union from which two detections belong to the same face
_ENLARGEMENT = 1.5  # side of the mesh's crop over the side of the face
_OUTER_EYE_CORNERS = (33, 263)  # the image's left one first


@dataclass(frozen=True, kw_only=True)
class FaceSquare:
    """A square of the image that contains a face.

    Attributes:
        middle: x and y of its middle in px, `(2,)`.
        side: length of its side in px.
        across: unit vector from the image's left eye to the right one, `(2,)`. The upper edge is parallel to it.
    """

    middle: FloatArray
    side: float
    across: FloatArray


# --- networks ---------------------------------------------------------------------------------------------------------


@lru_cache
def _load(path: Path) -> Any:
    """Load a network. Each process loads a network once."""
    expected = _SHA256[path.name]
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise StorageError(f"{path} is missing or damaged: its SHA-256 is not {expected}. Reinstall microfacial")
    # Pass the path, not the bytes: OpenCV 5.0 ignores the engine if it gets bytes, and its new engine returns only one
    # of the two outputs.
    return cv2.dnn.readNetFromTFLite(str(path), cv2.dnn.ENGINE_CLASSIC)


def _run(name: str, image: Image, low: float, outputs: tuple[str, str]) -> list[FloatArray]:
    """Return two outputs of a network for a BGR image. Grey levels are first scaled to the range from `low` to 1."""
    span = 255.0 / (1.0 - low)
    network = _load(WEIGHTS / name)
    network.setInput(cv2.dnn.blobFromImage(image, 1.0 / span, mean=(-low * span,) * 3, swapRB=True))
    return [output.astype(np.float64) for output in network.forward(outputs)]


def _sigmoid(logits: FloatArray) -> FloatArray:
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -100.0, 100.0)))


# --- detector ---------------------------------------------------------------------------------------------------------


def detect_faces(image: Image, border: float) -> list[tuple[FaceSquare, float]]:
    """Return all faces in an image and their scores, the most certain one first.

    Each square is the mean of all detections of this face, weighted by their scores.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        border: width of a grey border, which is put around the image, as a fraction of its longer side.

    Returns:
        The faces, each with its score from 0.5 to 1.

    Raises:
        StorageError: The network's weights are missing or damaged.
    """
    small, side, corner = _shrink(image, border)
    logits, offsets = _run(_DETECTOR, small, -1.0, ("classificators", "regressors"))
    scores = _sigmoid(logits.ravel())
    # Each row has the middle and the size of the box, then six points, eyes first. All but the size are relative to the
    # anchor.
    rows = offsets.reshape(-1, 8, 2)
    rows[:, [0, *range(2, 8)]] += _anchors_px()[:, None]
    boxes = np.hstack([rows[:, 0] - rows[:, 1] / 2, rows[:, 0] + rows[:, 1] / 2])
    remaining, faces = scores >= MINIMUM_CONFIDENCE, []
    while remaining.any():
        best = int(np.where(remaining, scores, 0.0).argmax())
        same = remaining & (_overlap(boxes, boxes[best]) >= _MINIMUM_OVERLAP)
        same[best] = True
        face = np.average(rows[same], axis=0, weights=scores[same]) * side / _DETECTOR_PX
        middle = face[0] - corner - 0.5  # the detector's pixel centres lie at +½
        square = FaceSquare(middle=middle, side=face[1].max(), across=_unit(face[3] - face[2]))
        faces.append((square, float(scores[best])))
        remaining &= ~same
    return faces


def _shrink(image: Image, border: float) -> tuple[Image, int, FloatArray]:
    """Put an image in the middle of a grey square, and shrink the square to the detector's input.

    Only the part of the square that shows the image is shrunk, which takes less time. The result is the same.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        border: width of the grey border at both ends of the longer side, as a fraction of that side.

    Returns:
        The input, the side of the square in px, and x and y of the image's corner in the square.
    """
    height, width = image.shape[:2]
    side = max(height, width) + 2 * round(border * max(height, width))
    # Every `cells` pixels of the input are `step` whole pixels of the square. The part has whole steps.
    cells = _DETECTOR_PX // math.gcd(side, _DETECTOR_PX) if side > _DETECTOR_PX else _DETECTOR_PX
    step = side * cells // _DETECTOR_PX
    top, left = (side - height) // 2, (side - width) // 2
    (up, down), (back, ahead) = ((low // step, -(-(low + n) // step)) for low, n in ((top, height), (left, width)))
    ends = (top - up * step, down * step - top - height, left - back * step, ahead * step - left - width)
    part = cv2.copyMakeBorder(image, *ends, cv2.BORDER_CONSTANT, value=(_GREY,) * 3)
    size = ((ahead - back) * cells, (down - up) * cells)
    small = np.full((_DETECTOR_PX, _DETECTOR_PX, 3), _GREY, np.uint8)
    small[up * cells : down * cells, back * cells : ahead * cells] = cv2.resize(
        part, size, interpolation=cv2.INTER_AREA
    )
    return small, side, np.array([left, top], dtype=np.float64)


@lru_cache
def _anchors_px() -> FloatArray:
    """Return the middles of the detector's anchors, `(896, 2)`, row by row, all anchors of a cell in sequence."""
    grids = []
    for stride, repeats in _STRIDES_PX:
        cells = np.arange(stride / 2, _DETECTOR_PX, stride)
        y, x = np.meshgrid(cells, cells, indexing="ij")
        grids.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), repeats, axis=0))
    return np.concatenate(grids)


def _overlap(boxes: FloatArray, box: FloatArray) -> FloatArray:
    """Return the intersection over union, `(N,)`, of each of `boxes`, `(N, 4)`, with one box."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    common = np.clip(sides, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return common / (areas - common)


# --- mesh -------------------------------------------------------------------------------------------------------------


def fit_mesh(image: Image, square: FaceSquare) -> tuple[FloatArray, FloatArray, float]:
    """Fit the mesh to the face in a square.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        square: square around the face.

    Returns:
        The points, `(468, 2)`, and their depths, `(468,)`, in px of the image, rounded, and the probability that the
        square contains a face.

    Raises:
        StorageError: The network's weights are missing or damaged.
    """
    right, down = square.across * square.side * _ENLARGEMENT / _MESH_PX
    axes = np.array([[right, -down], [down, right]])
    shift = square.middle - axes @ np.full(2, (_MESH_PX - 1) / 2)
    placement = round_similarity(np.column_stack([axes, shift]))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(image, placement, (_MESH_PX, _MESH_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    mesh, logit = _run(_MESH, crop, 0.0, ("conv2d_20", "conv2d_30"))
    rows = mesh.reshape(-1, 3)  # x, y, depth; the mesh's pixel centres lie at +½
    points = round_points(transform_points(placement, rows[:, :2] - 0.5))
    return points, round_points(rows[:, 2] * np.hypot(right, down)), float(_sigmoid(logit.ravel())[0])


def enclose_points(points: FloatArray) -> FaceSquare:
    """Return the square around the points whose upper edge is parallel to the line between the eyes.

    Args:
        points: `(468, 2)` in px.
    """
    across = _unit(points[_OUTER_EYE_CORNERS[1]] - points[_OUTER_EYE_CORNERS[0]])
    axes = np.array([across, [-across[1], across[0]]])
    upright = points @ axes.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    return FaceSquare(middle=(low + high) / 2 @ axes, side=float((high - low).max()), across=across)


def _unit(vector: FloatArray) -> FloatArray:
    return vector / np.hypot(*vector)
