"""Write a film as a video with faces, regions and events drawn in."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from microfacial.datasets.film import open_film
from microfacial.datasets.film_writer import FilmWriter, TimedVideo, check_video_path
from microfacial.files import atomic_write
from microfacial.inference.film_answer import Event, FilmAnswer, PersonAnswer
from microfacial.preprocessing.alignment import mean_face
from microfacial.preprocessing.head_run import RUN_SIZE_PX
from microfacial.preprocessing.regions import face_boxes
from microfacial.preprocessing.similarity import invert_similarity, transform_points
from microfacial.records import FloatArray, Image

RECOGNISED, ABSTAINED = (80, 200, 80), (60, 160, 240)
"""Colours of movements with a class and without a class, BGR."""

_REST = (180, 180, 180)  # colour of a face without a movement, BGR
_STRIP_PX = 24  # height of the strip with the events, below the frame
_DEFAULT_FPS = 30.0
_RATE_TOLERANCE = 0.01  # share by which the usual frame rate may differ from the mean of an even film
_LETTERS = 0.45  # size, as a factor of OpenCV's letters


def render_film(answer: FilmAnswer, film: Path, path: Path) -> None:
    """Write a film with the faces, regions and events of its answer, at the times of the answer.

    Args:
        answer: the answer about the film.
        film: the video or folder of frames.
        path: file to write.

    Raises:
        ConfigError: the extension of the file is not a key of `CODECS`.
        DatasetError: the film cannot be read.
        StorageError: the video cannot be written.
    """
    check_video_path(path)
    clock, boxes = _FrameClock(answer), region_corners()
    source = open_film(film, clock.fps if clock.is_known or film.is_dir() else None)
    with atomic_write(path) as scratch, FilmWriter(path, scratch, clock.fps) as writer:
        video, start_s = TimedVideo(writer), None
        for number, own_s, image in source.frames():
            seconds = own_s if own_s is not None and not clock.is_known else clock.read(number)
            start_s = seconds if start_s is None else start_s
            video.write(_draw(image, number, answer, boxes, clock.spacing), seconds - start_s)
        video.close()


class _FrameClock:
    """The times of all frames of a film, from the times in its answer.

    Attributes:
        is_known: whether the answer has times. If nobody was found, it has none.
        fps: usual number of frames per second.
        spacing: usual distance of the numbers of frames with a signal. Frames that repeat a picture have none.
    """

    def __init__(self, answer: FilmAnswer) -> None:
        known = {
            number: seconds
            for person in answer.people
            for number, seconds in zip(person.numbers, person.seconds, strict=True)
        }
        self._numbers = np.array(sorted(known), dtype=np.int64)
        self._seconds = np.array([known[number] for number in sorted(known)])
        self.is_known = len(known) > 0
        mean_fps = answer.fps or _DEFAULT_FPS
        self._step_s, self.spacing = 1 / mean_fps, 1
        if len(known) > 1:
            spaces = np.diff(self._numbers)
            self._step_s, self.spacing = float(np.median(np.diff(self._seconds) / spaces)), int(np.median(spaces))
        is_even = abs(self._step_s * mean_fps - 1) < _RATE_TOLERANCE
        self.fps = mean_fps if is_even else 1 / self._step_s

    def read(self, number: int) -> float:
        """Return the time of a frame in seconds.

        Args:
            number: number of the frame.
        """
        if not self.is_known:
            return number * self._step_s
        outside = min(0, number - self._numbers[0]) + max(0, number - self._numbers[-1])
        return float(np.interp(number, self._numbers, self._seconds) + outside * self._step_s)


def region_corners() -> list[FloatArray]:
    """Return the corners of the regions of the mean face on the aligned square, `(4, 2)` each."""
    return [
        np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)
        for top, left, bottom, right in face_boxes("mission", mean_face(RUN_SIZE_PX), RUN_SIZE_PX)
    ]


def _draw(image: Image, number: int, answer: FilmAnswer, boxes: Sequence[FloatArray], spacing: int) -> Image:
    height, width = image.shape[:2]
    even = ((height + _STRIP_PX + 1) // 2 * 2, (width + 1) // 2 * 2)  # codecs need even sides
    canvas = np.zeros((*even, 3), np.uint8)
    canvas[:height, :width] = image
    current = {event.person: event for event in answer.events if event.onset <= number <= event.offset}
    for person in answer.people:
        _draw_face(canvas, person, range(number, number - spacing, -1), current.get(person.person), boxes)
    if not answer.people and current:
        draw_text(canvas, _describe(current[1]), 4, 16, RECOGNISED)
    _draw_strip(canvas[height:], number, answer)
    return canvas


def _draw_face(
    canvas: Image, person: PersonAnswer, numbers: Sequence[int], event: Event | None, boxes: Sequence[FloatArray]
) -> None:
    """Draw the face at its place in the first of some frames that has a place."""
    place = next((person.places[number] for number in numbers if number in person.places), None)
    if place is not None:
        colour = _REST if event is None else RECOGNISED if event.label else ABSTAINED
        text = f"person {person.person}" + (f": {_describe(event)}" if event else "")
        draw_face_square(canvas, place, text, colour, boxes)


def draw_face_square(
    canvas: Image, place: FloatArray, text: str, colour: tuple[int, int, int], boxes: Sequence[FloatArray]
) -> None:
    """Draw the square of a face with its regions, and a text above it.

    Args:
        canvas: picture to draw on, `(H, W, 3)` uint8, BGR.
        place: similarity from its pixels to the aligned square, `(2, 3)`.
        text: the text.
        colour: colour of the lines and the text, BGR.
        boxes: corners of the regions on the aligned square; see `region_corners`.
    """
    back = invert_similarity(place)
    last = RUN_SIZE_PX - 1.0
    square = transform_points(back, np.array([(0.0, 0.0), (last, 0.0), (last, last), (0.0, last)]))
    shapes = [square, *(transform_points(back, corners) for corners in boxes)]
    cv2.polylines(canvas, [np.rint(shape).astype(np.int32) for shape in shapes], True, colour, 1, cv2.LINE_AA)
    left, top = np.rint(square.min(axis=0)).astype(int).tolist()
    draw_text(canvas, text, max(left, 2), max(top - 6, 14), colour)


def _describe(event: Event) -> str:
    if event.label is None:
        return f"{event.kind}, not recognised"
    return f"{event.label} {event.probabilities[event.label]:.2f}"


def draw_text(canvas: Image, text: str, left: int, bottom: int, colour: tuple[int, int, int]) -> None:
    """Draw a line of text on a black ground. Letters outside of ASCII become question marks, and dashes hyphens.

    Args:
        canvas: picture to draw on, `(H, W, 3)` uint8, BGR.
        text: the text.
        left: x of its left end in px.
        bottom: y of its base line in px.
        colour: colour, BGR.
    """
    plain = text.replace("–", "-").encode("ascii", "replace").decode()  # OpenCV's letters are ASCII
    (width, height), below = cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, _LETTERS, 1)
    cv2.rectangle(canvas, (left - 2, bottom - height - 3), (left + width + 2, bottom + below), (0, 0, 0), -1)
    cv2.putText(canvas, plain, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, _LETTERS, colour, 1, cv2.LINE_AA)


def _draw_strip(strip: Image, number: int, answer: FilmAnswer) -> None:
    """Draw all events of the film on a line of time, and the present frame."""
    width = strip.shape[1] - 1
    first, last = _frame_range(answer, number)
    for event in answer.events:
        start, end = (round(width * (frame - first) / max(1, last - first)) for frame in (event.onset, event.offset))
        colour = RECOGNISED if event.label else ABSTAINED
        cv2.rectangle(strip, (start, 4), (max(end, start + 1), _STRIP_PX - 5), colour, -1)
    now = round(width * (number - first) / max(1, last - first))
    cv2.line(strip, (now, 0), (now, _STRIP_PX), (255, 255, 255), 1)


def _frame_range(answer: FilmAnswer, number: int) -> tuple[int, int]:
    """Return the first and the last number in the answer."""
    numbers: Iterator[int] = (frame for person in answer.people for frame in (person.numbers[:1] + person.numbers[-1:]))
    known = [number, *numbers, *(event.onset for event in answer.events), *(event.offset for event in answer.events)]
    return min(1, *known), max(*known, answer.frames)
