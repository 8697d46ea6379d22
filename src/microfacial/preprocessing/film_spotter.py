"""Spot the movements of all people in a film while it is read, frame by frame.

Each person is followed on their own. Only a few frames of a film are in memory, and the positions of the regions of
each face for some seconds. People are told apart by position, time and likeness: a face that is lost and appears
again near its last place within some seconds is the same person, unless a cut shows another face there.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from microfacial.datasets.frames import TimedFrame
from microfacial.preprocessing.alignment import PlacedFace, place_all_faces, place_distance
from microfacial.preprocessing.event_rules import EventConfig
from microfacial.preprocessing.face_track import FAST, SEARCH_S, SPEED_S
from microfacial.preprocessing.frame_motion import SpottingConfig
from microfacial.preprocessing.head_run import (
    RUN_SIZE_PX,
    HeadRun,
    fill_depth,
    follow_run,
    move_run,
    predict_run,
    skin_likeness,
    start_run,
)
from microfacial.preprocessing.landmarks import BORDERS
from microfacial.preprocessing.motion_path import MeasuredFrame, MotionPath
from microfacial.preprocessing.person_spotter import PersonSpotter, SpottedEvent
from microfacial.preprocessing.similarity import invert_similarity, transform_points
from microfacial.records import FloatArray, Image

WatchPositions = Callable[[int, int, FloatArray], None]

_NEWCOMERS_S = 1.0  # time after which the whole frame is searched for further people, with each border in turn
_AWAY_S = 10.0  # a person who is away for longer is a new one
_NEAR = 0.75  # of the square's side on the frame: a face this close to the last place of a person is the person's
_LOOKS_PX = (4.0, 16.0)  # structures that are compared; coarser than for following, so that poses can differ
_ALIKE = 0.5  # their correlation; pictures of one face in other poses had .8 and more, those of two people below .3
_SIZES = 1.5  # ratio of sizes up to which two faces can be the same


@dataclass(frozen=True, kw_only=True)
class PersonEvent:
    """One movement of one person.

    Attributes:
        person: number of the person, from 1 on, in the order in which people appear, from left to right.
        event: the movement.
    """

    person: int
    event: SpottedEvent


@dataclass(kw_only=True)
class FilmPerson:
    """A person in a film.

    Attributes:
        number: number of the person, from 1 on.
        spotter: searches the movements.
        middle: x and y of the middle of the face in the last frame with it, in px of the frame.
        side: side of the aligned square in that frame, in px of the frame.
        seconds: time of that frame.
        frames: number of frames with the face.
        run: the present run of frames; None while the person is away.
        last_run: the last run of frames, which shows how the person looks.
        fast: whether the head moved too fast in the last frame with it.
    """

    number: int
    spotter: PersonSpotter
    middle: FloatArray
    side: float
    seconds: float
    frames: int = 0
    run: HeadRun | None = None
    last_run: HeadRun | None = None
    fast: bool = False
    path: MotionPath | None = None
    transforms: deque[FloatArray] = field(default_factory=deque)


class FilmSpotter:
    """Takes the frames of a film one by one, and returns movements as soon as they are final.

    Attributes:
        people: all people so far.
    """

    def __init__(self, fps: float, config: EventConfig | None = None, watch: WatchPositions | None = None) -> None:
        """Start without frames.

        Args:
            fps: frames per second.
            config: settings. None means the default.
            watch: is called with each sample: the number of the person, the number of the frame, and the positions of
                the regions, `(R, 2)`.
        """
        self._watch = watch
        self.people: list[FilmPerson] = []
        self._config = config or EventConfig()
        self._index = 0
        self._next_search = 0
        self._searches = 0
        self.set_rate(fps)

    def set_rate(self, fps: float) -> None:
        """Change the frame rate, because a camera delivers its frames faster or slower than before.

        Args:
            fps: frames per second.
        """
        self._fps = fps
        self._search, self._newcomers, self._steps, self._key = (
            max(1, round(seconds * fps)) for seconds in (SEARCH_S, _NEWCOMERS_S, SPEED_S, self._config.key_s)
        )
        for person in self.people:
            person.spotter.set_rate(fps)

    def add(self, frame: TimedFrame) -> tuple[PersonEvent, ...]:
        """Read the next frame.

        Args:
            frame: the frame. Its time follows from the frame rate if it is unknown.

        Returns:
            The movements that became final, in order of time.
        """
        seconds = self._index / self._fps if frame.seconds is None else frame.seconds
        events = []
        lost = False
        for person in self.people:
            if person.run is not None:
                events += self._follow(person, frame, seconds)
                lost = lost or person.run is None
        if lost:
            self._next_search = min(self._next_search, self._index + self._search)
        if self._index >= self._next_search:
            self._find_people(frame, seconds)
        self._index += 1
        return tuple(sorted(events, key=lambda event: event.event.apex))

    def finish(self) -> tuple[PersonEvent, ...]:
        """End the film. Return the movements that no earlier call has returned, in the order of their apexes."""
        events = [event for person in self.people for event in self._end_run(person)]
        return tuple(sorted(events, key=lambda event: event.event.apex))

    def _follow(self, person: FilmPerson, frame: TimedFrame, seconds: float) -> list[PersonEvent]:
        """Follow a person into the next frame.

        Optical flow from the key frame gives the motion of the regions and that of the head. Between key frames,
        nothing else is needed as long as the head moves little. A key frame is aligned to the first frame of the run,
        and the networks confirm the face in it.
        """
        assert person.run is not None
        assert person.path is not None
        is_key = person.path.needs_key
        predicted = None if is_key else predict_run(person.run, frame.image)
        measured = None if predicted is None else person.path.measure(predicted)
        if measured is not None and move_run(person.run, measured.head):
            return self._add_sample(person, frame, seconds, measured)
        aligned = follow_run(person.run, frame.image, confirm=is_key)
        if aligned is None:
            return self._end_run(person)
        return self._add_sample(person, frame, seconds, person.path.measure(aligned))

    def _add_sample(
        self, person: FilmPerson, frame: TimedFrame, seconds: float, measured: MeasuredFrame
    ) -> list[PersonEvent]:
        assert person.run is not None
        assert person.path is not None
        person.path.add(measured)
        person.transforms.append(person.run.transform)
        while len(person.transforms) > self._steps + 1:
            person.transforms.popleft()
        moved = place_distance(person.transforms[0], person.transforms[-1], RUN_SIZE_PX)
        person.fast = moved > FAST * RUN_SIZE_PX * self._steps / self._fps
        person.middle, person.side = _locate(person.run.transform)
        person.seconds, person.frames = seconds, person.frames + 1
        if self._watch is not None:
            self._watch(person.number, frame.number, measured.position)
        spotted = person.spotter.add(frame.number, seconds, measured.position, fast=person.fast)
        return [PersonEvent(person=person.number, event=event) for event in spotted]

    def _end_run(self, person: FilmPerson) -> list[PersonEvent]:
        person.run = person.path = None
        return [PersonEvent(person=person.number, event=event) for event in person.spotter.end_run()]

    def _find_people(self, frame: TimedFrame, seconds: float) -> None:
        """Search the whole frame, and start runs at faces that are not followed."""
        known = [(person.run.face, person.run.transform) for person in self.people if person.run is not None]
        turn = self._searches % len(BORDERS)
        borders = BORDERS if not known or self._misses_people(seconds) else BORDERS[turn : turn + 1]
        faces = place_all_faces(frame.image, RUN_SIZE_PX, known, borders)
        self._searches += 1
        for face in sorted(faces, key=lambda face: _locate(face.transform)[0][0]):
            middle, side = _locate(face.transform)
            if not any(person.run is not None and _is_near(person, middle, side) for person in self.people):
                self._start(face, frame, seconds)
        starts = not self.people and self._index < self._newcomers
        soon = starts or self._misses_people(seconds)
        self._next_search = self._index + (self._search if soon else self._newcomers)

    def _misses_people(self, seconds: float) -> bool:
        """Return whether the face of a person was lost a short time ago."""
        return any(person.run is None and seconds - person.seconds <= _NEWCOMERS_S for person in self.people)

    def _start(self, face: PlacedFace, frame: TimedFrame, seconds: float) -> None:
        run = start_run(frame.image, face)
        if run is None:
            return
        person = self._identify(face, run.first, seconds)
        person.run = person.last_run = run
        person.transforms.clear()
        person.path = MotionPath(face.points, run.skin, fill_depth(face), SpottingConfig(), self._key)
        self._add_sample(person, frame, seconds, person.path.measure(run.first))

    def _identify(self, face: PlacedFace, aligned: Image, seconds: float) -> FilmPerson:
        """Return the person who was last seen near a face and looks like it, or a new person."""
        middle, side = _locate(face.transform)
        known = [
            person
            for person in self.people
            if person.run is None
            and seconds - person.seconds <= _AWAY_S
            and _is_near(person, middle, side)
            and person.last_run is not None
            and skin_likeness(person.last_run, aligned, _LOOKS_PX) >= _ALIKE
        ]
        if known:
            return min(known, key=lambda person: float(np.hypot(*(person.middle - middle))))
        spotter = PersonSpotter(self._fps, self._config)
        person = FilmPerson(number=len(self.people) + 1, spotter=spotter, middle=middle, side=side, seconds=seconds)
        self.people.append(person)
        return person


def spot_film(frames: Iterable[TimedFrame], fps: float, config: EventConfig | None = None) -> Iterator[PersonEvent]:
    """Yield the movements of all people in a film while it is read.

    Args:
        frames: the frames, in order of time.
        fps: frames per second.
        config: settings. None means the default.

    Yields:
        Movements, at most some seconds after their ends.
    """
    spotter = FilmSpotter(fps, config)
    for frame in frames:
        yield from spotter.add(frame)
    yield from spotter.finish()


def _locate(transform: FloatArray) -> tuple[FloatArray, float]:
    """Return x and y of the middle of a face in px of the frame, and the side of its square there."""
    back = invert_similarity(transform)
    middle = transform_points(back, np.array([0.5 * RUN_SIZE_PX, 0.5 * RUN_SIZE_PX]))
    return middle, RUN_SIZE_PX * float(np.hypot(*back[:, 0]))


def _is_near(person: FilmPerson, middle: FloatArray, side: float) -> bool:
    sizes = sorted((person.side, side))
    return bool(np.hypot(*(person.middle - middle)) <= _NEAR * sizes[1] and sizes[1] <= _SIZES * sizes[0])
