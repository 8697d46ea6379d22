"""Answer about the frames of a camera while it records.

The steps are those of a film: follow the faces, spot their movements, recognise each movement. A movement is recognised
as soon as it is final. Its frames come from the memory of the last seconds.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from microfacial.datasets.frames import Recording, TimedFrame
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.describe_film import describe_person, explain_no_event, make_event
from microfacial.inference.film_answer import Event, FilmAnswer
from microfacial.inference.follow_film import LEAST_SEEN_S, FilmFollower, FollowedFilm, FollowedPerson
from microfacial.inference.frame_rate import RATE_S, SLOW_S, RecentRate, explain_slow_rate, mean_rate, round_rate
from microfacial.inference.frame_source import RecentFrames
from microfacial.inference.recognise import recognise_events
from microfacial.preprocessing.alignment import place_all_faces
from microfacial.preprocessing.event_rules import EventConfig
from microfacial.preprocessing.film_spotter import PersonEvent
from microfacial.preprocessing.person_spotter import SpottedEvent, longest_wait

_MEMORY_S = longest_wait(EventConfig()) + 1.0  # of frames, so that those of each movement can be read again
_MOST_BYTES = 2**30
_FORGOTTEN = "its frames are not in memory any more. Use smaller frames or a lower frame rate"
_START_S, _START_FRAMES = 0.5, 5  # the first frames, which give the frame rate
_SLOW_TIME_S = 60.0  # longest time with one reason
_RATE_CHANGE = 0.05  # smaller changes of the rate are noise
_USUAL_FPS = 30.0  # of a single frame


class LiveAnswer:
    """Takes the frames of a camera one by one, and returns movements as soon as they are final.

    Attributes:
        count: number of frames so far.
        events: the movements so far, in the order in which they became final.
        slow: why the present frame rate is too low; empty if it is not.
    """

    def __init__(self, name: str, model: AnsweringModel, *, pictures: bool = False) -> None:
        """Start without frames.

        Args:
            name: name of the camera.
            model: the model that recognises movements.
            pictures: whether to keep crops and flow of each movement in `Event.store`.
        """
        _load_detector()
        self.count = 0
        self.events: list[Event] = []
        self.slow = ""
        self._name, self._model, self._pictures = name, model, pictures
        self._recent = RecentFrames(name, _MEMORY_S, _MOST_BYTES)
        self._first: list[TimedFrame] = []
        self._follower: FilmFollower | None = None
        self._numbers: dict[int, int] = {}  # number in the answer by the number of the spotter
        self._fps = 0.0
        self._short, self._long = RecentRate(SLOW_S), RecentRate(RATE_S)
        self._slow_time: _SlowTime | None = None
        self._slow_ranges: list[tuple[int, int]] = []  # first and last number of each slow time
        self._last_s = 0.0  # time of the frame before

    @property
    def fps(self) -> float | None:
        """Frames per second in the last second; None before the second frame."""
        return self._short.fps

    @property
    def seconds(self) -> dict[int, float]:
        """Time of each frame in seconds from the first frame, by its number, ascending."""
        return {} if self._follower is None else self._follower.seconds

    @property
    def people(self) -> dict[int, FollowedPerson]:
        """People who were visible for long enough, by their numbers in the answer."""
        return (
            {}
            if self._follower is None
            else {number: self._follower.people[spotted] for spotted, number in self._numbers.items()}
        )

    def add(self, frame: TimedFrame) -> tuple[Event, ...]:
        """Read the next frame.

        Args:
            frame: the frame. Its time is known and later than those before.

        Returns:
            The movements that became final, in the order of their onsets.
        """
        assert frame.seconds is not None
        self.count += 1
        self._recent.add(frame)
        if self._follower is not None:
            return self._follow(self._follower, frame)
        self._first.append(frame)
        if len(self._first) < _START_FRAMES or frame.seconds - (self._first[0].seconds or 0.0) < _START_S:
            return ()
        return self._start()

    def finish(self) -> FilmAnswer:
        """Return the answer about all frames.

        Returns:
            The answer. It has no events and a reason if nothing was spotted.
        """
        if self._follower is None:
            self._start()
        assert self._follower is not None
        spotted = self._follower.finish()
        longest = max((len(person.places) for person in self._follower.people.values()), default=0)
        if not self._numbers:
            self._number_people(longest)
        if self._slow_time:
            self._slow_time.explain(self._follower)
        self._recognise(self._follower, spotted)
        fps = mean_rate(list(self.seconds.values())) or self._fps
        followed = FollowedFilm(
            recording=Recording(root=Path(), frames=self._name, numbers=tuple(self.seconds), fps=None),
            seconds=self.seconds,
            fps=fps,
            people=tuple(self.people.values()),
            events=(),
            slow=explain_slow_rate(fps),
        )
        events = tuple(sorted(self.events, key=lambda event: (event.onset, event.person)))
        return FilmAnswer(
            source=self._name,
            model=self._model.note,
            fps=followed.fps,
            frames=len(self.seconds),
            seconds=max(self.seconds.values(), default=None),
            people=tuple(
                describe_person(number, person, followed, any(event.person == number for event in events))
                for number, person in self.people.items()
            ),
            events=events,
            reason=None if events else explain_no_event(followed),
        )

    def _start(self) -> tuple[Event, ...]:
        """Measure the frame rate of the first frames, and follow the people in them."""
        steps = np.diff([frame.seconds or 0.0 for frame in self._first])
        self._fps = round_rate(1 / float(np.median(steps))) if len(steps) else _USUAL_FPS
        self.slow = explain_slow_rate(self._fps)
        self._last_s = (self._first[0].seconds or 0.0) - 1 / self._fps
        self._follower = FilmFollower(self._fps)
        events: list[Event] = []
        for frame in self._first:
            events += self._follow(self._follower, frame)
        self._first = []
        return tuple(events)

    def _follow(self, follower: FilmFollower, frame: TimedFrame) -> tuple[Event, ...]:
        self._measure_rate(follower, frame)
        spotted = follower.add(frame, self.slow)
        self._number_people(LEAST_SEEN_S * self._fps)
        return self._recognise(follower, spotted)

    def _measure_rate(self, follower: FilmFollower, frame: TimedFrame) -> None:
        for rate in (self._short, self._long):
            rate.add(frame.seconds or 0.0)
        if self._short.fps is not None:
            self.slow = explain_slow_rate(self._short.fps)
        slow = self._slow_time
        if slow and not (self.slow and slow.frames[-1][1] - slow.start_s < _SLOW_TIME_S):
            slow.explain(follower)
            slow = None
        if self.slow:
            slow = slow or _SlowTime(self._last_s, self.slow)
            slow.frames.append((frame.number, frame.seconds or 0.0))
            if len(slow.frames) > 1:
                self._slow_ranges.pop()
            self._slow_ranges.append((slow.frames[0][0], frame.number))
        self._slow_time, self._last_s = slow, frame.seconds or 0.0
        if self._long.is_full and self._long.fps and abs(self._long.fps / self._fps - 1) > _RATE_CHANGE:
            self._fps = self._long.fps
            follower.spotter.set_rate(self._fps)

    def _number_people(self, least: float) -> None:
        """Number the people who are visible for long enough in the order in which they become so."""
        assert self._follower is not None
        for spotted, person in self._follower.people.items():
            if spotted not in self._numbers and len(person.places) >= least:
                self._numbers[spotted] = len(self._numbers) + 1

    def _recognise(self, follower: FilmFollower, spotted: tuple[PersonEvent, ...]) -> tuple[Event, ...]:
        """Recognise movements. As in a film, those at too low a frame rate do not count."""
        found = [
            make_event(self._numbers[entry.person], entry.event, follower.people[entry.person], follower.seconds)
            for entry in spotted
            if entry.person in self._numbers and not self._is_slow(entry.event)
        ]
        lost = [
            replace(event, abstained=event.abstained or _FORGOTTEN)
            for event in found
            if event.onset not in self._recent
        ]
        held = [event for event in found if event.onset in self._recent]
        places = [person.places for person in self.people.values()]
        final = [*lost, *recognise_events(self._recent, held, places, self._model, pictures=self._pictures)]
        self.events += final
        return tuple(final)

    def _is_slow(self, event: SpottedEvent) -> bool:
        return any(first <= event.offset and event.onset <= last for first, last in self._slow_ranges)


def _load_detector() -> None:
    """Load the network that finds faces, so that it does not delay the first frames."""
    blank = np.zeros((64, 64, 3), np.uint8)
    place_all_faces(blank, len(blank))


class _SlowTime:
    """A time in which the frame rate is too low. All its frames have one reason, with the mean rate."""

    def __init__(self, start_s: float, reason: str) -> None:
        self.start_s, self._reason = start_s, reason
        self.frames: list[tuple[int, float]] = []  # number and time

    def explain(self, follower: FilmFollower) -> None:
        """Give the frames so far their reason."""
        duration = self.frames[-1][1] - self.start_s
        self._reason = explain_slow_rate(round_rate(len(self.frames) / max(duration, 1e-6))) or self._reason
        for person in follower.people.values():
            person.add_faults(dict.fromkeys((number for number, _ in self.frames), self._reason))
