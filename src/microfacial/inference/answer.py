"""Answer about a film: follow the faces, spot their movements, recognise each movement, and abstain where needed."""

from collections.abc import Mapping
from pathlib import Path

from microfacial.datasets.frames import Recording, frame_times, open_clip, require_fps
from microfacial.errors import DatasetError, MicrofacialError
from microfacial.files import as_path
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.film_answer import Event, FilmAnswer, Person, UnjudgedFrames
from microfacial.inference.read import read_moments
from microfacial.inference.recognise import recognise_events
from microfacial.preprocessing.events import SpottedEvent, spot_events
from microfacial.preprocessing.people_track import TrackedPerson, track_people

LEAST_FPS_FOR_MICRO = 20.0
"""Least frame rate for micro-expressions. At 20 frames per second, one of 0.2 s has only four frames."""


def answer_film(
    path: Path | str, model: AnsweringModel, *, fps: float | None = None, pictures: bool = False
) -> FilmAnswer:
    """Find and recognise the movements of all people in a film.

    Args:
        path: a video or a folder of frames.
        model: the model that recognises movements.
        fps: frames per second. None means the frame rate in the video file.
        pictures: whether to keep crops and flow of each movement in `Event.store`.

    Returns:
        The answer. It has no events and a reason if nothing was spotted.

    Raises:
        DatasetError: the film cannot be read, or its frame rate is unknown.
    """
    recording = open_clip(as_path(path, "answer_film: path"))
    known_fps = require_fps(recording, fps)
    times = frame_times(recording, fps)
    tracked: tuple[TrackedPerson, ...] = ()
    if known_fps >= LEAST_FPS_FOR_MICRO:
        tracked = track_people(recording, recording.root, known_fps)
    spotted = [_spot(number, person, known_fps, times) for number, person in enumerate(tracked, 1)]
    people = tuple(person for person, _ in spotted)
    found = [event for _, events in spotted for event in events]
    events = recognise_events(recording, found, tracked, model, pictures=pictures)
    return FilmAnswer(
        source=str(path),
        model=model.note,
        fps=known_fps,
        frames=len(recording.numbers),
        seconds=times[recording.numbers[-1]],
        people=people,
        events=events,
        reason=None if events else _explain_absence(recording, known_fps, people),
    )


def _spot(number: int, person: TrackedPerson, fps: float, times: Mapping[int, float]) -> tuple[Person, list[Event]]:
    """Spot the movements of one person."""
    shown = {frame: times[frame] for frame in person.track.numbers}
    try:
        spotted = spot_events(person.track, fps, shown)
    except DatasetError as error:  # the times of the frames differ too much
        return _describe(number, person, (), times, note=str(error)), []
    signal = dict(zip(spotted.numbers, spotted.signal.tolist(), strict=True))  # a frame that stays appears twice
    described = _describe(number, person, tuple(signal.items()), times, spotted.threshold, spotted.note)
    return described, [_make_event(number, event, times) for event in spotted.events]


def _describe(
    number: int,
    person: TrackedPerson,
    signal: tuple[tuple[int, float], ...],
    times: Mapping[int, float],
    threshold: float = 0.0,
    note: str = "",
) -> Person:
    gaps = tuple(
        UnjudgedFrames(
            first=gap.first, last=gap.last, first_s=times[gap.first], last_s=times[gap.last], reason=gap.reason
        )
        for gap in person.gaps
    )
    return Person(
        person=number,
        numbers=tuple(frame for frame, _ in signal),
        seconds=tuple(times[frame] for frame, _ in signal),
        signal=tuple(value for _, value in signal),
        threshold=threshold,
        note=note or None,
        gaps=gaps,
        places=person.places,
    )


def _make_event(number: int, event: SpottedEvent, times: Mapping[int, float]) -> Event:
    abstained = None
    if event.kind != "micro":
        lasts = times[event.offset] - times[event.onset]
        abstained = f"it lasts {lasts:.2f} s, longer than a micro-expression, which the models are trained on"
    return Event(
        person=number,
        onset=event.onset,
        apex=event.apex,
        offset=event.offset,
        onset_s=times[event.onset],
        apex_s=times[event.apex],
        offset_s=times[event.offset],
        score=event.score,
        kind=event.kind,
        abstained=abstained,
    )


def _explain_absence(recording: Recording, fps: float, people: tuple[Person, ...]) -> str:
    """Return why there are no events."""
    if fps < LEAST_FPS_FOR_MICRO:
        return (
            f"the frame rate of {fps:.3g} per second is too low for micro-expressions: {LEAST_FPS_FOR_MICRO:g} are "
            "needed, and 100 or more are better"
        )
    if not people:
        return "no face was found. Crop the frames to the face, or use a film that shows one"
    judged = sum(1 for person in people for value in person.signal if value > 0)
    notes = [person.gaps[0].reason for person in people if person.gaps and not judged]
    return (notes or [person.note for person in people if person.note] or ["nothing moves"])[0]


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
        units=(),
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
