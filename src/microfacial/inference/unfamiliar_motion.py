"""Tell motion that no model was trained on: noise, and what is left of the motion of a whole head.

Motion of skin is local, but neighbouring points move alike. Noise is rougher, and the motion of a head is smoother.
The limits come from drawn motion, on the grid of the motion prior (`python benchmarks/calibration.py`): one in a
hundred drawn maps has a roughness above .36, and one in a hundred a smooth share above .82. White noise has a roughness
above .75.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.models.prior import GRID_PX, prior_features
from microfacial.preprocessing.head_turn import smooth_share
from microfacial.records import ONSET_APEX, FaceStore

GREATEST_ROUGHNESS, GREATEST_SMOOTH_SHARE = 0.42, 0.88


def find_unfamiliar(store: FaceStore) -> str | None:
    """Return why the motion from onset to apex of a clip is unlike the motion of skin.

    Args:
        store: a store with one clip.

    Returns:
        The reason in words, or None for familiar motion.
    """
    motion = prior_features(store.flow[:, store.windows.index(ONSET_APEX), :2].astype(np.float32))[0]
    roughness, smooth = measure_roughness(motion), measure_smoothness(motion)
    if roughness > GREATEST_ROUGHNESS:
        return f"outside the training distribution: the motion is as rough as noise ({roughness:.2f})"
    if smooth > GREATEST_SMOOTH_SHARE:
        return f"outside the training distribution: the motion is that of the whole head ({smooth:.0%} of it is smooth)"
    return None


def measure_roughness(motion: NDArray[np.float32]) -> float:
    """Return the share of the squared motion that differs from the mean of the neighbours, 0 to 1.

    Args:
        motion: u and v without their medians, `(2, s, s)`, as `prior_features` returns them.
    """
    blurred = np.stack([cv2.blur(channel, (3, 3), borderType=cv2.BORDER_REFLECT) for channel in motion])
    total = float(np.square(motion).sum())
    return round(float(np.square(motion - blurred).sum()) / total, 4) if total else 1.0


def measure_smoothness(motion: NDArray[np.float32]) -> float:
    """Return the share of the squared motion that changes as smoothly as that of a rigid head, 0 to 1.

    Args:
        motion: see `measure_roughness`, with `s` equal to `GRID_PX`.
    """
    rows, columns = np.mgrid[:GRID_PX, :GRID_PX]
    return smooth_share(np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float64), motion.reshape(2, -1).T)
