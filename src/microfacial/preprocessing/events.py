"""Spot all movements of a face in a film: micro-expressions and macro-expressions, each with onset, apex and offset.

`spotting` finds the single strongest movement of a clip. Here the film can be long, and can show none or many.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from microfacial.preprocessing.even_steps import choose_even_steps
from microfacial.preprocessing.event_rules import EventConfig, find_excursions
from microfacial.preprocessing.face_track import FaceTrack, TrackedPart
from microfacial.preprocessing.frame_motion import SpottingConfig
from microfacial.preprocessing.motion_path import REGIONS, MotionPath
from microfacial.records import FloatArray

_LEAST_FRAMES = 5


@dataclass(frozen=True, kw_only=True)
class SpottedEvent:
    """One movement.

    Attributes:
        onset: frame number.
        apex: frame number.
        offset: frame number.
        score: from 0.5 at the threshold to 1 for a very strong movement.
        kind: `micro` if the movement is not longer than a micro-expression, else `macro`.
    """

    onset: int
    apex: int
    offset: int
    score: float
    kind: Literal["micro", "macro"]


@dataclass(frozen=True, kw_only=True)
class SpottedEvents:
    """All movements of a face.

    Attributes:
        events: the movements, in order of time.
        numbers: numbers of all frames, ascending. A number appears several times if its frame stays longer.
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

    Raises:
        DatasetError: the times of the frames differ too much.
    """
    config, numbers = config or EventConfig(), track.numbers
    if seconds is not None:
        numbers, fps = choose_even_steps({number: seconds[number] for number in numbers}, fps, config.micro_s)
    signal, events, longest = np.zeros(len(numbers)), [], 0
    for part in track.parts:
        rows = {number: row for row, number in enumerate(part.numbers)}
        chosen = [(index, number) for index, number in enumerate(numbers) if number in rows]
        longest = max(longest, len(chosen))
        if len(chosen) < _LEAST_FRAMES:
            continue
        path = _follow_regions(part, fps, config)[[rows[number] for _, number in chosen]]
        excursions = find_excursions(path, fps, config)
        signal[[index for index, _ in chosen]] = excursions.signal
        for event in excursions.events:
            onset, apex, offset = (chosen[moment][1] for moment in (event.onset, event.apex, event.offset))
            is_micro = (event.offset - event.onset) / fps <= config.micro_s
            events.append(
                SpottedEvent(
                    onset=onset,
                    apex=apex,
                    offset=offset,
                    score=round(event.strength / (1 + event.strength), 4),
                    kind="micro" if is_micro else "macro",
                )
            )
    note = "" if events else _explain_absence(longest, float(signal.max(initial=0.0)))
    return SpottedEvents(events=tuple(events), numbers=numbers, signal=signal, threshold=1.0, note=note)


def _follow_regions(part: TrackedPart, fps: float, config: EventConfig) -> FloatArray:
    """Return the positions of the regions in each frame of a part, `(N, R, 2)`."""
    path = MotionPath(part.points, part.skin, part.depth, SpottingConfig(), max(1, round(config.key_s * fps)))
    return np.stack([path.add(part.frames[row]) for row in range(len(part.frames))]).reshape(-1, len(REGIONS), 2)


def _explain_absence(longest: int, strongest: float) -> str:
    if longest < _LEAST_FRAMES:
        return f"only {longest} frames in a row show a head in one place. {_LEAST_FRAMES} are needed"
    return f"no movement of the face rises above the noise: the strongest reaches {strongest:.0%} of the threshold"
