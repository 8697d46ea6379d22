"""Answer about a film: follow the faces, spot their movements, recognise each movement, and abstain where needed."""

from collections.abc import Mapping
from pathlib import Path

from microfacial.errors import name_in_errors
from microfacial.files import as_path
from microfacial.inference.answering_model import AnsweringModel, find_units
from microfacial.inference.describe_film import describe_person, explain_no_event, make_event
from microfacial.inference.film_answer import Event, FilmAnswer
from microfacial.inference.follow_film import ReportFrames, follow_film
from microfacial.inference.frame_source import FilmSource
from microfacial.inference.read import read_moments
from microfacial.inference.recognise import recognise_events
from microfacial.inference.short_clip import spot_short_clip


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
    spotted = [
        make_event(numbers[entry.person], entry.event, followed.people[numbers[entry.person] - 1], followed.seconds)
        for entry in followed.events
        if not followed.is_slow(entry.event)
    ]
    if not spotted and not followed.slow and len(followed.people) == 1:
        (person,) = followed.people
        strongest = spot_short_clip(followed.recording, followed.fps, followed.seconds)
        # The two methods search for a lost face at different frames, so a moment can be a frame without a place.
        if (
            strongest
            and not followed.is_slow(strongest)
            and {strongest.onset, strongest.apex, strongest.offset} <= person.places.keys()
        ):
            spotted = [make_event(1, strongest, person, followed.seconds)]
    places = [person.places for person in followed.people]
    events = recognise_events(FilmSource(followed.recording), spotted, places, model, pictures=pictures)
    people = tuple(
        describe_person(number, person, followed, any(event.person == number for event in events))
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
        reason=None if events else explain_no_event(followed),
    )


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
        StorageError: the predictions are no probabilities.
    """
    store, clip, times = read_moments(path, onset, apex, offset, fps=fps, faces=model.faces, flow=model.flow)
    with name_in_errors(path):
        probabilities = model.probabilities(store, calibrated=False)
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
