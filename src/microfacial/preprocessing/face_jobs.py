"""Locate the faces of many clips, and cut their aligned key frames."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from microfacial.datasets.frames import read_frames
from microfacial.errors import DatasetError, NoFaceError
from microfacial.preprocessing.faces import FacesConfig, align, locate
from microfacial.records import Clip, Face, Image


def locate_faces(clips: Iterable[Clip], frames_root: Path, config: FacesConfig) -> Iterator[tuple[Face, Image]]:
    """Locate the face of each clip on its onset frame. If that failed for some clips, raise an error after the last.

    Args:
        clips: clips in the order of the results.
        frames_root: folder from which the paths of frames start.
        config: settings of faces.

    Yields:
        Each face with its onset and apex crops, `(2, S, S, 3)` uint8 BGR.

    Raises:
        DatasetError: a frame cannot be read, or no face was found in some clips. The message names all of them.
    """
    failed = []
    for clip in clips:
        frames = read_frames(clip, frames_root, (clip.onset, clip.apex))
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
