"""Read a film once: follow the people, spot their movements, and record where and how well each face is visible."""

import logging
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from microfacial.datasets.film import Film, open_film
from microfacial.datasets.frames import Recording, TimedFrame, find_gap
from microfacial.datasets.repeated_frames import RepeatFilter
from microfacial.inference.frame_rate import RATE_S, RecentRate, find_slow_frames
from microfacial.preprocessing.alignment import is_turned
from microfacial.preprocessing.film_spotter import FilmPerson, FilmSpotter, PersonEvent
from microfacial.preprocessing.person_spotter import SpottedEvent, explain_absence
from microfacial.records import FloatArray

_LOG = logging.getLogger(__name__)

LEAST_SIDE_PX = 80
"""Least side of the aligned square in pixels of the frame. In smaller faces, the motion of skin is below a pixel."""

LEAST_SEEN_S = 0.3
"""People who are visible for a shorter time are left out if there are others."""

_RATE_CHANGE = 0.2  # smaller changes of the frame rate do not matter to the spotter

ReportFrames = Callable[[int, int | None], None]
"""Receives the number of frames that were read, and the number of all frames, None if it is unknown."""

_TOO_FAST = "the head moves too fast"
_TOO_SMALL = f"the face is too small: its square is narrower than {LEAST_SIDE_PX} px. Record it closer"
_TURNED = "the head is turned away. Record it from the front"


@dataclass(kw_only=True)
class FollowedPerson:
    """A person who was followed through a film.

    Attributes:
        person: the person, with the signal of the motion.
        places: similarity from the pixels of a frame to the aligned square, `(2, 3)`, by the number of the frame.
        faults: why a frame cannot be judged, by the number of the frame.
    """

    person: FilmPerson
    places: dict[int, FloatArray] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """Why the person shows no movement."""
        return explain_absence(self.person.spotter)

    def add_faults(self, reasons: Mapping[int, str]) -> None:
        """Add reasons why frames cannot be judged. They replace those of the face.

        Args:
            reasons: the reason by the number of the frame.
        """
        faults = self.faults | {number: reason for number, reason in reasons.items() if number in self.places}
        self.faults = dict(sorted(faults.items()))

    def gaps(self) -> list[tuple[int, int, str]]:
        """Return the first and the last number of frames in a row that cannot be judged, and why."""
        gaps: list[tuple[int, int, str]] = []
        numbers = list(self.places)
        before = dict(pairwise(reversed(numbers)))  # the numbers of a folder can skip
        for number, reason in self.faults.items():
            if gaps and gaps[-1][1] == before.get(number) and gaps[-1][2] == reason:
                gaps[-1] = (gaps[-1][0], number, reason)
            else:
                gaps.append((number, number, reason))
        return gaps


@dataclass(frozen=True, kw_only=True)
class FollowedFilm:
    """A film that was read.

    Attributes:
        recording: the film, whose number of frames is now known.
        seconds: time of each frame in seconds from the first frame, by its number, ascending.
        fps: mean frames per second.
        people: people in the order of appearance.
        events: their movements. Their `person` is the number of a person, not its place in `people`.
        slow: why the frame rate is too low for micro-expressions in the whole film; empty if it is not.
        slow_frames: numbers of the frames around which it is too low.
    """

    recording: Recording
    seconds: Mapping[int, float]
    fps: float
    people: tuple[FollowedPerson, ...]
    events: tuple[PersonEvent, ...]
    slow: str = ""
    slow_frames: Container[int] = ()

    def is_slow(self, event: SpottedEvent) -> bool:
        """Return whether a movement has a frame around which the frame rate is too low.

        Args:
            event: the movement.
        """
        return any(number in self.slow_frames for number in range(event.onset, event.offset + 1))


class FilmFollower:
    """Takes the frames of a film one by one. Memory grows by less than 1 kB per frame and person.

    Attributes:
        spotter: follows the people and spots their movements.
        people: the people so far, by number.
        seconds: time of each frame in seconds from the first frame, by its number, ascending.
    """

    def __init__(self, fps: float) -> None:
        """Start without frames.

        Args:
            fps: frames per second.
        """
        self.spotter = FilmSpotter(fps)
        self.people: dict[int, FollowedPerson] = {}
        self.seconds: dict[int, float] = {}

    def add(self, frame: TimedFrame, fault: str = "") -> tuple[PersonEvent, ...]:
        """Read the next frame.

        Args:
            frame: the frame, whose time is known.
            fault: why no face can be judged in this frame. Empty if the faces themselves decide.

        Returns:
            The movements that became final, in order of time.
        """
        assert frame.seconds is not None
        self.seconds[frame.number] = frame.seconds
        events = self.spotter.add(frame)
        for person in self.spotter.people:
            if person.run is not None:
                followed = self.people.setdefault(person.number, FollowedPerson(person=person))
                followed.places[frame.number] = person.run.transform
                reason = fault or _find_fault(person)
                if reason:
                    followed.faults[frame.number] = reason
        return events

    def finish(self) -> tuple[PersonEvent, ...]:
        """Return the last movements of the film."""
        return self.spotter.finish()


def follow_film(path: Path, fps: float | None, report: ReportFrames | None = None) -> FollowedFilm:
    """Read a film once. Memory grows by less than 1 kB per frame and person.

    Frames that repeat the picture before them are left out.

    Args:
        path: video or folder of frames.
        fps: frames per second. None means the rate and the timestamps of the video.
        report: called after each frame; None for nothing.

    Returns:
        What was found.

    Raises:
        DatasetError: the film cannot be read, or its frame rate is unknown.
    """
    film = open_film(path, fps)
    if film.recording is not None and (gap := find_gap(film.recording)):
        _LOG.warning("%s: %s", path, gap)
    pictures = RepeatFilter(film.frames())
    fps, is_reported = film.fps / pictures.times, False
    follower, recent = FilmFollower(fps), RecentRate(RATE_S)
    events: list[PersonEvent] = []
    for read, frame in enumerate(film.frames(), 1):
        assert frame.seconds is not None
        if report is not None:
            report(read, film.count)
        if not pictures.is_new(frame.image):
            if not is_reported:
                _LOG.warning("%s: each picture is shown %d times. Only new pictures are used", path, pictures.times)
            is_reported = True
            continue
        recent.add(frame.seconds)
        if recent.is_full and recent.fps and abs(recent.fps / fps - 1) > _RATE_CHANGE:
            fps = recent.fps
            follower.spotter.set_rate(fps)
        events += follower.add(frame)
    events += follower.finish()
    people, seconds = follower.people, follower.seconds
    longest = max((len(person.places) for person in people.values()), default=0)
    least = min(longest, LEAST_SEEN_S * fps)
    kept = {number: person for number, person in people.items() if len(person.places) >= least}
    slow = find_slow_frames(seconds)
    for person in kept.values():
        person.add_faults(slow)
    duration = max(seconds.values(), default=0.0)
    rate = (len(seconds) - 1) / duration if duration > 0 else fps
    return FollowedFilm(
        recording=_as_recording(film, seconds, rate),
        seconds=seconds,
        fps=rate,
        people=tuple(kept.values()),
        events=tuple(entry for entry in events if entry.person in kept),
        slow=next(iter(slow.values())) if len(slow) == len(seconds) else "",
        slow_frames=slow.keys(),
    )


def _as_recording(film: Film, numbers: Iterable[int], fps: float) -> Recording:
    """Return the film as a recording whose number of frames is known."""
    if film.recording is not None:
        return replace(film.recording, numbers=tuple(numbers))
    return Recording(root=film.path.parent, frames=film.path.name, numbers=tuple(numbers), fps=fps)


def _find_fault(person: FilmPerson) -> str:
    """Return why the present frame cannot be judged, or an empty text."""
    assert person.run is not None
    if person.fast:
        return _TOO_FAST
    if person.side < LEAST_SIDE_PX:
        return _TOO_SMALL
    return _TURNED if is_turned(person.run.face) else ""
