"""Follow all faces through raw footage. Each person has one track, identified by place, time and likeness.

Two people are never compared: if a cut shows another person in the same place, the skin does not look alike, so a new
track starts. A person who leaves and returns to about the same place continues the earlier track.

Frames in which a face is too small, turned away or too fast are in no part of the track; `gaps` gives the reasons.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from microfacial.datasets.frames import Footage, stream_clip
from microfacial.preprocessing.alignment import PlacedFace, is_turned, place_faces, warp_to_grey
from microfacial.preprocessing.face_run import TRACK_PX, FaceRun, follow_run, skin_likeness, start_run
from microfacial.preprocessing.face_track import FaceTrack, split_run
from microfacial.preprocessing.frame_spool import FrameSpool
from microfacial.preprocessing.similarity import invert_similarity, transform_points
from microfacial.records import FloatArray, Image

MOST_PEOPLE = 8
"""People that are followed at the same time: those with the largest faces."""

LEAST_SIDE_PX = 80
"""Least side of the aligned square in pixels of the frame. In smaller faces, the motion of skin is below a pixel."""

_CHECK_S = 0.4  # time after which the networks confirm a face
_SEARCH_S = 0.1  # time after which a lost face is searched again
_NEWCOMER_S = 0.5  # time after which further faces are searched while a face is followed
_RECENT_S = 1.0  # a face that was lost for a shorter time is searched as often as if it were the only one
_LEAST_SEEN_S = 0.3  # shorter tracks are dropped if there is a longer one
_BAND_PX = (4.0, 16.0)  # of the structures that are compared; coarser than for following, so that poses can differ
_ALIKE = 0.5  # correlation; pictures of one face in other poses have .8 and more, those of two people below .3
_NEAR = 1.5  # sides of the aligned square between the places where a person was lost and found again


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Frames in which a face is visible but cannot be judged.

    Attributes:
        first: number of the first frame.
        last: number of the last frame.
        reason: why, in words.
    """

    first: int
    last: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class TrackedPerson:
    """One person in footage.

    Attributes:
        track: the face, for spotting. Its numbers are those from the person's first frame to the last.
        places: similarity from the pixels of a frame to the aligned square, `(2, 3)`, by the number of the frame.
        gaps: frames in which the face cannot be judged, in order of time.
    """

    track: FaceTrack
    places: Mapping[int, FloatArray]
    gaps: tuple[Gap, ...]


def track_people(footage: Footage, root: Path, fps: float) -> tuple[TrackedPerson, ...]:
    """Follow all faces through all frames of footage.

    Args:
        footage: clip or recording.
        root: folder below which the paths of the footage lie.
        fps: frames per second.

    Returns:
        The people, in the order of appearance, from left to right. Empty if no frame shows a face.

    Raises:
        DatasetError: a frame is missing or unreadable, or its size differs from the first frame's.
    """
    tracker = _PeopleTracker(fps)
    for number, frame in stream_clip(footage, root, footage.numbers):
        tracker.add(number, frame)
    longest = max((len(person.frames) for person in tracker.people), default=0)
    least = min(longest, _LEAST_SEEN_S * fps)
    people = [person for person in tracker.people if len(person.frames) >= least]
    return tuple(_finish(person, footage.numbers, fps) for person in people)


@dataclass
class _Person:
    """A person while the footage is read.

    Attributes:
        frames: aligned frames of all runs.
        runs: runs of frames, in order of time. The person is visible in the last one if `visible`.
        visible: whether the person was in the last frame.
        since: frames since the networks confirmed the face, or since it was lost.
    """

    frames: FrameSpool = field(default_factory=FrameSpool)
    runs: list[FaceRun] = field(default_factory=list)
    visible: bool = True
    since: int = 0

    @property
    def place(self) -> FloatArray:
        """Similarity of the last frame in which the person was visible, `(2, 3)`."""
        return self.runs[-1].transforms[-1]


class _PeopleTracker:
    """Adds frames one by one, and searches further faces at fixed intervals."""

    def __init__(self, fps: float) -> None:
        self.people: list[_Person] = []
        intervals = (_CHECK_S, _SEARCH_S, _NEWCOMER_S, _RECENT_S)
        self._check, self._search, self._newcomer, self._recent = (
            max(1, round(seconds * fps)) for seconds in intervals
        )
        self._since = self._newcomer  # frames since the last search

    def add(self, number: int, frame: Image) -> None:
        """Follow the people who are visible, and search others if it is time."""
        lost = False
        for person in self.people:
            person.since += 1
            if person.visible:
                confirm = person.since >= self._check
                person.since = 0 if confirm else person.since
                person.visible = follow_run(person.runs[-1], number, frame, person.frames, confirm=confirm)
                if not person.visible:
                    person.since, lost = 0, True
        self._since += 1
        if lost or self._since >= self._wait():
            self._since = 0
            self._find_others(number, frame)

    def _wait(self) -> int:
        """Return the number of frames between searches."""
        searched = any(not person.visible and person.since <= self._recent for person in self.people)
        return self._search if searched or not any(person.visible for person in self.people) else self._newcomer

    def _find_others(self, number: int, frame: Image) -> None:
        visible = [person for person in self.people if person.visible]
        known = [transform_points(invert_similarity(person.place), person.runs[-1].face.points) for person in visible]
        faces = place_faces(frame, TRACK_PX, known)
        largest = sorted(faces, key=lambda face: -_side_px(face.transform))[: MOST_PEOPLE - len(visible)]
        for face in sorted(largest, key=lambda face: _middle(face.transform)[0]):
            person = self._recognise(face, frame) or _Person()
            run = start_run(number, frame, face, person.frames)
            if run is not None:
                if not person.runs:
                    self.people.append(person)
                person.runs.append(run)
                person.visible, person.since = True, 0

    def _recognise(self, face: PlacedFace, frame: Image) -> _Person | None:
        """Return the person who was lost near a face and looks like it, or None for another person."""
        aligned = warp_to_grey(frame, face.transform, TRACK_PX)
        likeness = [
            (skin_likeness(person.runs[-1], aligned, _BAND_PX), number)
            for number, person in enumerate(self.people)
            if not person.visible and _is_near(person.place, face.transform)
        ]
        best, number = max(likeness, default=(0.0, 0))
        return self.people[number] if best >= _ALIKE else None


def _finish(person: _Person, numbers: Sequence[int], fps: float) -> TrackedPerson:
    """Return the track of a person, with the gaps in it."""
    parts, gaps = [], []
    for run in person.runs:
        reason = _find_fault(run)
        if reason:
            gaps.append(Gap(first=run.numbers[0], last=run.numbers[-1], reason=reason))
            continue
        slow = list(split_run(run, person.frames, fps))
        parts += slow
        gaps += _find_fast(run, {number for part in slow for number in part.numbers})
    first, last = person.runs[0].numbers[0], person.runs[-1].numbers[-1]
    track = FaceTrack(
        parts=tuple(parts), numbers=tuple(number for number in numbers if first <= number <= last), faces=1
    )
    places = {
        number: transform for run in person.runs for number, transform in zip(run.numbers, run.transforms, strict=True)
    }
    return TrackedPerson(track=track, places=places, gaps=tuple(gaps))


def _find_fault(run: FaceRun) -> str:
    """Return why the face cannot be judged in a run, or an empty text."""
    side = float(np.median([_side_px(transform) for transform in run.transforms]))
    if side < LEAST_SIDE_PX:
        return f"the face is too small: {side:.0f} px, less than {LEAST_SIDE_PX} px. Record it closer"
    return "the head is turned away. Record it from the front" if is_turned(run.face) else ""


def _find_fast(run: FaceRun, slow: set[int]) -> Iterator[Gap]:
    """Yield the frames of a run in which the head is too fast."""
    for is_slow, group in groupby(run.numbers, key=slow.__contains__):
        if not is_slow:
            numbers = list(group)
            yield Gap(first=numbers[0], last=numbers[-1], reason="the head moves too fast")


def _is_near(place: FloatArray, other: FloatArray) -> bool:
    distance = float(np.hypot(*(_middle(place) - _middle(other))))
    return distance < _NEAR * max(_side_px(place), _side_px(other))


def _middle(transform: FloatArray) -> FloatArray:
    """Return the middle of the aligned square in pixels of the frame, `(2,)`."""
    return transform_points(invert_similarity(transform), np.full((1, 2), (TRACK_PX - 1) / 2))[0]


def _side_px(transform: FloatArray) -> float:
    """Return the side of the aligned square in pixels of the frame."""
    return TRACK_PX / float(np.hypot(*transform[:, 0]))
