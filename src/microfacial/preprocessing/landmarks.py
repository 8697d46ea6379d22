"""Finds the face in a picture and 468 points on it, with two small networks that OpenCV runs on the processor.

BlazeFace (128×128) finds the face and six points on it; the crop around it, turned upright and enlarged, goes to the
face mesh (192×192), as in MediaPipe's pipeline. Points are numbered as in MediaPipe's mesh of 468 vertices.

Source: Bazarevsky et al., BlazeFace, arXiv:1907.05047; Kartynnik et al., Real-time Facial Surface Geometry from
Monocular Video on Mobile GPUs, arXiv:1907.06724. The weights and their licence: weights/NOTICE.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.errors import StorageError

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]

WEIGHTS = Path(__file__).parent / "weights"
_DETECTOR, _MESH = "face_detection_short_range.tflite", "face_landmark.tflite"
_SHA256: Mapping[str, str] = MappingProxyType(
    {
        _DETECTOR: "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
        _MESH: "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
    }
)

_DETECTOR_PX, _MESH_PX = 128, 192
_GREY = 128
_BORDER = 0.25  # of the longer side, at both ends: without it, some crops cut close to the face are missed
_STRIDES_PX = ((8, 2), (16, 6))  # of the detector's grids, and anchors a cell
_LEAST_SURE = 0.5
_SAME_FACE = 0.3  # overlap, intersection over union, from which detections are of one face
_GROWTH = 1.5  # the mesh sees a crop this much larger than the face
_MESH_PASSES = 3  # on the detector's crop, then twice on a crop made from the mesh itself, which the last hardly moves
_EYE_CORNERS = (33, 263)  # the outer ones, the image's left first


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """Points on the face of a picture.

    `points` is `(468, 2)` float64, x to the right and y down, in pixels of the picture whose pixel centres are whole
    numbers. `confidence` is the lower of the detector's and the mesh's certainty that there is a face, 0 to 1.
    """

    points: Floats
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Square:
    """A square of the picture that holds a face, in pixels: middle `(2,)`, side, and the direction of its upper edge.

    `across` is a unit vector `(2,)` from the image's left eye to the right one.
    """

    middle: Floats
    side: float
    across: Floats


def find_landmarks(image: Image) -> Landmarks | None:
    """Points of the most certain face in a BGR picture `(H, W, 3)`, or None where there is none.

    Raises:
        StorageError: the networks' weights are missing or damaged.
    """
    detected = _detect(image, _BORDER) or _detect(image, 0.0)  # the border makes a small face too small
    if detected is None:
        return None
    place, confidence = detected
    for _ in range(_MESH_PASSES):
        points, presence = _fit_mesh(image, place)
        if presence < _LEAST_SURE:
            return None
        place = _enclose(points)
    return Landmarks(points=points, confidence=min(confidence, presence))


# --- networks ---------------------------------------------------------------------------------------------------------


@lru_cache
def _load(path: Path) -> Any:
    """A network of OpenCV; a process loads it once."""
    expected = _SHA256[path.name]
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise StorageError(f"{path} is missing or damaged: its SHA-256 is not {expected}. Reinstall microfacial")
    # By path, for OpenCV 5.0 ignores the engine where bytes are given; its new engine shows one of two outputs only.
    return cv2.dnn.readNetFromTFLite(str(path), cv2.dnn.ENGINE_CLASSIC)


def _run(name: str, picture: Image, low: float, outputs: tuple[str, str]) -> list[Floats]:
    """Two outputs of a network for a BGR picture, whose levels are first brought to `low`…1."""
    span = 255.0 / (1.0 - low)
    network = _load(WEIGHTS / name)
    network.setInput(cv2.dnn.blobFromImage(picture, 1.0 / span, mean=(-low * span,) * 3, swapRB=True))
    return [np.asarray(output, dtype=np.float64) for output in network.forward(outputs)]


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -100.0, 100.0))), dtype=np.float64)


# --- detector ---------------------------------------------------------------------------------------------------------


def _detect(image: Image, border: float) -> tuple[Square, float] | None:
    """The most certain face and its score: the mean, weighted by score, of all detections of it."""
    padded, corner = _pad(image, border)
    small = np.asarray(cv2.resize(padded, (_DETECTOR_PX, _DETECTOR_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    logits, offsets = _run(_DETECTOR, small, -1.0, ("classificators", "regressors"))
    scores = _sigmoid(logits.ravel())
    if scores.max() < _LEAST_SURE:
        return None
    # A row: middle and size of the box, then six points, eyes first; all but the size are relative to the anchor.
    rows = offsets.reshape(-1, 8, 2)
    rows[:, [0, *range(2, 8)]] += _anchors_px()[:, None]
    boxes = np.hstack([rows[:, 0] - rows[:, 1] / 2, rows[:, 0] + rows[:, 1] / 2])
    same = (scores >= _LEAST_SURE) & (_overlap(boxes, boxes[scores.argmax()]) >= _SAME_FACE)
    face = np.average(rows[same], axis=0, weights=scores[same]) * len(padded) / _DETECTOR_PX
    middle = face[0] - corner - 0.5  # the detector's pixel centres lie at +½
    return Square(middle=middle, side=face[1].max(), across=_unit(face[3] - face[2])), float(scores.max())


def _pad(image: Image, border: float) -> tuple[Image, Floats]:
    """The picture in the middle of a grey square, and where its corner came to lie, x and y.

    Args:
        border: what is left free at both ends of the longer side, as a fraction of it.
    """
    height, width = image.shape[:2]
    side = max(height, width) + 2 * round(border * max(height, width))
    top, left = (side - height) // 2, (side - width) // 2
    ends = (top, side - height - top, left, side - width - left)
    padded = cv2.copyMakeBorder(image, *ends, cv2.BORDER_CONSTANT, value=(_GREY,) * 3)
    return np.asarray(padded, dtype=np.uint8), np.array([left, top], dtype=np.float64)


@lru_cache
def _anchors_px() -> Floats:
    """Middles of the detector's anchors, `(896, 2)`: row by row, all anchors of a cell after one another."""
    grids = []
    for stride, repeats in _STRIDES_PX:
        cells = np.arange(stride / 2, _DETECTOR_PX, stride)
        y, x = np.meshgrid(cells, cells, indexing="ij")
        grids.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), repeats, axis=0))
    return np.concatenate(grids)


def _overlap(boxes: Floats, box: Floats) -> Floats:
    """Intersection over union of each of `boxes`, `(N, 4)`, with one box."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    common = np.clip(sides, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(common / (areas - common), dtype=np.float64)


# --- mesh -------------------------------------------------------------------------------------------------------------


def _fit_mesh(image: Image, place: Square) -> tuple[Floats, float]:
    """The 468 points, and how sure it is that a face is there."""
    right, down = place.across * place.side * _GROWTH / _MESH_PX
    axes = np.array([[right, -down], [down, right]])
    shift = place.middle - axes @ np.full(2, (_MESH_PX - 1) / 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(
        image, np.column_stack([axes, shift]), (_MESH_PX, _MESH_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    mesh, logit = _run(_MESH, np.asarray(crop, dtype=np.uint8), 0.0, ("conv2d_20", "conv2d_30"))
    points = mesh.reshape(-1, 3)[:, :2] - 0.5  # x, y, depth; the mesh's pixel centres lie at +½
    return points @ axes.T + shift, float(_sigmoid(logit.ravel())[0])


def _enclose(points: Floats) -> Square:
    """The square around the points, level with the eyes."""
    across = _unit(points[_EYE_CORNERS[1]] - points[_EYE_CORNERS[0]])
    axes = np.array([across, [-across[1], across[0]]])
    upright = points @ axes.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    return Square(middle=(low + high) / 2 @ axes, side=float((high - low).max()), across=across)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.hypot(*vector), dtype=np.float64)
