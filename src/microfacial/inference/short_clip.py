"""Spot the strongest movement of a short clip of one person.

Clips of published corpora last about a second and are cut around one movement. Their movements are often too weak for
the rules that spot all movements of a long film, which must not take rest for a movement for hours. In a short clip,
the more sensitive method of `preprocessing.spotting` is used where these rules spot nothing.
"""

from collections.abc import Mapping

from microfacial.datasets.frames import Recording
from microfacial.errors import DatasetError
from microfacial.preprocessing.face_track import track_face
from microfacial.preprocessing.frame_motion import SpottingConfig
from microfacial.preprocessing.person_spotter import SpottedEvent
from microfacial.preprocessing.spotting import spot_track

LONGEST_CLIP_S = 3.0
"""Longest clip whose strongest movement is spotted."""


def spot_short_clip(recording: Recording, fps: float, times: Mapping[int, float]) -> SpottedEvent | None:
    """Return the strongest movement of a clip of one person.

    Args:
        recording: the clip.
        fps: frames per second.
        times: seconds of each frame by its number.

    Returns:
        The movement. None if the clip is long, or if no movement is stronger than the noise of a face at rest.
    """
    if max(times.values()) - min(times.values()) > LONGEST_CLIP_S:
        return None
    try:
        spotting = spot_track(track_face(recording, recording.root, fps), fps, times)
    except DatasetError:  # nothing moves enough; the caller has the reason in its own words
        return None
    peak = float(spotting.signal[spotting.numbers.index(spotting.apex)])
    lasts = times[spotting.offset] - times[spotting.onset]
    return SpottedEvent(
        onset=spotting.onset,
        apex=spotting.apex,
        offset=spotting.offset,
        score=max(0.5, peak / (peak + spotting.threshold)),
        kind="micro" if lasts <= SpottingConfig().longest_s else "macro",
    )
