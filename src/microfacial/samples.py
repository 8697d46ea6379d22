"""Flow → what models see. Pure functions of one clip at a time, so nothing leaks from clip to clip."""

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.errors import ProtocolError
from microfacial.records import ONSET_APEX, Clip, FlowStore, Samples
from microfacial.strain import strain


def full_face(store: FlowStore, size_px: int) -> NDArray[np.float32]:
    """Onset→apex motion of the whole face, `(N, 3, size_px, size_px)`: u, v, strain."""
    return np.stack([_resize(motion, size_px) for motion in _onset_apex(store)])


def face_regions(store: FlowStore, size_px: int) -> NDArray[np.float32]:
    """Onset→apex motion of each region, cut from the full face, `(N, R, 3, size_px, size_px)`: u, v, strain.

    Lengths stay in aligned pixels whatever a region's size.
    """
    return np.stack(
        [
            np.stack([_resize(motion[:, top:bottom, left:right], size_px) for top, left, bottom, right in boxes])
            for motion, boxes in zip(_onset_apex(store), store.boxes, strict=True)
        ]
    )


def make_samples(inputs: NDArray[np.float32], clips: tuple[Clip, ...], classes: tuple[str, ...]) -> Samples:
    """Join a model's inputs, `(N, …)`, with labels and with who each row is.

    Raises:
        ProtocolError: a clip's label is not in the class list.
    """
    strangers = sorted({clip.label for clip in clips} - set(classes))
    if strangers:
        raise ProtocolError(f"label {strangers[0]!r} is not in the class list {', '.join(classes)}. Run `dvc repro`")
    return Samples(
        inputs=np.ascontiguousarray(inputs),  # another layout in memory is another order of sums, in the last bits
        labels=np.array([classes.index(clip.label) for clip in clips], dtype=np.int64),
        subjects=np.array([clip.person for clip in clips]),
        corpora=np.array([clip.corpus for clip in clips]),
        clips=np.array([clip.id for clip in clips]),
        classes=classes,
    )


def _onset_apex(store: FlowStore) -> list[NDArray[np.float32]]:
    """u, v and strain over onset→apex, `(3, H, W)` a clip; published maps bring their own strain."""
    flows = (flow.astype(np.float32) for flow in store.flow[:, store.windows.index(ONSET_APEX)])
    if store.unit == "stretched":
        return list(flows)
    return [np.concatenate([flow, strain(flow)[None]]) for flow in flows]


def _resize(motion: NDArray[np.float32], size_px: int) -> NDArray[np.float32]:
    """Motion `(C, h, w)` → `(C, size_px, size_px)`: averaged where it shrinks, interpolated where it grows."""
    if motion.shape[1:] == (size_px, size_px):
        return motion
    shrinks = min(motion.shape[1:]) >= size_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(motion.transpose(1, 2, 0), (size_px, size_px), interpolation=method)
    return np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)
