"""Stage `faces`: locate the face of every clip and write `faces/`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import click
import numpy as np

from microfacial.datasets.clip_table import read_clips
from microfacial.datasets.frames import read_frames
from microfacial.errors import DatasetError, NoFaceError
from microfacial.pipeline.progress import progress_bar
from microfacial.pipeline.project import PARAMS, Project
from microfacial.pipeline.suspicious_clips import find_suspicious_faces
from microfacial.preprocessing.faces import FacesConfig, align, locate, region_names
from microfacial.preprocessing.store import read_crops, read_faces, write_faces
from microfacial.records import Clip, Face, Image
from microfacial.settings import read_section


def run_faces(project: Project) -> None:
    """Write the place of each clip's face, the boxes of its regions, and its aligned onset and apex.

    Args:
        project: data set whose clips have been written.

    Raises:
        StorageError: `clips.csv` is missing.
        DatasetError: A frame cannot be read, or no face was found in some clips. The message names all of them.
    """
    clips, config = read_clips(project.results / "clips.csv"), read_section(PARAMS, "faces", FacesConfig)
    regions = region_names(config)
    with progress_bar(clips, "faces") as bar:
        located = _locate_all(bar, project, config)
        write_faces(project.results / "faces", len(clips), located, regions, config.size_px)
    folder = project.results / "faces"
    faces, _, size_px = read_faces(folder)
    click.echo(f"faces: {_summarise(faces)}")
    for line in find_suspicious_faces(faces, read_crops(folder, len(faces), size_px), config):
        click.echo(f"faces: warning: {line}", err=True)


def _locate_all(clips: Iterable[Clip], project: Project, config: FacesConfig) -> Iterator[tuple[Face, Image]]:
    """Yield each face with its onset and apex crops, `(2, S, S, 3)`. If clips failed, raise an error after the last."""
    failed = []
    for clip in clips:
        frames = read_frames(clip, project.frames, (clip.onset, clip.apex))
        try:
            face = locate(clip, frames[clip.onset], config)
        except NoFaceError:
            failed.append(clip.id)
            continue
        yield face, np.stack([align(frames[number], face, config.size_px) for number in (clip.onset, clip.apex)])
    if failed:
        raise DatasetError(
            f"no face was found in {len(failed)} clips, and no template can be used for them. "
            f"Add them in params.yaml to clips.exclude: [{', '.join(failed)}]"
        )


def _summarise(faces: Sequence[Face]) -> str:
    """Return how many faces were located by which source, and the lowest confidence."""
    counts = Counter(face.source for face in faces)
    text = f"{len(faces)} located ({', '.join(f'{source} {count}' for source, count in sorted(counts.items()))})"
    confidences = [(face.confidence, face.clip) for face in faces if face.confidence is not None]
    if not confidences:
        return text
    lowest, clip = min(confidences)
    return f"{text}, confidence {lowest:.2f} or more, lowest in {clip}"
