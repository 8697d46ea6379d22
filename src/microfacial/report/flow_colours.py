"""Flow and strain as colours for the eye. Models never see them.

Hue is direction and saturation is length; what does not move is white. Hues stand round the circle as on the wheel of
Baker et al., where red is right, yellow down, cyan left and violet up: yellow and cyan, which hues at even steps would
squeeze, get more room.

Source: Baker et al., A database and evaluation methodology for optical flow, IJCV 2011, doi:10.1007/s11263-010-0390-2.
There lengths beyond the longest grow dark; here they stay at full colour.
"""

from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from microfacial.errors import StorageError

Field = NDArray[np.floating[Any]]
Picture = NDArray[np.uint8]

ROBUST_PERCENT = 99.0  # the longest motion but for the last hundredth, which is noise and borders
# What noise alone comes to on faces is no motion, so it must not fill the scale.
LEAST = {"px": (0.2, 0.03), "stretched": (1.0, 1.0)}  # full colour of flow and strain, at least
STRAIN_MAP = "magma"  # even steps to the eye: black is none
_TURN = np.array([0, 15, 21, 25, 36, 49, 55]) / 55 * 2 * np.pi  # angles of the wheel's pure colours, from right to down
_HUES = np.array([0, 60, 120, 180, 240, 300, 360])  # degrees: red, yellow, green, cyan, blue, magenta, red


def colour_flow(flow: Field, longest: float) -> Picture:
    """Flow `(2, H, W)` as a picture `(H, W, 3)`, BGR; lengths from `longest` on have full colour.

    Convention: `flow[0]` is motion to the right, `flow[1]` motion down.

    Raises:
        StorageError: a value is not finite.
    """
    right, down = require_finite(flow, "flow")
    hue = np.interp(np.arctan2(down, right) % (2 * np.pi), _TURN, _HUES)
    saturation = np.minimum(np.hypot(right, down) / longest, 1.0)
    colours = np.stack([hue, saturation, np.ones_like(hue)], axis=-1).astype(np.float32)
    return np.rint(255 * cv2.cvtColor(colours, cv2.COLOR_HSV2BGR)).astype(np.uint8)


def colour_strain(strain: Field, largest: float) -> Picture:
    """Strain `(H, W)` as a picture `(H, W, 3)`, BGR, from black to pale yellow at `largest` and beyond.

    Raises:
        StorageError: a value is not finite.
    """
    shares = np.clip(require_finite(strain, "strain") / largest, 0.0, 1.0)
    return np.ascontiguousarray(np.rint(255 * colormaps[STRAIN_MAP](shares))[..., 2::-1]).astype(np.uint8)


def colour_wheel(side_px: int) -> Picture:
    """The legend of `colour_flow`, made by it: a disc on white, each point coloured as motion from the centre to it."""
    steps = (np.arange(side_px) + 0.5) / side_px * 2 - 1
    motion = np.stack(np.meshgrid(steps, steps))
    motion[:, np.hypot(*motion) > 1] = 0
    return colour_flow(motion, 1.0)


def lengths(flow: Field) -> NDArray[np.float64]:
    """Length of each motion of flow `(2, H, W)`."""
    return np.asarray(np.hypot(flow[0], flow[1]), dtype=np.float64)


def robust_maximum(values: Field, at_least: float) -> float:
    """The value that a hundredth of all exceed, so that a few wild pixels do not pale the rest, or `at_least`."""
    return max(float(np.percentile(values, ROBUST_PERCENT)), at_least)


def require_finite(values: Field, what: str) -> NDArray[np.float64]:
    """The values as float64.

    Raises:
        StorageError: one of them is infinite or no number.
    """
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise StorageError(
            f"{what}: {wrong} values are not finite. Delete the data set's flow folder and run `dvc repro`"
        )
    return np.asarray(values, dtype=np.float64)
