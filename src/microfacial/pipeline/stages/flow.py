"""Stage `flow`: clips and faces → flow/, resumed clip by clip."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import click
import cv2
from joblib import Parallel, delayed

from microfacial import files
from microfacial.datasets.clip_table import read_clips
from microfacial.datasets.frames import read_frames
from microfacial.errors import StorageError
from microfacial.pipeline.project import PARAMS, Project, progress
from microfacial.pipeline.provenance import stage_code
from microfacial.preprocessing import flow
from microfacial.preprocessing.flow import FlowConfig
from microfacial.preprocessing.motion import measure
from microfacial.preprocessing.store import FlowWriter, read_faces
from microfacial.records import Clip, Face, FlowSequence
from microfacial.settings import read_section


def run_flow(project: Project, processes: int) -> None:
    """Write the motion of every clip; clips that an earlier run has finished are taken from it."""
    clips = read_clips(project.results / "clips.csv")
    config = read_section(PARAMS, "flow", FlowConfig)
    writer = compute(project, clips, config, project.state / "flow", processes)
    windows, _, unit = flow.layout(config)
    writer.finish(project.results / "flow", {"unit": unit, "windows": windows, "clips": [clip.id for clip in clips]})
    shutil.rmtree(project.state / "flow")  # what killed runs of other clips or settings have left
    click.echo(f"flow: {len(clips)} clips, {len(windows)} windows each, {config.method}")


def compute(
    project: Project, clips: Sequence[Clip], config: FlowConfig, kept: Path, processes: int, what: str = "flow"
) -> FlowWriter:
    """The motion of clips, whose faces are located, in their order; what an earlier run has finished is in `kept`.

    Args:
        what: what the bar and the messages begin with.

    Raises:
        StorageError: faces are missing, or not located for one of the clips.
        DatasetError: a clip has no flow.
    """
    faces, size_px = _read_faces(project, clips)
    code = files.digest(stage_code("flow"))
    keys = [_key(clip, face, size_px, config, code) for clip, face in zip(clips, faces, strict=True)]
    windows, channels, _ = flow.layout(config)
    shape = (len(clips), len(windows), channels, size_px, size_px)
    writer = FlowWriter(kept / files.digest([], keys, shape), shape)
    done = writer.done()
    todo = [row for row, key in enumerate(keys) if key not in done]
    if len(todo) < len(clips):
        click.echo(f"{what}: {len(clips) - len(todo)} clips were finished by an earlier run")
    if not todo:
        return writer
    root = project.frames.resolve()  # another process may stand in another folder
    jobs = (delayed(_compute)(clips[row], faces[row], root, size_px, config) for row in todo)
    flows = Parallel(n_jobs=min(processes, len(todo)), return_as="generator_unordered")(jobs)
    rows = {clip.id: row for row, clip in enumerate(clips)}
    with progress(flows, what, len(todo)) as bar:
        for sequence in bar:
            writer.add(rows[sequence.clip], keys[rows[sequence.clip]], sequence.flow)
    return writer


def _read_faces(project: Project, clips: Sequence[Clip]) -> tuple[list[Face], int]:
    """The face of each clip, and the side of the aligned square in px."""
    faces, _, size_px = read_faces(project.results / "faces")
    located = {face.clip: face for face in faces}
    if not located.keys() >= {clip.id for clip in clips}:
        raise StorageError(f"{project.results}: faces and clips.csv are not of the same clips. Run `dvc repro`")
    return [located[clip.id] for clip in clips], size_px


def _compute(clip: Clip, face: Face, root: Path, size_px: int, config: FlowConfig) -> FlowSequence:
    """Read the key frames of one clip and measure its motion, on one core: clips run side by side."""
    cv2.setNumThreads(1)
    return measure(clip, face, read_frames(clip, root, flow.key_frames(clip)), size_px, config)


def _key(clip: Clip, face: Face, size_px: int, config: FlowConfig, code: str) -> str:
    """Digest of all that a clip's flow depends on: frames, place of the face, settings, code."""
    facts = (clip.id, clip.digest, flow.key_frames(clip), face.transform.tolist(), size_px, config.model_dump())
    return files.digest([], code, *facts)
