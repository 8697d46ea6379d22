"""Regions of interest: the landmarks that bound each region, and the boxes around them.

Left and right are the image's left and right everywhere: the left eye in the image is the person's right eye. Landmark
numbers are those of MediaPipe's mesh of 468 vertices.

Source: the mesh is that of Kartynnik et al., arXiv:1907.06724.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from microfacial.errors import ConfigError, DatasetError
from microfacial.records import Box, FloatArray

RegionSchemeName = Literal["mission", "facs-8", "grid-28"]
"""Name of a scheme of regions: a key of `FACE_SCHEMES` or of `MAP_SCHEMES`."""

_Fractions = tuple[float, float, float, float]

EYE_CORNERS = ((33, 133), (362, 263))
_MINIMUM_SIDE_PX = 4


@dataclass(frozen=True)
class Region:
    """A region of the face: a box around some landmarks.

    Attributes:
        points: numbers of the landmarks that the box encloses.
        padding: distance from the outermost landmarks to the box, as a fraction of the distance between the eyes.
        brows: numbers of landmarks of the brows. If there are any, the box reaches down at least to a fixed share of
            the way from them to the base of the nose. With glasses, the landmarks of the eyes can lie several pixels
            too high. Without this rule the box would then cut off the lower lid.
    """

    points: tuple[int, ...]
    padding: float
    brows: tuple[int, ...] = ()


_LEFT_EYE = (33, 133, 159, 145)  # corners, upper and lower lid
_RIGHT_EYE = (263, 362, 386, 374)
_LEFT_BROW = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)  # upper edge, lower edge
_RIGHT_BROW = (300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
_LEFT_BROW_EDGE, _RIGHT_BROW_EDGE = _LEFT_BROW[5:], _RIGHT_BROW[5:]
_NOSE_BASE = 2
_NOSE = (168, _NOSE_BASE, 129, 358)  # root, base, wings
_SHARE_BELOW_BROWS = 0.5  # of the way from brows to nose. In the mean face, the lower lid lies at 0.32
_LEFT_CHEEK = (117, 101, 123, 187, 203)  # below the eye, next to the nose and mouth, on the cheekbone
_RIGHT_CHEEK = (346, 330, 352, 411, 423)
_MOUTH = (61, 291, 0, 17, 37, 267, 84, 314)  # corners, upper and lower lip

FACE_SCHEMES: Mapping[str, Mapping[str, Region]] = MappingProxyType(
    {
        "mission": MappingProxyType(
            {
                "eyes": Region(_LEFT_EYE + _RIGHT_EYE, padding=0.14, brows=_LEFT_BROW_EDGE + _RIGHT_BROW_EDGE),
                "eyebrows": Region(_LEFT_BROW + _RIGHT_BROW, padding=0.12),
                "mouth": Region(_MOUTH, padding=0.18),
            }
        ),
        "facs-8": MappingProxyType(
            {
                "left eye": Region(_LEFT_EYE, padding=0.14, brows=_LEFT_BROW_EDGE),
                "right eye": Region(_RIGHT_EYE, padding=0.14, brows=_RIGHT_BROW_EDGE),
                "left brow": Region(_LEFT_BROW, padding=0.12),
                "right brow": Region(_RIGHT_BROW, padding=0.12),
                "nose": Region(_NOSE, padding=0.05),
                "left cheek": Region(_LEFT_CHEEK, padding=0.08),
                "right cheek": Region(_RIGHT_CHEEK, padding=0.08),
                "mouth": Region(_MOUTH, padding=0.18),
            }
        ),
    }
)

# Published 28×28 maps show no face, so they have no landmarks. Boxes are fractions of the side: top, left, bottom,
# right. `grid-28` cuts the map into blocks of 14×14 px on a grid of half blocks.
MAP_SCHEMES: Mapping[str, Mapping[str, _Fractions]] = MappingProxyType(
    {
        "mission": MappingProxyType(
            {
                "eyes": (5 / 28, 2 / 28, 13 / 28, 26 / 28),
                "eyebrows": (1 / 28, 2 / 28, 9 / 28, 26 / 28),
                "mouth": (16 / 28, 6 / 28, 28 / 28, 22 / 28),
            }
        ),
        "grid-28": MappingProxyType(
            {
                "left eye": (0, 0, 0.5, 0.5),
                "right eye": (0, 0.5, 0.5, 1),
                "nose": (0.25, 0.25, 0.75, 0.75),
                "left lip corner": (0.5, 0, 1, 0.5),
                "right lip corner": (0.5, 0.5, 1, 1),
            }
        ),
    }
)


def scheme_region_names(scheme: RegionSchemeName, *, on_map: bool) -> tuple[str, ...]:
    """Return the names of a scheme's regions, in the order of its boxes.

    Args:
        scheme: name of the scheme.
        on_map: whether the boxes lie on a published flow map. Otherwise they lie on a face with landmarks.

    Returns:
        Names such as "left eye".

    Raises:
        ConfigError: The scheme has no such boxes.
    """
    schemes: Mapping[str, Mapping[str, object]] = MAP_SCHEMES if on_map else FACE_SCHEMES
    if scheme not in schemes:
        reason = "cannot be used with" if on_map else "can only be used with"
        raise ConfigError(
            f"params.yaml: faces.regions: {scheme} {reason} faces.method: whole. Choose {' or '.join(schemes)}"
        )
    return tuple(schemes[scheme])


def map_boxes(scheme: RegionSchemeName, size_px: int) -> tuple[Box, ...]:
    """Return the boxes on a published flow map.

    Args:
        scheme: name of a scheme in `MAP_SCHEMES`.
        size_px: side to which the map was scaled.

    Returns:
        One box per region, in pixels of the scaled map.

    Raises:
        ConfigError: The scheme has no boxes on maps.
    """
    fractions = (MAP_SCHEMES[scheme][name] for name in scheme_region_names(scheme, on_map=True))
    return tuple(_round_box([edge * size_px for edge in edges]) for edges in fractions)


def face_boxes(scheme: RegionSchemeName, points: FloatArray, size_px: int) -> tuple[Box, ...]:
    """Return the boxes around the regions of a face.

    Args:
        scheme: name of a scheme in `FACE_SCHEMES`.
        points: landmarks in aligned pixels, `(468, 2)`.
        size_px: side of the aligned square.

    Returns:
        One box per region, clipped to the square.

    Raises:
        ConfigError: The scheme has no boxes on faces.
        DatasetError: Too little of a region lies on the square, so its box would be too thin.
    """
    left, right = (points[list(corners)].mean(axis=0) for corners in EYE_CORNERS)
    eye_distance = float(np.hypot(*(right - left)))
    names = scheme_region_names(scheme, on_map=False)
    return tuple(_enclose(name, FACE_SCHEMES[scheme][name], points, eye_distance, size_px) for name in names)


def _enclose(name: str, region: Region, points: FloatArray, eye_distance: float, size_px: int) -> Box:
    """Return the padded box around the landmarks of one region."""
    corners = points[list(region.points)] + 0.5  # from centres of pixels to edges
    low = corners.min(axis=0) - region.padding * eye_distance
    high = corners.max(axis=0) + region.padding * eye_distance
    if region.brows:
        brows, nose = points[list(region.brows), 1].mean() + 0.5, points[_NOSE_BASE, 1] + 0.5
        high[1] = max(high[1], brows + _SHARE_BELOW_BROWS * (nose - brows))
    low, high = np.clip(low, 0, size_px), np.clip(high, 0, size_px)
    box = _round_box([low[1], low[0], high[1], high[0]])
    if min(box[2] - box[0], box[3] - box[1]) < _MINIMUM_SIDE_PX:
        raise DatasetError(
            f"the box of {name} is thinner than {_MINIMUM_SIDE_PX} px on the square of {size_px} px, "
            "so the landmarks are not those of a face. List the clip under clips.exclude"
        )
    return box


def _round_box(edges: list[float]) -> Box:
    top, left, bottom, right = (round(float(edge)) for edge in edges)
    return top, left, bottom, right
