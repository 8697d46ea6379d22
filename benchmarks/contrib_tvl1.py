"""TV-L1 of opencv-contrib-python on stored frames; `warps.py` runs this in an environment of its own.

    python contrib_tvl1.py PAIRS.npz FLOWS.npz

PAIRS holds `raw` and `flat`, uint8 and float32 frames `(N, 2, H, W)` of 0–255; FLOWS gets a flow `(N, H, W, 2)` each
for OpenCV's defaults on the raw frames and for lambda .3 with three scales on the flat ones.
"""

import sys

import cv2
import numpy as np


def main(pairs: str, flows: str) -> None:
    """Compute both flows of every pair on one thread."""
    cv2.setNumThreads(1)
    default = cv2.optflow.DualTVL1OpticalFlow.create()  # type: ignore[attr-defined]
    tuned = cv2.optflow.DualTVL1OpticalFlow.create()  # type: ignore[attr-defined]
    tuned.setLambda(0.3)
    tuned.setScalesNumber(3)
    with np.load(pairs) as stored:
        raw, flat = stored["raw"], stored["flat"] / np.float32(255)  # it scales float frames by 255
    np.savez(
        flows,
        default=np.stack([default.calc(first, last, None) for first, last in raw]),
        tuned=np.stack([tuned.calc(first, last, None) for first, last in flat]),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
