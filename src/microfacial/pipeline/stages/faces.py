"""Stage `faces`: clips → faces/."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import click
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.clip_table import read_clips
from microfacial.datasets.frames import read_frames
from microfacial.errors import DatasetError, NoFaceError
from microfacial.pipeline.project import PARAMS, Project, progress
from microfacial.preprocessing import faces
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.store import read_faces, write_faces
from microfacial.records import Clip, Face
from microfacial.settings import read_section

Located = tuple[Face, NDArray[np.uint8]]


def run_faces(project: Project) -> None:
    """Write the transform and region boxes of each clip, and its aligned onset and apex.

    Raises:
        DatasetError: a frame cannot be read; or clips show no face, all of which are named.
    """
    clips, config = read_clips(project.results / "clips.csv"), read_section(PARAMS, "faces", FacesConfig)
    regions = faces.region_names(config)
    with progress(clips, "faces") as bar:
        located = _locate_all(bar, project, config)
        write_faces(project.results / "faces", len(clips), located, regions, config.size_px)
    click.echo(f"faces: {_summarise(read_faces(project.results / 'faces')[0])}")


def _locate_all(clips: Iterable[Clip], project: Project, config: FacesConfig) -> Iterator[Located]:
    """Locate clip by clip; looks at all of them before it complains of those without a face."""
    faceless = []
    for clip in clips:
        try:
            located = _locate(clip, project, config)
        except NoFaceError:
            faceless.append(clip.id)
            continue
        yield located
    if faceless:
        raise DatasetError(
            f"clips without a face that could be found, and without a template to fall back on: {len(faceless)}. "
            f"Add them in params.yaml to clips.exclude: [{', '.join(faceless)}]"
        )


def _locate(clip: Clip, project: Project, config: FacesConfig) -> Located:
    frames = read_frames(clip, project.frames, (clip.onset, clip.apex))
    face = faces.locate(clip, frames[clip.onset], config)
    return face, np.stack([faces.align(frames[n], face, config.size_px) for n in (clip.onset, clip.apex)])


def _summarise(located: Sequence[Face]) -> str:
    """How many faces were found by which means, and which of them least surely."""
    counts = Counter(face.source for face in located)
    text = f"{len(located)} located ({', '.join(f'{source} {count}' for source, count in sorted(counts.items()))})"
    sure = [(face.confidence, face.clip) for face in located if face.confidence is not None]
    return f"{text}, confidence {min(sure)[0]:.2f} or more, lowest in {min(sure)[1]}" if sure else text
