"""Compute the inputs of models from faces and flow. Each clip is processed alone, so nothing leaks between clips."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.action_units import SCORED_UNITS, label_units, moved_regions
from microfacial.disk import stack_rows
from microfacial.errors import ProtocolError
from microfacial.models.mirror import mirror_order
from microfacial.preprocessing.strain import strain
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Clip, FaceStore, Inputs, Samples

WHOLE_FACE = "whole face"  # name of the whole face in a list of regions
APEX_OFFSET = "apex>offset"
PORTRAIT = (0.0, 0.088, 0.9, 0.912)
"""Frame of drawn faces on the aligned square: top, left, bottom, right, in sides of the square.

The eyes of drawn faces are .27 of the frame's width from the midline and .27 of its height from its top. Those of the
mean face are .2225 and .24 of the square."""

_SUMS = {APEX_OFFSET: ("apex>fall", "fall>offset")}  # windows that are the sum of stored windows

# The jaw of the mean face, in sides of the aligned square, with a margin for faces that are wider or longer.
_CHEEKS, _JAW_WIDTH, _JAW_HEIGHT = 0.40, 0.53, 0.61

FaceFrame = Literal["square", "portrait"]
"""Part of the aligned square that counts as the whole face: all of it, or the frame of drawn faces."""

_Maps = NDArray[np.float32]


def full_face(store: FaceStore, size_px: int) -> Inputs:
    """Return the onset→apex motion of the whole face. Pixels below and beside the jaw are 0; see `face_area`.

    Args:
        store: aligned faces and flow of N clips.
        size_px: side of the maps.

    Returns:
        Values `(N, 3, size_px, size_px)` float32: u, v, strain.
    """
    motions = (_motion(store, row, ONSET_APEX) for row in range(len(store.clips)))
    return Inputs(values=stack_rows((_whole_face(motion, store, size_px) for motion in motions), len(store.clips)))


def portrait(store: FaceStore, size_px: int, *, channels: Literal[2, 3] = 2) -> Inputs:
    """Return the onset→apex motion in the frame of drawn faces: from above the brows to the mouth, a bit narrower.

    Published maps show this frame already. See `datasets.drawn_motion.fields` for the places of eyes and mouth in it.

    Args:
        store: aligned faces and flow of N clips.
        size_px: side of the maps.
        channels: 2 for u and v, 3 to add strain.

    Returns:
        Values `(N, channels, size_px, size_px)` float32. Pixels outside the face are 0; see `face_area`.
    """
    motions = (_motion(store, row, ONSET_APEX)[:channels] for row in range(len(store.clips)))
    return Inputs(values=stack_rows((_portrait(motion, store, size_px) for motion in motions), len(store.clips)))


def apex_crops(store: FaceStore, size_px: int) -> Inputs:
    """Return the aligned apex frames.

    Args:
        store: aligned faces and flow of N clips.
        size_px: side of the images.

    Returns:
        Values `(N, 3, size_px, size_px)` float32: red, green and blue, from −0.5 to 0.5.
    """
    images = (apex[..., ::-1].astype(np.float32) / 255 - 0.5 for _, apex in store.crops)
    resized = (_resize(image.transpose(2, 0, 1), size_px) for image in images)
    return Inputs(values=stack_rows(resized, len(store.clips)))


def face_regions(store: FaceStore, size_px: int, *, whole_face: bool = False, face: FaceFrame = "square") -> Inputs:
    """Return the onset→apex motion of each region, cut from the full face.

    The motion is in aligned pixels for every region, whatever the size of the region.

    Args:
        store: aligned faces and flow of N clips.
        size_px: side of the maps.
        whole_face: whether to append the whole face as one more region.
        face: see `region_windows`.

    Returns:
        Values `(N, R, 3, size_px, size_px)` float32: u, v, strain.
    """
    inputs = region_windows(store, size_px, (ONSET_APEX,), whole_face=whole_face, face=face)
    return Inputs(values=inputs.values[:, 0], regions=inputs.regions, mirror=inputs.mirror)


def region_windows(
    store: FaceStore,
    size_px: int,
    windows: Sequence[str],
    *,
    whole_face: bool = False,
    face: FaceFrame = "square",
) -> Inputs:
    """Return the motion of each region in several windows; see `face_regions`.

    Args:
        store: aligned faces and flow of N clips.
        size_px: side of the maps.
        windows: names of the W windows, in the order of the result.
        whole_face: whether to append the whole face as one more region.
        face: part of the aligned square that counts as the whole face. The motion prior needs `portrait`.

    Returns:
        Values `(N, W, R, 3, size_px, size_px)` float32: u, v, strain.
    """
    clips = (
        np.stack([_cut(store, row, window, size_px, whole_face, face) for window in windows])
        for row in range(len(store.clips))
    )
    return Inputs(
        values=stack_rows(clips, len(store.clips)),
        windows=tuple(windows),
        regions=(*store.regions, *([WHOLE_FACE] if whole_face else [])),
        mirror=mirror_order(store.regions, whole_face=whole_face),
    )


def phase_windows(store: FaceStore, per_phase: int) -> tuple[str, ...]:
    """Return the names of the windows from onset through apex to offset.

    Args:
        store: flow, whose stored windows limit the choice.
        per_phase: number of windows before the apex and after it, 1 or 2. With 0, there is only onset→apex.

    Returns:
        Names in the order of time. A store without the windows of both phases gives only onset→apex.
    """
    if per_phase == 0 or not set(PHASE_WINDOWS) <= set(store.windows):
        return (ONSET_APEX,)
    return (ONSET_APEX, APEX_OFFSET) if per_phase == 1 else PHASE_WINDOWS


def make_samples(inputs: Inputs, store: FaceStore, clips: tuple[Clip, ...], classes: tuple[str, ...]) -> Samples:
    """Combine a model's inputs with the label, subject and id of each clip.

    Args:
        inputs: inputs of N clips.
        store: the store that the inputs were computed from.
        clips: the N clips, in the order of the store.
        classes: names of the classes.

    Returns:
        One row per clip.

    Raises:
        ProtocolError: the label of a clip is not in the class list, or the list has a class twice.
    """
    unknown = sorted({clip.label for clip in clips} - set(classes))
    if unknown:
        raise ProtocolError(f"label {unknown[0]!r} is not in the class list {', '.join(classes)}. Run `dvc repro`")
    if len(set(classes)) < len(classes):
        raise ProtocolError(f"the class list {', '.join(classes)} has a class twice. Name each class once")
    return Samples(
        inputs=np.ascontiguousarray(inputs.values),  # another memory layout changes the order of sums, so the last bits
        labels=np.array([classes.index(clip.label) for clip in clips], dtype=np.int64),
        subjects=np.array([clip.person for clip in clips]),
        corpora=np.array([clip.corpus for clip in clips]),
        clips=np.array([clip.id for clip in clips]),
        active=_active_regions(clips, store.regions, len(inputs.mirror)),
        classes=classes,
        windows=inputs.windows,
        regions=inputs.regions,
        mirror=inputs.mirror,
        units=np.array([label_units(clip.action_units, SCORED_UNITS) for clip in clips], dtype=np.float32),
    )


def _active_regions(clips: Sequence[Clip], regions: Sequence[str], count: int) -> NDArray[np.bool_]:
    """Return which regions the annotated action units move, `(N, count)`. Any action unit moves the whole face."""
    moved = np.array([moved_regions(clip.action_units, regions) for clip in clips], dtype=np.bool_)
    return np.concatenate([moved, moved.any(axis=1, keepdims=True)], axis=1)[:, :count]


def _motion(store: FaceStore, row: int, window: str) -> _Maps:
    """Return u, v and strain of one clip in one window, `(3, H, W)`. Published maps contain their own strain.

    The motions of consecutive windows are added pixel by pixel. They are about a pixel long or shorter, so a point
    hardly leaves its pixel between windows.
    """
    parts = [store.flow[row, store.windows.index(part)].astype(np.float32) for part in _SUMS.get(window, (window,))]
    flow: _Maps = np.sum(parts, axis=0) if len(parts) > 1 else parts[0]
    if store.unit == "stretched":
        return flow
    return np.concatenate([flow, strain(flow)[None]])


def _cut(store: FaceStore, row: int, window: str, size_px: int, whole_face: bool, face: FaceFrame) -> _Maps:
    """Return the regions of one clip in one window, `(R, 3, size_px, size_px)`."""
    motion = _motion(store, row, window)
    regions = [_resize(motion[:, top:bottom, left:right], size_px) for top, left, bottom, right in store.boxes[row]]
    if not whole_face:
        return np.stack(regions)
    whole = _portrait(motion, store, size_px) if face == "portrait" else _whole_face(motion, store, size_px)
    return np.stack([*regions, whole])


def _whole_face(motion: _Maps, store: FaceStore, size_px: int) -> _Maps:
    """Return the whole face, `(3, size_px, size_px)`, without the pixels outside it. Published maps keep all pixels."""
    return _resize(motion if store.unit == "stretched" else motion * face_area(motion.shape[-1]), size_px)


def _portrait(motion: _Maps, store: FaceStore, size_px: int) -> _Maps:
    """Return the frame of drawn faces, `(C, size_px, size_px)`. Published maps show this frame already."""
    if store.unit != "stretched":
        side = motion.shape[-1]
        top, left, bottom, right = (round(share * side) for share in PORTRAIT)
        motion = motion[:, top:bottom, left:right] * face_area(side)[top:bottom, left:right]
    return _resize(motion, size_px)


@lru_cache
def face_area(size_px: int) -> NDArray[np.bool_]:
    """Return the area of the aligned square where faces lie: everything above the cheeks, and half an ellipse below.

    The corners outside show the background. It moves relative to the head, possibly more than the face does.

    Args:
        size_px: side of the square.

    Returns:
        `(size_px, size_px)` bool, read-only.
    """
    rows, columns = (np.indices((size_px, size_px)) + 0.5) / size_px
    across, down = (columns - 0.5) / _JAW_WIDTH, np.maximum(rows - _CHEEKS, 0.0) / _JAW_HEIGHT
    inside: NDArray[np.bool_] = across**2 + down**2 < 1
    inside.flags.writeable = False
    return inside


def _resize(maps: _Maps, size_px: int) -> _Maps:
    """Resize maps `(C, h, w)` to `(C, size_px, size_px)`: by averaging to shrink, by interpolation to enlarge."""
    if maps.shape[1:] == (size_px, size_px):
        return maps
    shrinks = min(maps.shape[1:]) >= size_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(maps.transpose(1, 2, 0), (size_px, size_px), interpolation=method)
    return np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)
