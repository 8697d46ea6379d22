"""A drawn face with the places of all regions of interest. It shows nobody, so it may be published.

Points are fractions of a square, `(x, y)` with x to the right and y down. Left and right are those of the picture, as
in `preprocessing.regions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from microfacial.records import FloatArray

_Point = tuple[float, float]


@dataclass(frozen=True)
class RegionAnchor:
    """Place of one region on the drawn face.

    Attributes:
        node: Centre of the region's name.
        centres: Centres of the patches of skin that belong to the region.
        half_size: Half the width and half the height of each patch.
    """

    node: _Point
    centres: tuple[_Point, ...]
    half_size: _Point


_EYES, _BROWS, _CHEEKS = ((0.33, 0.43), (0.67, 0.43)), ((0.32, 0.32), (0.68, 0.32)), ((0.24, 0.60), (0.76, 0.60))
_NOSE, _MOUTH, _CORNERS = (0.5, 0.58), (0.5, 0.78), ((0.38, 0.78), (0.62, 0.78))
_EYE_SIZE, _BROW_SIZE, _CHEEK_SIZE = (0.115, 0.055), (0.135, 0.045), (0.095, 0.085)

REGION_ANCHORS: Mapping[str, RegionAnchor] = MappingProxyType(
    {
        "eyes": RegionAnchor((0.5, 0.45), _EYES, _EYE_SIZE),
        "eyebrows": RegionAnchor((0.5, 0.21), _BROWS, _BROW_SIZE),
        "mouth": RegionAnchor(_MOUTH, (_MOUTH,), (0.18, 0.085)),
        "left eye": RegionAnchor(_EYES[0], _EYES[:1], _EYE_SIZE),
        "right eye": RegionAnchor(_EYES[1], _EYES[1:], _EYE_SIZE),
        "left brow": RegionAnchor((0.30, 0.26), _BROWS[:1], _BROW_SIZE),
        "right brow": RegionAnchor((0.70, 0.26), _BROWS[1:], _BROW_SIZE),
        "nose": RegionAnchor(_NOSE, (_NOSE,), (0.075, 0.095)),
        "left cheek": RegionAnchor(_CHEEKS[0], _CHEEKS[:1], _CHEEK_SIZE),
        "right cheek": RegionAnchor(_CHEEKS[1], _CHEEKS[1:], _CHEEK_SIZE),
        "left lip corner": RegionAnchor(_CORNERS[0], _CORNERS[:1], (0.08, 0.07)),
        "right lip corner": RegionAnchor(_CORNERS[1], _CORNERS[1:], (0.08, 0.07)),
        "whole face": RegionAnchor((1.08, 0.5), (), (0.0, 0.0)),  # next to the face, because it covers all of it
    }
)
"""Name of a region → its place, for every region of every scheme."""


def draw_face(axes: Axes, ink: str) -> None:
    """Draw the outline of a face with eyes, brows, nose and mouth.

    Args:
        axes: Axes with x to the right and y down, both in fractions of the square.
        ink: Colour of the lines.
    """
    angle = np.linspace(0, 2 * np.pi, 121)
    jaw = 0.40 - 0.045 * np.clip(np.sin(angle), 0, None) ** 2  # the lower half is narrower
    _draw_line(axes, np.stack([0.5 + jaw * np.cos(angle), 0.52 + 0.46 * np.sin(angle)], axis=1), ink)
    for side in (-1, 1):
        _draw_line(axes, _arc((0.5 + side * 0.17, 0.43), 0.075, 0.030, 0, 2), ink)
        axes.add_patch(Ellipse((0.5 + side * 0.17, 0.43), 0.035, 0.045, facecolor=ink, edgecolor="none"))
        _draw_line(axes, _arc((0.5 + side * 0.18, 0.355), 0.105, 0.045, 1.12, 1.88), ink)
    _draw_line(axes, np.array([(0.475, 0.47), (0.455, 0.60), (0.475, 0.63), (0.52, 0.63)]), ink)
    _draw_line(axes, _arc(_MOUTH, 0.11, 0.022, 0, 2), ink)
    _draw_line(axes, np.array([(0.40, 0.78), (0.5, 0.786), (0.60, 0.78)]), ink)


def _arc(centre: _Point, half_width: float, half_height: float, start: float, end: float) -> FloatArray:
    """Return points `(n, 2)` of an ellipse between two angles, which are multiples of pi."""
    angle = np.linspace(start * np.pi, end * np.pi, 41)
    return np.stack([centre[0] + half_width * np.cos(angle), centre[1] + half_height * np.sin(angle)], axis=1)


def _draw_line(axes: Axes, points: FloatArray, ink: str) -> None:
    axes.plot(*points.T, color=ink, linewidth=1.1, solid_capstyle="round")
