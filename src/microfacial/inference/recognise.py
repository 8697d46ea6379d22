"""Recognise spotted movements. The film is read once more, and only its key frames are kept, for as long as needed."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from microfacial.datasets.frames import Recording
from microfacial.errors import DatasetError
from microfacial.inference.answering_model import AnsweringModel, find_units
from microfacial.inference.film_answer import Event
from microfacial.inference.frame_source import FrameSource
from microfacial.inference.head_check import LARGEST_SHIFT
from microfacial.inference.read import make_recorded_clip, make_store
from microfacial.inference.unfamiliar_motion import find_unfamiliar
from microfacial.preprocessing.alignment import PlacedFace, place_all_faces, place_distance
from microfacial.preprocessing.flow import key_frames
from microfacial.preprocessing.head_run import RUN_SIZE_PX
from microfacial.preprocessing.landmarks import BORDERS
from microfacial.preprocessing.regions import face_boxes
from microfacial.records import ONSET_APEX, Clip, Face, FaceStore, FloatArray, Image

_SAME_PLACE = 0.3  # of the square's side: a face this far from where it was followed is another one
_SURELY_SAME = 0.1  # no other face is as near, so the search can end


def recognise_events(
    source: FrameSource,
    events: Sequence[Event],
    places: Sequence[Mapping[int, FloatArray]],
    model: AnsweringModel,
    *,
    pictures: bool,
) -> tuple[Event, ...]:
    """Recognise movements, or say why they cannot be recognised.

    Args:
        source: the frames of the film.
        events: spotted movements, in any order. Those with a reason in
            `abstained` are not recognised, and get nothing but the pictures.
        places: for each person, the similarity from the pixels of a frame to the aligned square, `(2, 3)`, by the
            number of the frame.
        model: the model.
        pictures: whether to keep crops and flow in the results.

    Returns:
        The movements in the order of their onsets.

    Raises:
        DatasetError: a frame cannot be read.
    """
    ordered = sorted(events, key=lambda event: (event.onset, event.person))
    recording = source.recording
    clips = [_make_clip(recording, event) for event in ordered]
    used = [pictures or event.abstained is None for event in ordered]
    numbers = {number for clip, use in zip(clips, used, strict=True) if use for number in key_frames(clip)}
    waiting = [row for row, use in enumerate(used) if use]
    frames: dict[int, Image] = {}
    for number, frame in source.read(numbers):
        frames[number] = frame
        for row in [row for row in waiting if clips[row].offset <= number]:
            person_places = places[ordered[row].person - 1]
            ordered[row] = _recognise(ordered[row], clips[row], person_places, frames, model, pictures=pictures)
            waiting.remove(row)
        first = min((clips[row].onset for row in waiting), default=number + 1)
        frames = {earlier: image for earlier, image in frames.items() if earlier >= first}
    return tuple(ordered)


def _make_clip(recording: Recording, event: Event) -> Clip:
    """Return the frames of an event as a clip. A search in its few frames is fast, however long the film is."""
    numbers = recording.numbers
    shown = numbers[bisect_left(numbers, event.onset) : bisect_right(numbers, event.offset)]
    return make_recorded_clip(replace(recording, numbers=shown, seconds=()), event.onset, event.apex, event.offset)


def _recognise(
    event: Event,
    clip: Clip,
    places: Mapping[int, FloatArray],
    frames: Mapping[int, Image],
    model: AnsweringModel,
    *,
    pictures: bool,
) -> Event:
    key = {number: frames[number] for number in key_frames(clip)}
    try:
        face = _find_face(clip, key[clip.onset], places, model)
        store = make_store(clip, face, key, model.faces, model.flow, model.windows)
    except DatasetError as error:
        return replace(event, abstained=event.abstained or str(error).removeprefix(f"{clip.id}: "))
    event = replace(event, store=store if pictures else None)
    reason = event.abstained or _find_reason(store)
    if reason:
        return replace(event, abstained=reason)
    probabilities = model.probabilities(store, calibrated=True)
    return replace(
        event,
        label=max(probabilities, key=lambda name: probabilities[name]),
        probabilities=probabilities,
        units=find_units(store),
        attention=model.attention(store),
    )


def _find_face(clip: Clip, frame: Image, places: Mapping[int, FloatArray], model: AnsweringModel) -> Face:
    """Find the face of the tracked person in the onset frame, as the stage `faces` finds the only one."""
    moves = max(place_distance(places[clip.onset], places[number], RUN_SIZE_PX) for number in (clip.apex, clip.offset))
    if moves > LARGEST_SHIFT * RUN_SIZE_PX:
        raise DatasetError("the head moves too far during the movement")
    nearest, distance = None, _SAME_PLACE
    for border in BORDERS:
        for face in place_all_faces(frame, model.faces.size_px, borders=(border,)):
            away = _distance(face, places[clip.onset], model)
            if away <= distance:
                nearest, distance = face, away
        if distance <= _SURELY_SAME:
            break
    if nearest is None:
        raise DatasetError(f"the face is not found in frame {clip.onset}")
    boxes = face_boxes(model.faces.regions, nearest.points, model.faces.size_px)
    return Face(
        clip=clip.id, transform=nearest.transform, boxes=boxes, source="landmarks", confidence=nearest.confidence
    )


def _distance(face: PlacedFace, place: FloatArray, model: AnsweringModel) -> float:
    """Return how far a face is from the place of the tracked one, in sides of the aligned square."""
    scale = RUN_SIZE_PX / model.faces.size_px
    shift = np.array([0.5 * scale - 0.5] * 2)  # centres of pixels lie at +½
    transform = np.column_stack([face.transform[:, :2] * scale, face.transform[:, 2] * scale + shift])
    return place_distance(place, transform, RUN_SIZE_PX) / RUN_SIZE_PX


def _find_reason(store: FaceStore) -> str | None:
    """Return why the motion of a clip cannot be recognised, or None."""
    if not store.flow[0, store.windows.index(ONSET_APEX), :2].any():
        return "nothing moves: the frames at onset and apex are the same"
    return find_unfamiliar(store)
