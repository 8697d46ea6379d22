"""Stage `flow`: clips and faces → flow/, resumed clip by clip."""

import shutil
from pathlib import Path

import click
import cv2
from joblib import Parallel, delayed

from microfacial import flow, storage
from microfacial.faces import align, cover
from microfacial.flow import FlowConfig
from microfacial.frames import read_clip
from microfacial.provenance import stage_code
from microfacial.records import Clip, Face, FlowSequence
from microfacial.settings import read_section
from microfacial.stages.project import PARAMS, Project, progress


def run(project: Project, processes: int) -> None:
    """Write the motion of every clip; clips that an earlier run has finished are taken from it."""
    clips = storage.read_clips(project.build / "clips.csv")
    faces, _, size_px = storage.read_faces(project.build / "faces")
    config = read_section(PARAMS, "flow", FlowConfig)
    keys = [_key(clip, face, size_px, config) for clip, face in zip(clips, faces, strict=True)]
    windows, channels, unit = flow.layout(config)
    shape = (len(clips), len(windows), channels, size_px, size_px)
    writer = storage.FlowWriter(project.state / "flow" / storage.digest([], keys, shape), shape)
    done = writer.done()
    todo = [row for row, key in enumerate(keys) if key not in done]
    if len(todo) < len(clips):
        click.echo(f"flow: {len(clips) - len(todo)} clips were finished by an earlier run")
    root = project.frames.resolve()  # another process may stand in another folder
    jobs = (delayed(_compute)(clips[row], faces[row], root, size_px, config) for row in todo)
    flows = Parallel(n_jobs=min(processes, max(1, len(todo))), return_as="generator_unordered")(jobs)
    rows = {clip.id: row for row, clip in enumerate(clips)}
    with progress(flows, "flow", len(todo)) as bar:
        for sequence in bar:
            writer.add(rows[sequence.clip], keys[rows[sequence.clip]], sequence.flow)
    writer.finish(project.build / "flow", {"unit": unit, "windows": windows, "clips": [clip.id for clip in clips]})
    shutil.rmtree(project.state / "flow")  # what killed runs of other clips or settings have left
    click.echo(f"flow: {len(clips)} clips, {len(windows)} windows each, {config.method}")


def _compute(clip: Clip, face: Face, root: Path, size_px: int, config: FlowConfig) -> FlowSequence:
    """Read and align the key frames of one clip, then compute its flow, on one core: clips run side by side."""
    cv2.setNumThreads(1)
    frames = read_clip(clip, root, flow.key_frames(clip))
    aligned = {number: align(frame, face, size_px) for number, frame in frames.items()}
    covered = cover(frames[clip.onset], face.transform, size_px)
    if config.method == "published":
        return flow.read_published(clip, aligned[clip.apex])
    return flow.compute_flow(clip, aligned, config, covered)


def _key(clip: Clip, face: Face, size_px: int, config: FlowConfig) -> str:
    """Digest of all that a clip's flow depends on: frames, place of the face, settings, code."""
    facts = (clip.id, clip.digest, flow.key_frames(clip), face.transform.tolist(), size_px, config.model_dump())
    return storage.digest(stage_code("flow"), *facts)
