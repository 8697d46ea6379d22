"""Answer about a film: follow the faces, spot their movements, recognise each movement, and abstain where needed."""

from pathlib import Path

from microfacial.datasets.frames import frame_times, open_clip, read_frames, require_fps
from microfacial.errors import DatasetError, NoFaceError
from microfacial.files import as_path
from microfacial.inference.answering_model import AnsweringModel
from microfacial.inference.film_answer import Event, FilmAnswer, Person
from microfacial.inference.read import make_recorded_clip, make_store
from microfacial.preprocessing.face_track import track_face
from microfacial.preprocessing.faces import locate
from microfacial.preprocessing.flow import key_frames
from microfacial.preprocessing.spotting import spot_track


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
    seconds = times[recording.numbers[-1]] if times else None
    events: tuple[Event, ...] = ()
    people: tuple[Person, ...] = ()
    reason: str | None = None
    try:
        track = track_face(recording, recording.root, known_fps)
        spotting = spot_track(track, known_fps, times)
    except NoFaceError as error:
        reason = str(error)
    except DatasetError as error:
        reason = str(error)
    else:
        person = Person(
            person=1,
            numbers=spotting.numbers,
            seconds=tuple(times[number] for number in spotting.numbers),
            signal=tuple(spotting.signal.tolist()),
            threshold=spotting.threshold,
        )
        clip = make_recorded_clip(recording, spotting.onset, spotting.apex, spotting.offset)
        frames = read_frames(clip, recording.root, key_frames(clip))
        face = locate(clip, frames[clip.onset], model.faces)
        store = make_store(clip, face, frames, model.faces, model.flow)
        probabilities = model.probabilities(store, calibrated=True)
        event = Event(
            person=1,
            onset=clip.onset,
            apex=clip.apex,
            offset=clip.offset,
            onset_s=times[clip.onset],
            apex_s=times[clip.apex],
            offset_s=times[clip.offset],
            score=max(person.signal) / spotting.threshold,
            kind="micro",
            label=max(probabilities, key=lambda name: probabilities[name]),
            probabilities=probabilities,
            store=store if pictures else None,
        )
        people, events = (person,), (event,)
    return FilmAnswer(
        source=str(path),
        model=model.note,
        fps=known_fps,
        frames=len(recording.numbers),
        seconds=seconds,
        people=people,
        events=events,
        reason=reason,
    )
