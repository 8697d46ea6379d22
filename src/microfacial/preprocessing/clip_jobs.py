"""Complete listed clips: the digest of their frames, and a spotted apex if the settings ask for it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from microfacial.datasets.frames import digest_frames
from microfacial.errors import DatasetError, NoFaceError
from microfacial.preprocessing.aligned_frames import read_aligned_frames
from microfacial.preprocessing.spotting import spot_apex
from microfacial.records import Clip


def complete_clip(clip: Clip, root: Path, *, spots: bool) -> Clip:
    """Add the digest of the frames, by which later steps notice a changed frame, and a spotted apex.

    Args:
        clip: a listed clip.
        root: folder from which the path of the frames starts.
        spots: whether to search for the apex of a clip that has the midpoint. If no apex can be spotted, the clip keeps
            the midpoint, and its notes say why.

    Returns:
        The complete clip.

    Raises:
        DatasetError: a frame is missing or cannot be read.
    """
    digested = replace(clip, digest=digest_frames(clip, root))
    return _spot(digested, root) if spots and clip.apex_source == "midpoint" else digested


def require_own_frames(clips: Iterable[Clip]) -> None:
    """Check that no two people have the same frames. Otherwise one person would be in training and test rows.

    Two clips of one person may have the same frames, such as two movements in one video.

    Args:
        clips: clips with the digests of their frames.

    Raises:
        DatasetError: two clips of different people have the same frames.
    """
    first: dict[str, Clip] = {}
    for clip in clips:
        other = first.setdefault(clip.digest, clip)
        if other.person != clip.person:
            raise DatasetError(
                f"{clip.id} has the same frames as {other.id}, but another subject. Correct the subject, or list one "
                "of the two under clips.exclude"
            )


def _spot(clip: Clip, root: Path) -> Clip:
    """Replace the midpoint by a spotted apex. Keep the midpoint if no apex can be spotted."""
    try:
        frames, skin = read_aligned_frames(clip, root, clip.numbers)
    except NoFaceError as error:
        return _explain_midpoint(clip, error)
    try:
        apex = spot_apex(frames, clip.fps, clip.onset, clip.offset, skin=skin)
    except DatasetError as error:
        return _explain_midpoint(clip, error)
    notes = f"{clip.notes}; spotted {apex} in its place"
    return replace(clip, apex=apex, apex_source="spotted", notes=notes)


def _explain_midpoint(clip: Clip, error: DatasetError) -> Clip:
    return replace(clip, notes=f"{clip.notes}; no apex could be spotted in its place: {error}")
