"""Compute TV-L1 flow with opencv-contrib-python. `warps.py` runs this script in another environment.

    python contrib_tvl1.py PAIRS.npz FLOWS.npz

PAIRS has the arrays `raw`, uint8, and `flat`, float32: frames `(N, 2, H, W)` of 0–255. FLOWS gets two arrays of flow
`(N, H, W, 2)`: `default` of the raw frames with OpenCV's defaults, and `tuned` of the flat frames with lambda 0.3 and
three scales.
"""

import sys

import cv2
import numpy as np


def main(pairs: str, flows: str) -> None:
    """Compute both flows of every pair in one thread."""
    cv2.setNumThreads(1)
    default = cv2.optflow.DualTVL1OpticalFlow.create()  # type: ignore[attr-defined]
    tuned = cv2.optflow.DualTVL1OpticalFlow.create()  # type: ignore[attr-defined]
    tuned.setLambda(0.3)
    tuned.setScalesNumber(3)
    with np.load(pairs) as stored:
        raw, flat = stored["raw"], stored["flat"] / np.float32(255)  # OpenCV multiplies float frames by 255
    np.savez(
        flows,
        default=np.stack([default.calc(first, last, None) for first, last in raw]),
        tuned=np.stack([tuned.calc(first, last, None) for first, last in flat]),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
