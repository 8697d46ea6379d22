"""Stage `flow`: compute the flow of every clip and write `flow/`."""

import shutil
from pathlib import Path

import click

from microfacial.datasets.clip_table import read_clips
from microfacial.disk import on_same_file_system
from microfacial.pipeline.progress import clip_progress
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.suspicious_clips import find_suspicious_flow
from microfacial.preprocessing.flow import FlowConfig, flow_layout
from microfacial.preprocessing.flow_jobs import compute_flow_of_clips, finish_flow
from microfacial.preprocessing.store import read_faces_of
from microfacial.settings import read_section
from microfacial.source_code import code_digest


def run_flow(project: Project, processes: int) -> None:
    """Write the flow of every clip. An interrupted run continues with the clips that are not done.

    Args:
        project: data set whose clips and faces have been written.
        processes: number of worker processes.

    Raises:
        StorageError: Clips or faces are missing, the faces do not belong to the clips, or the disk is full.
        DatasetError: A frame cannot be read, or a clip has no flow.
    """
    clips = read_clips(project.results / "clips.csv")
    config = read_section(PARAMS, "flow", FlowConfig)
    faces, size_px = read_faces_of(project.results / "faces", clips, only=True)
    scratch = _choose_scratch(project)
    with clip_progress("flow") as report:
        writer = compute_flow_of_clips(
            clips,
            faces,
            size_px,
            config,
            folder=scratch,
            frames_root=project.frames,
            processes=processes,
            code=code_digest("flow"),
            report=report,
        )
    suspicious = find_suspicious_flow([clip.id for clip in clips], writer.read())
    finish_flow(writer, clips, config, project.results / "flow")
    for folder in _scratch_folders(project):  # they have unfinished flow of other clips or settings
        shutil.rmtree(folder, ignore_errors=True)
    click.echo(f"flow: {len(clips)} clips, {len(flow_layout(config)[0])} windows each, {config.method}")
    for line in suspicious:
        click.echo(f"flow: warning: {line}", err=True)


def _choose_scratch(project: Project) -> Path:
    """Return the folder of finished clips. It is on the file system of the results, where the flow will be moved."""
    usual, with_results = _scratch_folders(project)
    return usual if on_same_file_system(usual, project.results) else with_results


def _scratch_folders(project: Project) -> tuple[Path, Path]:
    """Return the folder of finished clips below .microfacial/, and the folder next to the results."""
    return project.state / "flow", project.results / ".unfinished-flow"
