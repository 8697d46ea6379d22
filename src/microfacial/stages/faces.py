"""Stage `faces`: clips → faces/."""

import click
import numpy as np
from numpy.typing import NDArray

from microfacial import faces, storage
from microfacial.faces import FacesConfig
from microfacial.frames import read_clip
from microfacial.records import Clip, Face
from microfacial.rois import ROI_SCHEMES
from microfacial.settings import read_section
from microfacial.stages.project import PARAMS, Project, progress


def run(project: Project) -> None:
    """Write the transform and region boxes of each clip, and its aligned onset and apex."""
    clips, config = storage.read_clips(project.build / "clips.csv"), read_section(PARAMS, "faces", FacesConfig)
    with progress(clips, "faces") as bar:
        located = (_locate(clip, project, config) for clip in bar)
        storage.write_faces(project.build / "faces", len(clips), located, ROI_SCHEMES[config.rois], config.size_px)
    click.echo(f"faces: {len(clips)} located by template {config.template}")


def _locate(clip: Clip, project: Project, config: FacesConfig) -> tuple[Face, NDArray[np.uint8]]:
    frames = read_clip(clip, project.frames, (clip.onset, clip.apex))
    face = faces.locate(clip, frames[clip.onset], config)
    return face, np.stack([faces.align(frames[n], face, config.size_px) for n in (clip.onset, clip.apex)])
