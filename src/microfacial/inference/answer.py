"""Answer about a film: follow the faces, spot their movements, recognise each movement, and abstain where needed."""

from collections.abc import Mapping
from pathlib import Path

from microfacial.datasets.frames import Recording
from microfacial.errors import MicrofacialError
from microfacial.files import as_path
from microfacial.inference.answering_model import AnsweringModel, find_units
from microfacial.inference.film_answer import Event, FilmAnswer, PersonAnswer, UnjudgedFrames
from microfacial.inference.follow_film import FollowedFilm, FollowedPerson, ReportFrames, follow_film
from microfacial.inference.read import read_moments
from microfacial.inference.recognise import recognise_events
from microfacial.inference.short_clip import spot_short_clip
from microfacial.preprocessing.person_spotter import SpottedEvent

LEAST_FPS_FOR_MICRO = 20.0
"""Least frame rate for micro-expressions. At 20 frames per second, one of 0.2 s has only four frames."""

# A longer movement is a micro-expression, too, if it takes at most this time from onset to apex.
# Source: Yan et al., J. Nonverbal Behav. 2013, doi:10.1007/s10919-013-0159-8.
_LONGEST_RISE_S = 0.26

_THRESHOLD = 1.0  # the signal is a multiple of the threshold


def answer_film(
    path: Path | str,
    model: AnsweringModel,
    *,
    fps: float | None = None,
    pictures: bool = False,
    report: ReportFrames | None = None,
) -> FilmAnswer:
    """Find and recognise the movements of all people in a film.

    Args:
        path: a video or a folder of frames.
        model: the model that recognises movements.
        fps: frames per second. None means the frame rate and the timestamps in the video file.
        pictures: whether to keep crops and flow of each movement in `Event.store`.
        report: called after each frame; None for nothing.

    Returns:
        The answer. It has no events and a reason if nothing was spotted.

    Raises:
        DatasetError: the film cannot be read, or its frame rate is unknown.
    """
    followed = follow_film(as_path(path, "answer_film: path"), fps, report)
    numbers = {person.person.number: number for number, person in enumerate(followed.people, 1)}
    spotted = []
    if followed.fps >= LEAST_FPS_FOR_MICRO:
        spotted = [
            _make_event(
                numbers[entry.person], entry.event, followed.people[numbers[entry.person] - 1], followed.seconds
            )
            for entry in followed.events
        ]
    recording = _as_recording(followed)
    if not spotted and followed.fps >= LEAST_FPS_FOR_MICRO and len(followed.people) == 1:
        (person,) = followed.people
        strongest = spot_short_clip(recording, followed.fps, followed.seconds)
        # The two methods search for a lost face at different frames, so a moment can be a frame without a place.
        if strongest and {strongest.onset, strongest.apex, strongest.offset} <= person.places.keys():
            spotted = [_make_event(1, strongest, person, followed.seconds)]
    places = [person.places for person in followed.people]
    events = recognise_events(recording, spotted, places, model, pictures=pictures)
    people = tuple(
        _describe(number, person, followed, any(event.person == number for event in events))
        for number, person in enumerate(followed.people, 1)
    )
    return FilmAnswer(
        source=str(path),
        model=model.note,
        fps=followed.fps,
        frames=len(followed.seconds),
        seconds=max(followed.seconds.values()),
        people=people,
        events=events,
        reason=None if events else _explain_absence(followed, people),
    )


def _as_recording(followed: FollowedFilm) -> Recording:
    """Return the film as a recording whose number of frames is known."""
    if followed.film.recording is not None:
        return followed.film.recording
    path = followed.film.path
    return Recording(root=path.parent, frames=path.name, numbers=tuple(followed.seconds), fps=followed.fps)


def _describe(number: int, person: FollowedPerson, followed: FollowedFilm, has_events: bool) -> PersonAnswer:
    spotter, times = person.person.spotter, followed.seconds
    searched = followed.fps >= LEAST_FPS_FOR_MICRO
    return PersonAnswer(
        person=number,
        numbers=tuple(spotter.numbers),
        seconds=tuple(times[frame] for frame in spotter.numbers),
        signal=tuple(spotter.signal),
        threshold=_THRESHOLD,
        note=person.note if searched and not has_events else None,
        gaps=tuple(
            UnjudgedFrames(first=first, last=last, first_s=times[first], last_s=times[last], reason=reason)
            for first, last, reason in person.gaps()
        ),
        places=person.places,
    )


def _make_event(number: int, event: SpottedEvent, person: FollowedPerson, times: Mapping[int, float]) -> Event:
    moments = (event.onset, event.apex, event.offset)
    onset_s, apex_s, offset_s = (times[moment] for moment in moments)
    abstained = next((person.faults[moment] for moment in moments if moment in person.faults), None)
    if abstained is None and event.kind != "micro" and apex_s - onset_s > _LONGEST_RISE_S:
        abstained = (
            f"it lasts {offset_s - onset_s:.2f} s, longer than the micro-expressions that the models are trained on"
        )
    return Event(
        person=number,
        onset=event.onset,
        apex=event.apex,
        offset=event.offset,
        onset_s=onset_s,
        apex_s=apex_s,
        offset_s=offset_s,
        score=event.score,
        kind=event.kind,
        abstained=abstained,
    )


def _explain_absence(followed: FollowedFilm, people: tuple[PersonAnswer, ...]) -> str:
    """Return why there are no events."""
    if followed.fps < LEAST_FPS_FOR_MICRO:
        return (
            f"the frame rate of {followed.fps:.3g} per second is too low for micro-expressions: "
            f"{LEAST_FPS_FOR_MICRO:g} are needed, and 100 or more are better"
        )
    if not people:
        return "no face was found. Crop the frames to the face, or use a film that shows one"
    most = max(followed.people, key=lambda person: len(person.places))
    if len(most.faults) > 0.5 * len(most.places):
        reasons = list(most.faults.values())
        return max(set(reasons), key=reasons.count)
    return most.note


def has_known_moments(model: AnsweringModel, moments: Mapping[str, int | None]) -> bool:
    """Return whether `answer_clip` is to answer, and not `answer_film`.

    Args:
        model: the model. A model of published maps reads a picture, in which there is nothing to spot.
        moments: `onset`, `apex` and `offset`, numbers of frames. None where a moment is not given.
    """
    return model.faces.method == "whole" or any(moment is not None for moment in moments.values())


def answer_clip(
    path: Path | str,
    model: AnsweringModel,
    onset: int | None,
    apex: int | None,
    offset: int | None,
    *,
    fps: float | None = None,
    pictures: bool = False,
) -> FilmAnswer:
    """Recognise one movement whose moments are given, or the picture of a map. Probabilities are not calibrated.

    Args:
        path: see `read_clip`. A model of published maps takes the picture of a map, which has no moments.
        model: the model.
        onset: see `read_clip`.
        apex: see `read_clip`.
        offset: see `read_clip`.
        fps: see `read_clip`.
        pictures: whether to keep crops and flow in `Event.store`.

    Returns:
        The answer, with one event.

    Raises:
        DatasetError: the clip cannot be read; see `read_clip`.
        StorageError: the predictions are not finite.
    """
    store, clip, times = read_moments(path, onset, apex, offset, fps=fps, faces=model.faces, flow=model.flow)
    try:
        probabilities = model.probabilities(store, calibrated=False)
    except MicrofacialError as error:
        raise type(error)(f"{path}: {error}") from None
    event = Event(
        person=1,
        onset=clip.onset,
        apex=clip.apex,
        offset=clip.offset,
        onset_s=times.get(clip.onset),
        apex_s=times.get(clip.apex),
        offset_s=times.get(clip.offset),
        score=None,
        kind="map" if store.unit == "stretched" else "given",
        label=max(probabilities, key=lambda name: probabilities[name]),
        probabilities=probabilities,
        units=find_units(store),
        attention=model.attention(store),
        store=store if pictures else None,
    )
    return FilmAnswer(
        source=str(path),
        model=model.note,
        fps=fps or clip.fps or None,
        frames=len(clip.numbers),
        seconds=times.get(clip.numbers[-1]),
        events=(event,),
    )
