"""Read a clip from outside the data sets, with the same steps as the stages `faces` and `flow`."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from microfacial.api.stage_configs import as_faces_config, as_flow_config
from microfacial.datasets.frames import Recording, find_gap, frame_times, open_clip, read_frames, require_fps
from microfacial.errors import ConfigError, DatasetError
from microfacial.files import as_path
from microfacial.inference.head_check import check_head, report_choice
from microfacial.preprocessing.aligned_frames import locate_clip, read_aligned_frames
from microfacial.preprocessing.face_track import track_face
from microfacial.preprocessing.faces import FacesConfig, align, locate, region_names
from microfacial.preprocessing.flow import WINDOWS, FlowConfig, compute_clip_flow, key_frames
from microfacial.preprocessing.spotting import spot_apex, spot_track
from microfacial.records import ONSET_APEX, Clip, Face, FaceStore, Image

_LOG = logging.getLogger(__name__)
_CORPUS = "recording"  # a clip from outside belongs to no corpus


def read_clip(
    path: Path | str,
    onset: int | None = None,
    apex: int | None = None,
    offset: int | None = None,
    *,
    fps: float | None = None,
    faces: FacesConfig | Mapping[str, Any] | None = None,
    flow: FlowConfig | Mapping[str, Any] | None = None,
) -> FaceStore:
    """Return the crops, flow and regions of one clip, computed as for a clip of a data set.

    Spotting finds the moments that are not given. Give onset and apex, onset and offset, or none of the three. With
    onset and apex alone, the result has the flow of onset→apex only.

    Args:
        path: a video or a folder of frames. The first frame of a video is number 1. The frames in a folder have numbers
            in their names.
        onset: number of the frame before the movement.
        apex: number of the frame where the movement peaks.
        offset: number of the frame where the movement has ended.
        fps: frames per second, which spotting needs. Defaults to the frame rate in the video file.
        faces: how to locate the face: a section, or keys of the section `faces` of params.yaml. Missing keys have their
            defaults.
        flow: how to compute the flow, in the same way. Settings of a method need `method`, unless it is the default.

    Returns:
        A store with one clip.

    Raises:
        DatasetError: frames are missing or unreadable, no face or movement is found, the head moves too far, or the
            moments are out of order.
        ConfigError: an argument has a wrong type, a setting is wrong, or the settings are for published maps, which
            have no frames.
    """
    faces_config, flow_config = as_faces_config(faces, "read_clip"), as_flow_config(flow, "read_clip")
    if faces_config.method == "whole" or flow_config.method == "published":
        raise ConfigError(
            f"{path}: faces.method {faces_config.method} and flow.method {flow_config.method} cannot read a clip. The "
            "methods whole and published are for flow maps only. Choose other methods"
        )
    return read_moments(path, onset, apex, offset, fps=fps, faces=faces_config, flow=flow_config).store


class ReadClip(NamedTuple):
    """A clip that was read, with its moments.

    Attributes:
        store: crops, flow and regions of the clip.
        clip: the clip, whose moments were given or spotted. Onset and apex of a map are the same.
        seconds: time of each frame in seconds from the first frame, by its number; empty if unknown.
    """

    store: FaceStore
    clip: Clip
    seconds: Mapping[int, float]


def read_moments(
    path: Path | str,
    onset: int | None,
    apex: int | None,
    offset: int | None,
    *,
    fps: float | None,
    faces: FacesConfig,
    flow: FlowConfig,
) -> ReadClip:
    """Read a clip as `read_clip` does, or the picture of a map if the settings are for maps.

    Args:
        path: see `read_clip`.
        onset: see `read_clip`. A map has no moments.
        apex: see `read_clip`.
        offset: see `read_clip`.
        fps: see `read_clip`.
        faces: how to locate the face.
        flow: how to compute the flow.

    Raises:
        DatasetError: see `read_clip`.
        ConfigError: an argument has a wrong type.
    """
    _check_numbers(fps, onset=onset, apex=apex, offset=offset)
    if faces.method == "whole":
        clip = _open_map(as_path(path, "read_clip: path"))
        return ReadClip(read_map(path, faces=faces, flow=flow), clip, {})
    recording = open_clip(as_path(path, "read_clip: path"))
    if fps is not None:
        require_fps(recording, fps)
    is_tracked = onset is None and apex is None  # then `_spot` reports the choice among several faces
    if onset is None or apex is None:
        onset, apex, offset = _spot(recording, onset, apex, offset, fps)
    clip = _check_moments(recording, onset, apex, offset)
    check_head(clip, recording.root, faces, report=not is_tracked)
    store = _compute_store(clip, recording.root, faces, flow)
    _check_motion(store, f"{path}: from frame {onset} to {apex}")
    seconds = frame_times(recording, fps)
    return ReadClip(store if offset is not None else _take_onset_apex(store), clip, seconds)


def _check_numbers(fps: object, **moments: object) -> None:
    """Refuse moments that are not whole numbers, and a frame rate that is not a number."""
    for name, number in moments.items():
        if isinstance(number, bool) or not isinstance(number, int | np.integer | None):
            raise ConfigError(f"read_clip: {name} must be a whole number, found {number!r}. Give the number of a frame")
    if isinstance(fps, bool) or not isinstance(fps, int | float | np.integer | np.floating | None):
        raise ConfigError(f"read_clip: fps must be a number, found {fps!r}. Give the frames per second")


def read_map(path: Path | str, *, faces: FacesConfig, flow: FlowConfig) -> FaceStore:
    """Return a published flow map as a store with one clip. The map is a picture of the motion of one clip.

    Args:
        path: the picture.
        faces: settings with the method `whole`.
        flow: settings with the method `published`.

    Returns:
        A store with one clip, in the same form as the maps of a data set.

    Raises:
        DatasetError: the picture is missing, unreadable or not square, or its motion is zero everywhere.
    """
    path = as_path(path, "read_map: path")
    store = _compute_store(_open_map(path), path.parent, faces, flow)
    _check_motion(store, f"{path}: in this map")
    return store


def _open_map(path: Path) -> Clip:
    """Return the picture of a map as a clip with a single frame."""
    recording = Recording(root=path.parent, frames=path.name, numbers=(0,), fps=None)
    return make_recorded_clip(recording, 0, 0, 0)


def _spot(
    recording: Recording, onset: int | None, apex: int | None, offset: int | None, fps: float | None
) -> tuple[int, int, int]:
    """Return onset, apex and offset. Spot the apex alone if onset and offset are given, and all three otherwise."""
    path = locate_clip(recording.root, recording.frames)
    known_fps = require_fps(recording, fps)
    if apex is not None or (onset is None) != (offset is None):
        moments = {"onset": onset, "apex": apex, "offset": offset}
        given = " and ".join(f"{name} {number}" for name, number in moments.items() if number is not None)
        raise DatasetError(
            f"{path}: spotting cannot complete {given}. Give onset and apex, onset and offset, or none of the three"
        )
    if onset is not None and offset is not None:
        numbers = [number for number in recording.numbers if onset <= number <= offset]
        if not numbers:
            first, last = recording.numbers[0], recording.numbers[-1]
            raise DatasetError(
                f"{path}: no frame from {onset} to {offset}, only {first} to {last}. Correct the moments"
            )
        frames, skin = read_aligned_frames(recording, recording.root, numbers)
        return onset, spot_apex(frames, known_fps, onset, offset, skin=skin), offset
    if gap := find_gap(recording):
        _LOG.warning("%s: %s", path, gap)
    track = track_face(recording, recording.root, known_fps)
    report_choice(path, track.faces)
    interval = spot_track(track, known_fps, frame_times(recording, fps))
    return interval.onset, interval.apex, interval.offset


def _check_moments(recording: Recording, onset: int, apex: int, offset: int | None) -> Clip:
    """Return a clip with these moments. Without an offset, it ends at its apex. It needs onset < apex ≤ offset."""
    end = apex if offset is None else offset
    path = locate_clip(recording.root, recording.frames)
    for number in (onset, apex, end):
        if number not in recording.numbers:
            raise DatasetError(
                f"{path} has no frame {number}. Choose a frame from {recording.numbers[0]} to {recording.numbers[-1]}"
            )
    if not onset < apex <= end:
        raise DatasetError(
            f"{path}: onset {onset}, apex {apex} and offset {end} are not in this order in time. Correct them"
        )
    return make_recorded_clip(recording, onset, apex, end)


def _check_motion(store: FaceStore, where: str) -> None:
    """Refuse a clip whose flow from onset to apex is exactly zero. This happens if a frame is a copy of another."""
    if not store.flow[0, store.windows.index(ONSET_APEX), :2].any():
        raise DatasetError(
            f"{where} nothing moves: the flow is exactly zero, so there is no expression to recognise. Use other "
            "moments, or record or convert the clip again"
        )


def make_recorded_clip(recording: Recording, onset: int, apex: int, offset: int) -> Clip:
    """Return a clip with these moments in a recording. It has no label.

    Args:
        recording: the recording.
        onset: number of the frame before the movement.
        apex: number of the frame where the movement peaks.
        offset: number of the frame where the movement has ended.
    """
    return Clip(
        corpus=_CORPUS,
        subject=recording.root.name,
        name=recording.frames,
        emotion="",
        label="",
        action_units="",
        frames=recording.frames,
        numbers=recording.numbers,
        onset=onset,
        apex=apex,
        offset=offset,
        apex_source="annotated",
        fps=recording.fps or 0.0,
        cropped=False,
    )


def _compute_store(clip: Clip, root: Path, faces: FacesConfig, flow: FlowConfig) -> FaceStore:
    """Locate the face and compute the flow of one clip, as the stages `faces` and `flow` do."""
    frames = read_frames(clip, root, key_frames(clip))
    return make_store(clip, locate(clip, frames[clip.onset], faces), frames, faces, flow)


def make_store(
    clip: Clip,
    face: Face,
    frames: Mapping[int, Image],
    faces: FacesConfig,
    flow: FlowConfig,
    windows: Sequence[str] = WINDOWS,
) -> FaceStore:
    """Compute the flow of one clip, as the stage `flow` does.

    Args:
        clip: the clip.
        face: place of its face.
        frames: key frames by number, `(H, W, 3)` uint8 BGR.
        faces: how the face was located.
        flow: how to compute the flow.
        windows: names of the windows to compute, some of `WINDOWS`.

    Returns:
        A store with one clip.

    Raises:
        DatasetError: the clip has no flow; see `compute_flow`.
    """
    motion = compute_clip_flow(clip, face, frames, faces.size_px, flow, windows)
    return FaceStore(
        clips=(clip.id,),
        crops=np.stack([align(frames[number], face, faces.size_px) for number in (clip.onset, clip.apex)])[None],
        flow=motion.flow[None],
        windows=motion.windows,
        unit=motion.unit,
        boxes=np.array([face.boxes], dtype=np.int64),
        regions=region_names(faces),
    )


def _take_onset_apex(store: FaceStore) -> FaceStore:
    row = store.windows.index(ONSET_APEX)
    return replace(store, flow=store.flow[:, row : row + 1], windows=(ONSET_APEX,))
