"""Stage `faces`: locate the face of every clip and write `faces/`."""

from collections import Counter
from collections.abc import Sequence

import click

from microfacial.datasets.clip_table import read_clips
from microfacial.pipeline.progress import clip_progress
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.suspicious_clips import find_suspicious_faces
from microfacial.preprocessing.clip_cache import ClipCache
from microfacial.preprocessing.face_jobs import locate_faces
from microfacial.preprocessing.faces import FacesConfig, region_names
from microfacial.preprocessing.stage_settings import write_stage_settings
from microfacial.preprocessing.store import read_crops, read_faces, write_faces
from microfacial.records import Face
from microfacial.settings import read_section
from microfacial.source_code import code_digest


def run_faces(project: Project) -> None:
    """Write the place of each clip's face, the boxes of its regions, and its aligned onset and apex.

    Only new and changed clips are computed, and an interrupted run continues.

    Args:
        project: data set whose clips have been written.

    Raises:
        StorageError: `clips.csv` is missing.
        DatasetError: A frame cannot be read, or no face was found in some clips. The message names all of them.
    """
    clips, config = read_clips(project.results / "clips.csv"), read_section(PARAMS, "faces", FacesConfig)
    regions = region_names(config)
    with clip_progress("faces") as report:
        located = locate_faces(
            clips,
            project.frames,
            config,
            cache=ClipCache(project.state / "faces"),
            code=code_digest("faces"),
            report=report,
        )
        write_faces(project.results / "faces", len(clips), located, regions, config.size_px)
    write_stage_settings(project.results, "faces", config)
    folder = project.results / "faces"
    faces, _, size_px = read_faces(folder)
    click.echo(f"faces: {_summarise(faces)}")
    for line in find_suspicious_faces(faces, read_crops(folder, [face.clip for face in faces], size_px), config):
        click.echo(f"faces: warning: {line}", err=True)


def _summarise(faces: Sequence[Face]) -> str:
    """Return how many faces were located by which source, and the lowest confidence."""
    counts = Counter(face.source for face in faces)
    text = f"{len(faces)} located ({', '.join(f'{source} {count}' for source, count in sorted(counts.items()))})"
    confidences = [(face.confidence, face.clip) for face in faces if face.confidence is not None]
    if not confidences:
        return text
    lowest, clip = min(confidences)
    return f"{text}, confidence {lowest:.2f} or more, lowest in {clip}"
