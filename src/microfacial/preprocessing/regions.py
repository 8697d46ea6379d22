"""Regions of interest: which points of the face mesh bound a region, and the boxes that follow.

Left and right are the image's, everywhere: the left eye is the person's right one. Numbers are those of MediaPipe's
mesh of 468 vertices.

Source: the mesh is that of Kartynnik et al., arXiv:1907.06724.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ConfigError, DatasetError
from microfacial.records import Box

RoiSchemeName = Literal["mission", "facs-8", "grid-28"]
_Fractions = tuple[float, float, float, float]

EYE_CORNERS = ((33, 133), (362, 263))
_LEAST_SIDE_PX = 4


@dataclass(frozen=True)
class Region:
    """The box around some points, and how far it reaches beyond them, in distances between the eyes."""

    points: tuple[int, ...]
    padding: float


_LEFT_EYE = (33, 133, 159, 145)  # corners, upper and lower lid
_RIGHT_EYE = (263, 362, 386, 374)
_LEFT_BROW = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)  # upper edge, lower edge
_RIGHT_BROW = (300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
_NOSE = (168, 2, 129, 358)  # root, base, wings
_LEFT_CHEEK = (117, 101, 123, 187, 203)  # below the eye, beside nose and mouth, on the cheekbone
_RIGHT_CHEEK = (346, 330, 352, 411, 423)
_MOUTH = (61, 291, 0, 17, 37, 267, 84, 314)  # corners, upper and lower lip

ROI_SCHEMES: Mapping[str, Mapping[str, Region]] = MappingProxyType(
    {
        "mission": MappingProxyType(
            {
                "eyes": Region(_LEFT_EYE + _RIGHT_EYE, padding=0.14),
                "eyebrows": Region(_LEFT_BROW + _RIGHT_BROW, padding=0.12),
                "mouth": Region(_MOUTH, padding=0.18),
            }
        ),
        "facs-8": MappingProxyType(
            {
                "left eye": Region(_LEFT_EYE, padding=0.14),
                "right eye": Region(_RIGHT_EYE, padding=0.14),
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

# Published 28×28 maps show no face to find points on. Boxes are fractions: top, left, bottom, right. `grid-28` cuts
# the map into 14×14 blocks on a half-block grid.
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


def scheme_region_names(scheme: RoiSchemeName, *, on_map: bool) -> tuple[str, ...]:
    """Names of a scheme's regions, in the order of its boxes.

    Args:
        on_map: whether boxes are wanted on a published map, or around a face's points.

    Raises:
        ConfigError: the scheme has no such boxes.
    """
    schemes: Mapping[str, Mapping[str, object]] = MAP_SCHEMES if on_map else ROI_SCHEMES
    if scheme not in schemes:
        kind = "only" if not on_map else "not"
        raise ConfigError(
            f"params.yaml: faces.rois: {scheme} is {kind} for faces.method whole; choose {' or '.join(schemes)}"
        )
    return tuple(schemes[scheme])


def map_boxes(scheme: RoiSchemeName, size_px: int) -> tuple[Box, ...]:
    """Boxes on a published map that was brought to `size_px` pixels."""
    top_left_bottom_right = (MAP_SCHEMES[scheme][name] for name in scheme_region_names(scheme, on_map=True))
    return tuple(_whole([edge * size_px for edge in edges]) for edges in top_left_bottom_right)


def face_boxes(scheme: RoiSchemeName, points: NDArray[np.float64], size_px: int) -> tuple[Box, ...]:
    """Boxes around the regions of a face, whose points `(468, 2)` are in pixels of the aligned square.

    Raises:
        DatasetError: so little of a region lies on the square that its box would be too thin.
    """
    left, right = (points[list(corners)].mean(axis=0) for corners in EYE_CORNERS)
    unit = float(np.hypot(*(right - left)))
    names = scheme_region_names(scheme, on_map=False)
    return tuple(_enclose(name, ROI_SCHEMES[scheme][name], points, unit, size_px) for name in names)


def _enclose(name: str, region: Region, points: NDArray[np.float64], unit: float, size_px: int) -> Box:
    corners = points[list(region.points)] + 0.5  # from pixel centres to edges
    low = np.clip(corners.min(axis=0) - region.padding * unit, 0, size_px)
    high = np.clip(corners.max(axis=0) + region.padding * unit, 0, size_px)
    box = _whole([low[1], low[0], high[1], high[0]])
    if min(box[2] - box[0], box[3] - box[1]) < _LEAST_SIDE_PX:
        raise DatasetError(
            f"the box of {name} is thinner than {_LEAST_SIDE_PX} px on the square of {size_px} px: "
            "what was found is no face. List the clip under clips.exclude"
        )
    return box


def _whole(edges: list[float]) -> Box:
    top, left, bottom, right = (round(float(edge)) for edge in edges)
    return top, left, bottom, right
