"""Optical strain: how much skin is stretched or sheared, whatever it is shifted or turned by.

Source: Shreve et al., FG 2011, doi:10.1109/FG.2011.5771451 (optical strain in facial expressions). The magnitude is the
Frobenius norm of the symmetric part of the flow's gradient.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def strain(flow: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Optical strain magnitude `(…, H, W)` of flow `(…, 2, H, W)`: sqrt(u_x² + v_y² + ½ (u_y + v_x)²), in px per px."""
    u, v = (np.asarray(flow[..., channel, :, :], dtype=np.float32) for channel in (0, 1))
    (u_y, u_x), (v_y, v_x) = (np.gradient(component, axis=(-2, -1)) for component in (u, v))
    return np.asarray(np.sqrt(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2), dtype=np.float32)
