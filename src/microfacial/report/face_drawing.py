"""A drawn face, and where regions of interest lie on it: nobody's face, so that it may be shown anywhere.

Places are fractions of a square, to the right and down. Left and right are the picture's, as in `rois`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

Point = tuple[float, float]


@dataclass(frozen=True)
class RegionAnchor:
    """Where a region's name stands, and the patches of skin that it means: their middles, and half their sizes."""

    node: Point
    middles: tuple[Point, ...]
    reach: Point


_EYES, _BROWS, _CHEEKS = ((0.33, 0.43), (0.67, 0.43)), ((0.32, 0.32), (0.68, 0.32)), ((0.24, 0.60), (0.76, 0.60))
_NOSE, _MOUTH, _CORNERS = (0.5, 0.58), (0.5, 0.78), ((0.38, 0.78), (0.62, 0.78))
_EYE_REACH, _BROW_REACH, _CHEEK_REACH = (0.115, 0.055), (0.135, 0.045), (0.095, 0.085)

PLACES: Mapping[str, RegionAnchor] = MappingProxyType(
    {
        "eyes": RegionAnchor((0.5, 0.45), _EYES, _EYE_REACH),
        "eyebrows": RegionAnchor((0.5, 0.21), _BROWS, _BROW_REACH),
        "mouth": RegionAnchor(_MOUTH, (_MOUTH,), (0.18, 0.085)),
        "left eye": RegionAnchor(_EYES[0], _EYES[:1], _EYE_REACH),
        "right eye": RegionAnchor(_EYES[1], _EYES[1:], _EYE_REACH),
        "left brow": RegionAnchor((0.30, 0.26), _BROWS[:1], _BROW_REACH),
        "right brow": RegionAnchor((0.70, 0.26), _BROWS[1:], _BROW_REACH),
        "nose": RegionAnchor(_NOSE, (_NOSE,), (0.075, 0.095)),
        "left cheek": RegionAnchor(_CHEEKS[0], _CHEEKS[:1], _CHEEK_REACH),
        "right cheek": RegionAnchor(_CHEEKS[1], _CHEEKS[1:], _CHEEK_REACH),
        "left lip corner": RegionAnchor(_CORNERS[0], _CORNERS[:1], (0.08, 0.07)),
        "right lip corner": RegionAnchor(_CORNERS[1], _CORNERS[1:], (0.08, 0.07)),
        "whole face": RegionAnchor((1.08, 0.5), (), (0.0, 0.0)),  # beside the face, for it means all of it
    }
)


def draw_face(axes: Axes, ink: str) -> None:
    """Draw the outline of a face; the axes have x to the right and y down."""
    turn = np.linspace(0, 2 * np.pi, 121)
    jaw = 0.40 - 0.045 * np.clip(np.sin(turn), 0, None) ** 2  # narrower below
    _line(axes, np.stack([0.5 + jaw * np.cos(turn), 0.52 + 0.46 * np.sin(turn)], axis=1), ink)
    for side in (-1, 1):
        _line(axes, _arc((0.5 + side * 0.17, 0.43), 0.075, 0.030, 0, 2), ink)
        axes.add_patch(Ellipse((0.5 + side * 0.17, 0.43), 0.035, 0.045, facecolor=ink, edgecolor="none"))
        _line(axes, _arc((0.5 + side * 0.18, 0.355), 0.105, 0.045, 1.12, 1.88), ink)
    _line(axes, np.array([(0.475, 0.47), (0.455, 0.60), (0.475, 0.63), (0.52, 0.63)]), ink)
    _line(axes, _arc(_MOUTH, 0.11, 0.022, 0, 2), ink)
    _line(axes, np.array([(0.40, 0.78), (0.5, 0.786), (0.60, 0.78)]), ink)


def _arc(middle: Point, across: float, down: float, start: float, end: float) -> NDArray[np.float64]:
    """Points `(n, 2)` of an ellipse, from one angle to another in half turns."""
    turn = np.linspace(start * np.pi, end * np.pi, 41)
    return np.stack([middle[0] + across * np.cos(turn), middle[1] + down * np.sin(turn)], axis=1)


def _line(axes: Axes, points: NDArray[np.float64], ink: str) -> None:
    axes.plot(*points.T, color=ink, linewidth=1.1, solid_capstyle="round")
