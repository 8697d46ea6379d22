"""Where the face of a clip lies: one similarity a clip, from its onset frame to the aligned square.

On the aligned square the mean face is upright and symmetric, with brows, cheeks and chin inside. Per-frame alignment is
not offered: landmarks jitter by as much as a micro-expression moves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from microfacial.datasets.frames import Footage, Picture, stream_clip
from microfacial.errors import DatasetError, NoFaceError
from microfacial.preprocessing import regions as rois
from microfacial.preprocessing.landmarks import WEIGHTS, find_landmarks
from microfacial.preprocessing.regions import EYE_CORNERS, RoiSchemeName
from microfacial.records import DEMO_CORPUS, Clip, Face
from microfacial.settings import Section

Floats = NDArray[np.float64]

MEAN_FACE = WEIGHTS / "mean_face.csv"
_EYES = tuple(rois.ROI_SCHEMES["mission"]).index("eyes")
_STABLE = (33, 133, 362, 263, 168, 6, 197, 195, 2, 98, 327)  # corners of the eyes, bridge and base of the nose


class FacesConfig(Section):
    """The `faces` section of params.yaml."""

    method: Literal["landmarks", "template", "whole"] = "landmarks"
    fallback: Literal["template", "none"] = "template"  # of landmarks: where no face is found
    rois: RoiSchemeName = "mission"
    size_px: int = Field(224, ge=28)  # side of the aligned square


@dataclass(frozen=True)
class Template:
    """Where the eyes lie in the cropped frames of one corpus, on average; frames are symmetric.

    `eye_line` is a fraction of the frame's height, from the top; `half_distance`, from the midline to the middle of an
    eye, a fraction of its width.
    """

    eye_line: float
    half_distance: float


# Released crops of different corpora are not registered with each other. Means over the crops of CASME II and SMIC that
# flow maps were published for: eye lines at rows 64 and 61 of 224, distances from where those maps move about the eyes.
# For SAMM, whose eye line is at row 87, the distance is not known, so that there is no template.
_TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        "casme2": Template(eye_line=64 / 224, half_distance=0.28),
        "smic": Template(eye_line=61 / 224, half_distance=0.28),
        DEMO_CORPUS: Template(eye_line=118 / 340, half_distance=54 / 280),
    }
)


def region_names(config: FacesConfig) -> tuple[str, ...]:
    """Names of the regions that a face's boxes stand for, in their order.

    Raises:
        ConfigError: the regions cannot be had by this method.
    """
    return rois.scheme_region_names(config.rois, on_map=config.method == "whole")


def locate(clip: Clip, frame: Picture, config: FacesConfig) -> Face:
    """Find the face on the onset frame, BGR `(H, W, 3)`.

    Raises:
        NoFaceError: no face was found that has all regions, and there is no template for such frames.
        DatasetError: a map is not square.
    """
    if config.method == "whole":
        return _take_whole(clip, frame, config)
    found = _place_landmarks(clip, frame, config) if config.method == "landmarks" else None
    try:
        return found or _place_template(clip, frame, config)
    except DatasetError as error:
        raise NoFaceError(f"{clip.id}: {error}") from None


def align(frame: Picture, face: Face, size_px: int) -> Picture:
    """Warp a frame, `(H, W, …)`, onto the aligned square, `(size_px, size_px, …)`."""
    return _warp(frame, face.transform, size_px)


def cover(frame: Picture, transform: Floats, size_px: int) -> NDArray[np.bool_]:
    """Where the aligned square, `(size_px, size_px)`, shows the frame, and not what continues it beyond its edges."""
    whole = np.ones(frame.shape[:2], np.uint8)
    return np.asarray(cv2.warpAffine(whole, transform, (size_px, size_px), flags=cv2.INTER_NEAREST), dtype=np.bool_)


def _warp(frame: Picture, transform: Floats, size_px: int) -> Picture:
    size = (size_px, size_px)
    warped = cv2.warpAffine(frame, transform, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.uint8)


def watch(footage: Footage, root: Path, numbers: Iterable[int]) -> tuple[dict[int, Picture], NDArray[np.bool_]]:
    """Frames of footage below a root by number, on the square aligned to the face on the first, and its skin there.

    Raises:
        NoFaceError: the first frame shows no face that could be found.
        DatasetError: a frame is missing, unreadable or of another size than the first.
    """
    size_px = FacesConfig().size_px
    placed: _Placed | None = None
    watched = {}
    for number, frame in stream_clip(footage, root, numbers):
        placed = placed or _place(frame, size_px)
        if placed is None:
            raise NoFaceError(f"{root / footage.frames}: no face was found in frame {number}. Crop frames to the face")
        watched[number] = _warp(frame, placed.transform, size_px)
    assert placed is not None, "footage has frames"
    try:
        skin = find_skin(placed.points, size_px)
    except DatasetError as error:
        raise NoFaceError(f"{root / footage.frames}: {error}") from None
    return watched, skin & cover(frame, placed.transform, size_px)


def find_skin(points: Floats, size_px: int) -> NDArray[np.bool_]:
    """Where a face has skin, `(size_px, size_px)`: within the hull of its points `(468, 2)`, but for the eyes' box."""
    hull = cv2.convexHull(points.round().astype(np.int32))
    skin = cv2.fillConvexPoly(np.zeros((size_px, size_px), np.uint8), hull, 1).astype(np.bool_)
    top, left, bottom, right = rois.face_boxes("mission", points, size_px)[_EYES]
    skin[top:bottom, left:right] = False
    return skin


def fit_similarity(points: Floats, targets: Floats) -> Floats:
    """The similarity `(2, 3)` that brings points `(n, 2)` closest to targets by least squares; it never mirrors.

    Source: Umeyama 1991, doi:10.1109/34.88573, which in the plane is a ratio of complex numbers.
    """
    source, target = (values[:, 0] + 1j * values[:, 1] for values in (points, targets))
    spread = source - source.mean()
    turn = (spread.conj() @ target) / (spread.conj() @ spread)
    shift = target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def mean_face(size_px: int) -> Floats:
    """Points of the mean face, `(468, 2)`, in pixels of the aligned square."""
    return _read_mean_face() * size_px - 0.5  # pixel centres lie at +½


@lru_cache
def _read_mean_face() -> Floats:
    return np.loadtxt(MEAN_FACE, delimiter=",")


@dataclass(frozen=True)
class _Placed:
    """The face that a frame shows: the similarity to the aligned square, its points there, how sure it is."""

    transform: Floats
    points: Floats
    confidence: float


def _place(frame: Picture, size_px: int) -> _Placed | None:
    found = find_landmarks(frame)
    if found is None:
        return None
    transform = fit_similarity(found.points[list(_STABLE)], mean_face(size_px)[list(_STABLE)])
    return _Placed(transform, found.points @ transform[:, :2].T + transform[:, 2], found.confidence)


def _place_landmarks(clip: Clip, frame: Picture, config: FacesConfig) -> Face | None:
    """The face by its landmarks; None where none is found, or one whose regions are so thin that it is none."""
    placed = _place(frame, config.size_px)
    if placed is None:
        return None
    try:
        boxes = rois.face_boxes(config.rois, placed.points, config.size_px)
    except DatasetError:
        return None
    return Face(clip=clip.id, transform=placed.transform, boxes=boxes, source="landmarks", confidence=placed.confidence)


def _place_template(clip: Clip, frame: Picture, config: FacesConfig) -> Face:
    """Put the eyes of the corpus' mean crop onto those of the mean face."""
    wanted = config.method == "template" or config.fallback == "template"
    if not (wanted and clip.cropped and clip.corpus in _TEMPLATES):
        raise NoFaceError(
            f"no face was found in frame {clip.onset}, and such frames have no template. "
            "List the clip under clips.exclude"
        )
    template, (height, width) = _TEMPLATES[clip.corpus], frame.shape[:2]
    across = np.array([0.5 - template.half_distance, 0.5 + template.half_distance]) * width
    eyes = np.stack([across, np.full(2, template.eye_line * height)], axis=1) - 0.5
    mean = mean_face(config.size_px)
    transform = fit_similarity(eyes, np.stack([mean[list(corners)].mean(axis=0) for corners in EYE_CORNERS]))
    boxes = rois.face_boxes(config.rois, mean, config.size_px)
    return Face(clip=clip.id, transform=transform, boxes=boxes, source="template", confidence=None)


def _take_whole(clip: Clip, image: Picture, config: FacesConfig) -> Face:
    height, width = image.shape[:2]
    if height != width:
        raise DatasetError(f"{clip.id}: a frame of {width}×{height} px is no map. Set faces.method: landmarks")
    scale = config.size_px / width
    shift = 0.5 * scale - 0.5  # pixel centres lie at +½, so that a map of the square's size is left as it is
    transform = np.array([[scale, 0.0, shift], [0.0, scale, shift]])
    boxes = rois.map_boxes(config.rois, config.size_px)
    return Face(clip=clip.id, transform=transform, boxes=boxes, source="whole", confidence=None)
