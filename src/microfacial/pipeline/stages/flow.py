"""Stage `flow`: compute the flow of every clip and write `flow/`."""

import click

from microfacial.datasets.clip_table import read_clips
from microfacial.pipeline.progress import clip_progress
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.suspicious_clips import find_suspicious_flow
from microfacial.preprocessing.clip_cache import ClipCache
from microfacial.preprocessing.flow import FlowConfig, flow_layout
from microfacial.preprocessing.flow_jobs import compute_flow_of_clips
from microfacial.preprocessing.stage_settings import write_stage_settings
from microfacial.preprocessing.store import read_faces_of, read_flow, write_flow
from microfacial.settings import read_section
from microfacial.source_code import code_digest


def run_flow(project: Project, processes: int) -> None:
    """Write the flow of every clip. Only new and changed clips are computed, and an interrupted run continues.

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
    layout, ids = flow_layout(config), [clip.id for clip in clips]
    folder = project.results / "flow"
    with clip_progress("flow") as report:
        flows = compute_flow_of_clips(
            clips,
            faces,
            size_px,
            config,
            cache=ClipCache(project.state / "flow"),
            frames_root=project.frames,
            processes=processes,
            code=code_digest("flow"),
            report=report,
        )
        write_flow(folder, ids, flows, layout, size_px)
    write_stage_settings(project.results, "flow", config)
    suspicious = find_suspicious_flow(ids, read_flow(folder, size_px)[1])
    click.echo(f"flow: {len(clips)} clips, {len(layout[0])} windows each, {config.method}")
    for line in suspicious:
        click.echo(f"flow: warning: {line}", err=True)
