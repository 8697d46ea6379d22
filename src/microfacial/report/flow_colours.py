"""Flow and strain as colours. They are for people. Models use the numbers.

Hue shows direction, and saturation shows length. Brightness is constant. Skin that does not move is white. The hues
follow the wheel of Baker et al., whose pure colours are not evenly spaced: red is right, yellow is down, cyan is left
and violet is up.

Source: Baker et al., A database and evaluation methodology for optical flow, IJCV 2011, doi:10.1007/s11263-010-0390-2.
There, lengths beyond the maximum become darker; here they keep the full colour.
"""

from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from microfacial.errors import StorageError
from microfacial.records import FloatArray, Image

RealArray = NDArray[np.floating[Any]]
"""Real numbers of any precision, of any shape."""

ROBUST_PERCENT = 99.0  # this share of all values is below full colour; the rest is mostly noise and borders
MIN_FULL_COLOUR = {"px": (0.2, 0.03), "stretched": (1.0, 1.0)}
"""Unit of the flow → smallest flow and strain that get full colour, so that mere noise on a face stays pale."""

_STRAIN_MAP = "magma"  # equal steps look equal; black is no strain
_ANGLES = (
    np.array([0, 15, 21, 25, 36, 49, 55]) / 55 * 2 * np.pi
)  # of the pure colours in _HUES: 0 is right, a quarter turn is down
_HUES = np.array([0, 60, 120, 180, 240, 300, 360])  # degrees: red, yellow, green, cyan, blue, magenta, red


def colour_flow(flow: RealArray, full_colour: float) -> Image:
    """Return flow as an image.

    Args:
        flow: Flow `(2, H, W)`: motion to the right, motion down.
        full_colour: Length that gets full colour, in the unit of the flow. Longer motions have the same colour.

    Returns:
        Image `(H, W, 3)` uint8, BGR.

    Raises:
        StorageError: A value is not finite.
    """
    right, down = require_finite(flow, "flow")
    hue = np.interp(np.arctan2(down, right) % (2 * np.pi), _ANGLES, _HUES)
    saturation = np.minimum(np.hypot(right, down) / full_colour, 1.0)
    colours = np.stack([hue, saturation, np.ones_like(hue)], axis=-1).astype(np.float32)
    return np.rint(255 * cv2.cvtColor(colours, cv2.COLOR_HSV2BGR)).astype(np.uint8)


def colour_strain(strain: RealArray, full_colour: float) -> Image:
    """Return strain as an image, from black (none) to pale yellow.

    Args:
        strain: Strain `(H, W)`.
        full_colour: Strain that gets pale yellow. Larger values have the same colour.

    Returns:
        Image `(H, W, 3)` uint8, BGR.

    Raises:
        StorageError: A value is not finite.
    """
    shares = np.clip(require_finite(strain, "strain") / full_colour, 0.0, 1.0)
    return np.ascontiguousarray(np.rint(255 * colormaps[_STRAIN_MAP](shares))[..., 2::-1]).astype(np.uint8)


def colour_wheel(side_px: int) -> Image:
    """Return the legend of `colour_flow`: a disc on white, whose points show motion from the centre to them.

    Args:
        side_px: Side of the image in px.

    Returns:
        Image `(side_px, side_px, 3)` uint8, BGR.
    """
    steps = (np.arange(side_px) + 0.5) / side_px * 2 - 1
    motion = np.stack(np.meshgrid(steps, steps))
    motion[:, np.hypot(*motion) > 1] = 0
    return colour_flow(motion, 1.0)


def measure_lengths(flow: RealArray) -> FloatArray:
    """Return the length of each motion, `(H, W)`.

    Args:
        flow: Flow `(2, H, W)` or more channels, of which the first two count: motion to the right, motion down.
    """
    lengths: FloatArray = np.hypot(flow[0], flow[1]).astype(np.float64)
    return lengths


def robust_maximum(values: RealArray, at_least: float) -> float:
    """Return the value that one percent of all values exceed, so that a few outliers do not make the rest pale.

    Args:
        values: Values of any shape.
        at_least: Lower limit of the result.
    """
    return max(float(np.percentile(values, ROBUST_PERCENT)), at_least)


def require_finite(values: RealArray, name: str) -> FloatArray:
    """Return the values as float64.

    Args:
        values: Values of any shape.
        name: Clip or quantity that the error message names.

    Raises:
        StorageError: A value is infinite or not a number.
    """
    count = int((~np.isfinite(values)).sum())
    if count:
        raise StorageError(
            f"{name}: {count} values are not finite. Delete the flow folder of the data set and run `dvc repro`"
        )
    return values.astype(np.float64)
