"""Optical strain: how much the skin is stretched or sheared. Shifts and rotations have no strain.

Source: Shreve et al., FG 2011, doi:10.1109/FG.2011.5771451 (optical strain in facial expressions). The magnitude is the
Frobenius norm of the symmetric part of the flow's gradient.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def strain(flow: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the magnitude of optical strain: sqrt(u_x² + v_y² + ½ (u_y + v_x)²).

    Args:
        flow: u and v in px, `(…, 2, H, W)`.

    Returns:
        Strain in px per px, `(…, H, W)` float32.
    """
    u, v = (flow[..., channel, :, :].astype(np.float32) for channel in (0, 1))
    (u_y, u_x), (v_y, v_x) = (np.gradient(component, axis=(-2, -1)) for component in (u, v))
    return np.sqrt(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2)
