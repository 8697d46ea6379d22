"""Spot all movements of a face in a film: micro-expressions and macro-expressions, each with onset, apex and offset.

`spotting` finds the single strongest movement of a clip. Here the film can be long, and can show none or many.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from microfacial.preprocessing.event_rules import EventConfig
from microfacial.preprocessing.face_track import FaceTrack
from microfacial.preprocessing.frame_motion import SpottingConfig
from microfacial.preprocessing.motion_path import MotionPath
from microfacial.preprocessing.person_spotter import LEAST_SAMPLES, PersonSpotter
from microfacial.preprocessing.person_spotter import SpottedEvent as SpottedEvent
from microfacial.records import FloatArray


@dataclass(frozen=True, kw_only=True)
class SpottedEvents:
    """All movements of a face.

    Attributes:
        events: the movements, in order of time.
        numbers: numbers of all frames, ascending.
        signal: `(N,)` float64, the largest excursion of any region of the face, over its threshold. It is 0 in frames
            in which no face was followed.
        threshold: value that `signal` must exceed in an event.
        note: why there are no events; empty if there are some.
    """

    events: tuple[SpottedEvent, ...]
    numbers: tuple[int, ...]
    signal: FloatArray
    threshold: float
    note: str


def spot_events(
    track: FaceTrack, fps: float, seconds: Mapping[int, float] | None = None, config: EventConfig | None = None
) -> SpottedEvents:
    """Spot all movements of a face that was followed through a film.

    Args:
        track: the face, from `track_face`.
        fps: frames per second.
        seconds: time of each frame by its number. None means that all steps between frames are the same.
        config: settings. None means the default.

    Returns:
        The movements. If there are none, `note` has the reason.
    """
    config = config or EventConfig()
    spotter = PersonSpotter(fps, config)
    times = seconds or {number: index / fps for index, number in enumerate(track.numbers)}
    events: list[SpottedEvent] = []
    for part in track.parts:
        path = MotionPath(part.points, part.skin, part.depth, SpottingConfig(), max(1, round(config.key_s * fps)))
        for row, number in enumerate(part.numbers):
            events += spotter.add(number, times[number], path.add(part.frames[row]), fast=False)
        events += spotter.end_run()
    signal = np.zeros(len(track.numbers))
    signal[np.searchsorted(track.numbers, spotter.numbers)] = spotter.signal
    note = "" if events else explain_absence(spotter)
    return SpottedEvents(events=tuple(events), numbers=track.numbers, signal=signal, threshold=1.0, note=note)


def explain_absence(spotter: PersonSpotter) -> str:
    """Return why a person shows no movement.

    Args:
        spotter: has searched all frames of the person.
    """
    if spotter.longest < LEAST_SAMPLES:
        return f"only {spotter.longest} frames in a row show a head in one place. {LEAST_SAMPLES} are needed"
    strongest = max(spotter.signal, default=0.0)
    if strongest > 1.0:
        return "only movements of the head, and movements that are too short or too long for an expression"
    return f"no movement of the face rises above the noise: the strongest reaches {strongest:.0%} of the threshold"
