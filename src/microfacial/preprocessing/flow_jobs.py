"""Flow of many clips, computed by several processes. Finished clips are taken from a cache."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from joblib import delayed
from numpy.typing import NDArray

from microfacial.datasets.frames import read_listed_frames
from microfacial.errors import DamagedError
from microfacial.files import refuse_damaged
from microfacial.preprocessing.clip_cache import ClipCache, clip_key
from microfacial.preprocessing.face_jobs import ReportProgress
from microfacial.preprocessing.flow import FlowConfig, compute_clip_flow, flow_layout, key_frames
from microfacial.records import Clip, Face, FlowSequence
from microfacial.workers import make_parallel


def compute_flow_of_clips(
    clips: Sequence[Clip],
    faces: Sequence[Face],
    size_px: int,
    config: FlowConfig,
    *,
    cache: ClipCache,
    frames_root: Path,
    processes: int,
    code: str,
    report: ReportProgress,
) -> Iterator[tuple[int, NDArray[np.float16]]]:
    """Compute the flow of clips, or take it from an earlier run with the same inputs.

    Args:
        clips: clips with the digests of their frames.
        faces: face of each clip, in the same order.
        size_px: side of the aligned square.
        config: settings of flow.
        cache: finished clips of earlier runs.
        frames_root: folder that contains the corpora.
        processes: number of worker processes.
        code: digest of the code on which flow depends. Flow that was stored with another digest is not used.
        report: called once at the start and once after every clip that was computed.

    Yields:
        The index of a clip and its flow, `(T, C, H, W)`. Each clip once, in any order.

    Raises:
        DatasetError: A frame cannot be read, or a clip has no flow.
        StorageError: a file of the cache is damaged, or the disk is full.
    """
    settings = (size_px, config.model_dump())
    keys = [clip_key(clip, code, face.transform.tolist(), *settings) for clip, face in zip(clips, faces, strict=True)]
    finished = cache.start(keys)
    missing = [row for row, key in enumerate(keys) if key not in finished]
    report(len(clips) - len(missing), len(clips))
    for row, key in enumerate(keys):
        if key in finished:
            yield row, _read(cache, key, size_px, config)
    if not missing:
        return
    root = frames_root.resolve()  # worker processes may have another working directory
    jobs = (delayed(_compute)(clips[row], faces[row], root, size_px, config) for row in missing)
    flows = make_parallel(min(processes, len(missing)))(jobs)
    rows = {clip.id: row for row, clip in enumerate(clips)}
    for count, sequence in enumerate(flows, len(clips) - len(missing) + 1):
        row = rows[sequence.clip]
        cache.write(keys[row], {"flow": sequence.flow})
        report(count, len(clips))
        yield row, sequence.flow


def _compute(clip: Clip, face: Face, root: Path, size_px: int, config: FlowConfig) -> FlowSequence:
    """Read the key frames of one clip and compute its flow in one thread, since clips run in parallel."""
    cv2.setNumThreads(1)
    frames = read_listed_frames(clip, root, key_frames(clip))
    return compute_clip_flow(clip, face, frames, size_px, config)


def _read(cache: ClipCache, key: str, size_px: int, config: FlowConfig) -> NDArray[np.float16]:
    """Return the flow of a finished clip."""
    windows, channels, _ = flow_layout(config)
    flow = cache.read(key, ("flow",))["flow"]
    shape = (len(windows), channels, size_px, size_px)
    with refuse_damaged(cache.path(key), cache.remedy):
        if flow.dtype != np.float16 or flow.shape != shape:
            raise DamagedError(f"{flow.dtype} {flow.shape} instead of float16 {shape}")
    return flow
