"""Flow of many clips, computed by several processes and resumed after an interruption."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
from joblib import delayed

from microfacial import files
from microfacial.datasets.frames import read_frames
from microfacial.preprocessing.flow import FlowConfig, compute_clip_flow, flow_layout, key_frames
from microfacial.preprocessing.flow_writer import FlowWriter
from microfacial.records import Clip, Face, FlowSequence
from microfacial.workers import make_parallel

ReportProgress = Callable[[int, int], None]
"""Receives the number of clips that are done and the number of all clips."""


def compute_flow_of_clips(
    clips: Sequence[Clip],
    faces: Sequence[Face],
    size_px: int,
    config: FlowConfig,
    *,
    folder: Path,
    frames_root: Path,
    processes: int,
    code: str,
    report: ReportProgress,
) -> FlowWriter:
    """Compute the flow of clips, or take it from an earlier run with the same inputs.

    Args:
        clips: clips with the digests of their frames.
        faces: face of each clip, in the same order.
        size_px: side of the aligned square.
        config: settings of flow.
        folder: parent of the folder in which the flow is stored. The flow of other clips or settings lies in other
            subfolders.
        frames_root: folder that contains the corpora.
        processes: number of worker processes.
        code: digest of the code on which flow depends. Flow that was stored with another digest is not used.
        report: called once at the start and once after every clip that was computed.

    Returns:
        The finished flow of all clips, in their order. Its `folder` is a subfolder of `folder`.

    Raises:
        DatasetError: A frame cannot be read, or a clip has no flow.
    """
    keys = [_key(clip, face, size_px, config, code) for clip, face in zip(clips, faces, strict=True)]
    windows, channels, _ = flow_layout(config)
    shape = (len(clips), len(windows), channels, size_px, size_px)
    writer = FlowWriter(folder / files.digest([], keys, shape), shape)
    finished = writer.done()
    missing = [row for row, key in enumerate(keys) if key not in finished]
    report(len(clips) - len(missing), len(clips))
    if not missing:
        return writer
    root = frames_root.resolve()  # worker processes may have another working directory
    jobs = (delayed(_compute)(clips[row], faces[row], root, size_px, config) for row in missing)
    flows = make_parallel(min(processes, len(missing)))(jobs)
    rows = {clip.id: row for row, clip in enumerate(clips)}
    for count, sequence in enumerate(flows, len(clips) - len(missing) + 1):
        row = rows[sequence.clip]
        writer.add(row, keys[row], sequence.flow)
        report(count, len(clips))
    return writer


def finish_flow(writer: FlowWriter, clips: Sequence[Clip], config: FlowConfig, folder: Path) -> None:
    """Move the finished flow of clips to its folder, with an index.

    Args:
        writer: the result of `compute_flow_of_clips`.
        clips: the clips, in the same order.
        config: settings of flow.
        folder: folder to write. An existing folder is replaced.

    Raises:
        StorageError: the disk is full.
    """
    windows, _, unit = flow_layout(config)
    writer.finish(folder, {"unit": unit, "windows": windows, "clips": [clip.id for clip in clips]})


def _compute(clip: Clip, face: Face, root: Path, size_px: int, config: FlowConfig) -> FlowSequence:
    """Read the key frames of one clip and compute its flow in one thread, since clips run in parallel."""
    cv2.setNumThreads(1)
    return compute_clip_flow(clip, face, read_frames(clip, root, key_frames(clip)), size_px, config)


def _key(clip: Clip, face: Face, size_px: int, config: FlowConfig, code: str) -> str:
    """Return a digest of everything on which a clip's flow depends: frames, place of the face, settings and code."""
    facts = (clip.id, clip.digest, key_frames(clip), face.transform.tolist(), size_px, config.model_dump())
    return files.digest([], code, *facts)
