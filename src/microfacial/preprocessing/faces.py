"""Locate the face of a clip: one similarity per clip, from its onset frame to the aligned square.

Alignment of every single frame is not offered. Landmarks jitter by as much as a micro-expression moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from microfacial.errors import DatasetError, NoFaceError
from microfacial.preprocessing.alignment import mean_face, place_face, warp_to_square
from microfacial.preprocessing.portable import round_similarity
from microfacial.preprocessing.regions import (
    EYE_CORNERS,
    RegionSchemeName,
    face_boxes,
    map_boxes,
    scheme_region_names,
)
from microfacial.preprocessing.similarity import fit_similarity
from microfacial.records import DEMO_CORPUS, Clip, Face, Image
from microfacial.settings import Section


class FacesConfig(Section):
    """The `faces` section of params.yaml.

    Attributes:
        method: how the face is located. `landmarks` finds it with networks. `template` uses the mean place of the eyes
            in the crops of the corpus. `whole` takes the image as it is, for published flow maps.
        fallback: what `landmarks` does if it finds no face. `template` uses the template, `none` raises an error.
        regions: scheme of the regions of interest (see `regions`).
        size_px: side of the aligned square.
    """

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"rois": "regions"})

    method: Literal["landmarks", "template", "whole"] = "landmarks"
    fallback: Literal["template", "none"] = "template"
    regions: RegionSchemeName = "mission"
    size_px: int = Field(224, ge=28, le=1024)


@dataclass(frozen=True)
class _Template:
    """Mean place of the eyes in the cropped frames of one corpus.

    Attributes:
        eye_line: distance of the eyes from the top, as a fraction of the frame's height.
        half_distance: distance of each eye's middle from the midline, as a fraction of the frame's width.
        midline: distance of the middle between the eyes from the left, as a fraction of the frame's width.
    """

    eye_line: float
    half_distance: float
    midline: float = 0.5


# Means of the landmarks on the crops of the 309 clips of CASME II and SMIC that belong to MEGC2019. SAMM has no
# template, because its publishers cropped the frames differently.
_TEMPLATES: Mapping[str, _Template] = MappingProxyType(
    {
        "casme2": _Template(eye_line=0.275, half_distance=0.276, midline=0.485),
        "smic": _Template(eye_line=0.268, half_distance=0.264, midline=0.488),
        DEMO_CORPUS: _Template(eye_line=118 / 340, half_distance=54 / 280),
    }
)


def region_names(config: FacesConfig) -> tuple[str, ...]:
    """Return the names of the regions, in the order of a face's boxes.

    Args:
        config: settings of faces.

    Returns:
        Names such as "eyes".

    Raises:
        ConfigError: The scheme of regions does not go with the method.
    """
    return scheme_region_names(config.regions, on_map=config.method == "whole")


def locate(clip: Clip, frame: Image, config: FacesConfig) -> Face:
    """Locate the face of a clip on its onset frame.

    Args:
        clip: clip to which the frame belongs.
        frame: onset frame, `(H, W, 3)` uint8 BGR.
        config: settings of faces.

    Returns:
        Place of the face and boxes of its regions.

    Raises:
        NoFaceError: No face with all regions was found, and no template exists for these frames.
        DatasetError: `config.method` is "whole" and the image is not square.
    """
    if config.method == "whole":
        return _take_whole(clip, frame, config)
    face = _locate_by_landmarks(clip, frame, config) if config.method == "landmarks" else None
    try:
        return face or _locate_by_template(clip, frame, config)
    except DatasetError as error:
        raise NoFaceError(f"{clip.id}: {error}") from None


def align(frame: Image, face: Face, size_px: int) -> Image:
    """Warp a frame onto the aligned square.

    Args:
        frame: `(H, W, …)` uint8.
        face: place of the face.
        size_px: side of the aligned square.

    Returns:
        `(size_px, size_px, …)` uint8.
    """
    return warp_to_square(frame, face.transform, size_px)


def _locate_by_landmarks(clip: Clip, frame: Image, config: FacesConfig) -> Face | None:
    """Locate the face by its landmarks. Return None if no face was found, or if a region is too thin for a face."""
    face = place_face(frame, config.size_px)
    if face is None:
        return None
    try:
        boxes = face_boxes(config.regions, face.points, config.size_px)
    except DatasetError:
        return None
    return Face(clip=clip.id, transform=face.transform, boxes=boxes, source="landmarks", confidence=face.confidence)


def _locate_by_template(clip: Clip, frame: Image, config: FacesConfig) -> Face:
    """Bring the eyes of the corpus's mean crop onto the eyes of the mean face."""
    allowed = config.method == "template" or config.fallback == "template"
    if not (allowed and clip.cropped and clip.corpus in _TEMPLATES):
        raise NoFaceError(
            f"no face was found in frame {clip.onset}, and no template can be used. List the clip under clips.exclude"
        )
    template, (height, width) = _TEMPLATES[clip.corpus], frame.shape[:2]
    columns = (template.midline + np.array([-1.0, 1.0]) * template.half_distance) * width
    eyes = np.stack([columns, np.full(2, template.eye_line * height)], axis=1) - 0.5
    mean = mean_face(config.size_px)
    targets = np.stack([mean[list(corners)].mean(axis=0) for corners in EYE_CORNERS])
    transform = round_similarity(fit_similarity(eyes, targets))
    boxes = face_boxes(config.regions, mean, config.size_px)
    return Face(clip=clip.id, transform=transform, boxes=boxes, source="template", confidence=None)


def _take_whole(clip: Clip, image: Image, config: FacesConfig) -> Face:
    """Scale a square image to the aligned square."""
    height, width = image.shape[:2]
    if height != width:
        raise DatasetError(f"{clip.id}: an image of {width}×{height} px is not a flow map. Set faces.method: landmarks")
    scale = config.size_px / width
    shift = 0.5 * scale - 0.5  # centres of pixels lie at +½, so a map of the square's size stays as it is
    transform = np.array([[scale, 0.0, shift], [0.0, scale, shift]])
    boxes = map_boxes(config.regions, config.size_px)
    return Face(clip=clip.id, transform=transform, boxes=boxes, source="whole", confidence=None)
