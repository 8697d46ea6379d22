"""Check that a clip shows one head in one place at its moments."""

import logging
from pathlib import Path

from microfacial.datasets.frames import read_frames
from microfacial.errors import DatasetError, NoFaceError
from microfacial.preprocessing.aligned_frames import locate_clip
from microfacial.preprocessing.alignment import PlacedFace, place_all_faces, place_distance, place_face
from microfacial.preprocessing.face_track import describe_choice
from microfacial.preprocessing.faces import FacesConfig
from microfacial.records import Clip

_LOG = logging.getLogger(__name__)
LARGEST_SHIFT = 0.12
"""A head that moves further between two moments, in sides of the square, hides the motion of the skin."""


def report_choice(path: Path, faces: int) -> None:
    """Say which face was chosen if a picture shows several.

    Args:
        path: the clip.
        faces: number of faces in the picture.
    """
    if faces > 1:
        _LOG.warning("%s: %s", path, describe_choice(faces))


def check_head(clip: Clip, root: Path, faces: FacesConfig, *, report: bool) -> None:
    """Refuse a clip whose face is missing at one of its moments, or whose head is elsewhere than at the onset.

    Args:
        clip: the clip, with its moments.
        root: folder that its frames lie below.
        faces: how to locate the face.
        report: whether to report the choice among several faces.

    Raises:
        NoFaceError: there is no face at a moment.
        DatasetError: a frame cannot be read, or the head moves too far.
    """
    if faces.method != "landmarks":
        return
    path, onset = locate_clip(root, clip.frames), None
    for number, frame in read_frames(clip, root, (clip.onset, clip.apex, clip.offset)).items():
        face = place_face(frame, faces.size_px)
        if face is None:
            raise NoFaceError(f"{path}: no face was found in frame {number}. Choose moments at which a face is visible")
        if onset is None:
            onset = face
            report_choice(path, face.faces if report else 1)
        shift = _measure_shift(onset, face, faces.size_px)
        if shift > LARGEST_SHIFT and face.faces > 1:  # the frame may show the person of the onset beside a larger face
            shift = min(_measure_shift(onset, other, faces.size_px) for other in place_all_faces(frame, faces.size_px))
        if shift > LARGEST_SHIFT:
            raise DatasetError(
                f"{path}: from frame {clip.onset} to {number} the head moves by {shift:.0%} of the aligned square, and "
                "this hides the motion of the skin. Choose moments between which the head stays in place"
            )


def _measure_shift(first: PlacedFace, second: PlacedFace, size_px: int) -> float:
    """Return how far a head moves between two frames, in sides of the aligned square."""
    return place_distance(first.transform, second.transform, size_px) / size_px
