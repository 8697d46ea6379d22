"""Faces and flow → what models see. Pure functions of one clip at a time, so nothing leaks from clip to clip."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.action_units import moved_regions
from microfacial.errors import ProtocolError
from microfacial.preprocessing.strain import strain
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Clip, FaceStore, Inputs, Samples

MotionInput = NDArray[np.float32]
WHOLE_FACE = "whole face"  # beside the names of its regions


def full_face(store: FaceStore, size_px: int) -> Inputs:
    """Onset→apex motion of the whole face, `(N, 3, size_px, size_px)`: u, v, strain; none below and beside the jaw."""
    windows = (_window(store, row, ONSET_APEX) for row in range(len(store.clips)))
    return Inputs(values=np.stack([_whole(motion, store, size_px) for motion in windows]))


def apex_crops(store: FaceStore, size_px: int) -> Inputs:
    """The aligned apex, `(N, 3, size_px, size_px)`: red, green and blue, from −0.5 to 0.5."""
    pictures = (apex[..., ::-1].astype(np.float32) / 255 - 0.5 for _, apex in store.crops)
    return Inputs(values=np.stack([_resize(picture.transpose(2, 0, 1), size_px) for picture in pictures]))


def face_regions(store: FaceStore, size_px: int, *, whole_face: bool = False) -> Inputs:
    """Onset→apex motion of each region, cut from the full face, `(N, R, 3, size_px, size_px)`: u, v, strain.

    Lengths stay in aligned pixels whatever a region's size.

    Args:
        whole_face: whether the whole face follows as one more region.
    """
    windows = region_windows(store, size_px, (ONSET_APEX,), whole_face=whole_face)
    return Inputs(values=windows.values[:, 0], regions=windows.regions, mirror=windows.mirror)


def region_windows(store: FaceStore, size_px: int, windows: Sequence[str], *, whole_face: bool = False) -> Inputs:
    """Motion of each region over some windows, `(N, W, R, 3, size_px, size_px)`; see `face_regions`."""
    values = np.stack(
        [
            np.stack([_cut(store, row, window, size_px, whole_face) for window in windows])
            for row in range(len(store.clips))
        ]
    )
    return Inputs(
        values=values,
        windows=tuple(windows),
        regions=(*store.regions, *([WHOLE_FACE] if whole_face else [])),
        mirror=mirror_of(store.regions, whole_face=whole_face),
    )


def phase_windows(store: FaceStore, per_phase: int) -> tuple[str, ...]:
    """Names of the windows from onset over apex to offset, so many a phase; onset→apex alone where no more is stored.

    Args:
        per_phase: 0 (onset→apex alone), 1 or 2.
    """
    if per_phase == 0 or not set(PHASE_WINDOWS) <= set(store.windows):
        return (ONSET_APEX,)
    return (ONSET_APEX, APEX_OFFSET) if per_phase == 1 else PHASE_WINDOWS


def mirror_of(regions: Sequence[str], *, whole_face: bool) -> tuple[int, ...]:
    """The order of the regions in a mirror: what is left becomes right."""
    swap = {"left": "right", "right": "left"}
    mirrored = [" ".join(swap.get(word, word) for word in name.split()) for name in regions]
    order = tuple(regions.index(name) for name in mirrored)
    return (*order, len(regions)) if whole_face else order


def make_samples(inputs: Inputs, store: FaceStore, clips: tuple[Clip, ...], classes: tuple[str, ...]) -> Samples:
    """Join a model's inputs with labels and with who each row is.

    Raises:
        ProtocolError: a clip's label is not in the class list.
    """
    strangers = sorted({clip.label for clip in clips} - set(classes))
    if strangers:
        raise ProtocolError(f"label {strangers[0]!r} is not in the class list {', '.join(classes)}. Run `dvc repro`")
    return Samples(
        inputs=np.ascontiguousarray(inputs.values),  # another layout is another order of sums, in the last bits
        labels=np.array([classes.index(clip.label) for clip in clips], dtype=np.int64),
        subjects=np.array([clip.person for clip in clips]),
        corpora=np.array([clip.corpus for clip in clips]),
        clips=np.array([clip.id for clip in clips]),
        active=_active(clips, store.regions, len(inputs.mirror)),
        classes=classes,
        windows=inputs.windows,
        regions=inputs.regions,
        mirror=inputs.mirror,
    )


def _active(clips: Sequence[Clip], regions: Sequence[str], count: int) -> NDArray[np.bool_]:
    """Which regions annotated action units move, `(N, count)`; any of them moves the whole face, if that follows."""
    moved = np.array([moved_regions(clip.action_units, regions) for clip in clips], dtype=np.bool_)
    return np.concatenate([moved, moved.any(axis=1, keepdims=True)], axis=1)[:, :count]


APEX_OFFSET = "apex>offset"
_SUMS = {APEX_OFFSET: ("apex>fall", "fall>offset")}


def _window(store: FaceStore, row: int, name: str) -> MotionInput:
    """u, v and strain of one clip over one window, `(3, H, W)`; published maps bring their own strain.

    Windows that follow one another are summed: motions of a pixel or less hardly move where they are measured.
    """
    parts = [store.flow[row, store.windows.index(part)].astype(np.float32) for part in _SUMS.get(name, (name,))]
    flow: MotionInput = np.sum(parts, axis=0) if len(parts) > 1 else parts[0]
    if store.unit == "stretched":
        return flow
    return np.concatenate([flow, strain(flow)[None]])


def _cut(store: FaceStore, row: int, window: str, size_px: int, whole_face: bool) -> MotionInput:
    """Regions of one window, `(R, 3, size_px, size_px)`."""
    motion = _window(store, row, window)
    regions = [_resize(motion[:, top:bottom, left:right], size_px) for top, left, bottom, right in store.boxes[row]]
    return np.stack([*regions, _whole(motion, store, size_px)] if whole_face else regions)


def _whole(motion: MotionInput, store: FaceStore, size_px: int) -> MotionInput:
    """The whole face of one window, `(3, size_px, size_px)`; published maps are shown as they are."""
    return _resize(motion if store.unit == "stretched" else motion * face_area(motion.shape[-1]), size_px)


# The jaw of the mean face, in sides of the aligned square, with room for faces that are wider or longer.
_CHEEKS, _JAW_WIDTH, _JAW_HEIGHT = 0.40, 0.53, 0.61


def face_area(size_px: int) -> NDArray[np.bool_]:
    """Where faces lie on the aligned square, `(size_px, size_px)`: all above the cheeks, below them half an ellipse.

    In the corners that are left out, what is behind a head moves against it, and may move more than the face.
    """
    rows, columns = (np.indices((size_px, size_px)) + 0.5) / size_px
    across, down = (columns - 0.5) / _JAW_WIDTH, np.maximum(rows - _CHEEKS, 0.0) / _JAW_HEIGHT
    return np.asarray(across**2 + down**2 < 1, dtype=np.bool_)


def _resize(motion: MotionInput, size_px: int) -> MotionInput:
    """Motion `(C, h, w)` → `(C, size_px, size_px)`: averaged where it shrinks, interpolated where it grows."""
    if motion.shape[1:] == (size_px, size_px):
        return motion
    shrinks = min(motion.shape[1:]) >= size_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(motion.transpose(1, 2, 0), (size_px, size_px), interpolation=method)
    return np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)
