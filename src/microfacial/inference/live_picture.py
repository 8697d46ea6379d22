"""Draw the picture of a camera with its faces, the signal of the last seconds, and the movements."""

import textwrap
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.frames import TimedFrame
from microfacial.inference.answer_table import format_units
from microfacial.inference.film_answer import Event
from microfacial.inference.film_render import ABSTAINED, RECOGNISED, draw_face_square, draw_text, region_corners
from microfacial.inference.live_answer import LiveAnswer
from microfacial.records import Image

_SHOWN_S = 30.0  # of the signal
_PREVIEW_S = 1.0  # time after which the signal that is not final is computed again
_LEAST_WIDTH = 640  # the texts need some space
_TIMELINE_PX, _LINE_PX, _LINES = 100, 18, 6
_LETTER_PX = 8  # mean width of a letter
_GREATEST = 3.0  # signal at the upper edge of the timeline, as a multiple of the threshold
_WHITE, _GREY, _DARK = (255, 255, 255), (150, 150, 150), (70, 70, 70)
_PEOPLE = ((230, 200, 90), (200, 130, 240), (110, 220, 240), (160, 240, 160))  # colours of people, BGR


class _Course(NamedTuple):
    """The signal of one person: times in seconds, values, and the number of values that are final."""

    seconds: NDArray[np.float64]
    values: NDArray[np.float64]
    final: int


class LivePicture:
    """Draws one picture after the other. All have the same size if the frames have."""

    def __init__(self) -> None:
        self._boxes = region_corners()
        self._courses: dict[int, _Course] = {}
        self._computed_s = -np.inf

    def draw(self, frame: TimedFrame, live: LiveAnswer, dropped: int) -> Image:
        """Draw a frame.

        Args:
            frame: the frame that `live` read last.
            live: the answer so far.
            dropped: number of frames that were dropped.

        Returns:
            A picture, `(H, W, 3)` uint8, BGR, with even sides: the frame, below it the signal of the last 30 s, and the
            last movements.
        """
        assert frame.seconds is not None
        height, width = frame.image.shape[:2]
        below = _TIMELINE_PX + (_LINES + 1) * _LINE_PX
        even = ((height + below + 1) // 2 * 2, (max(width, _LEAST_WIDTH) + 1) // 2 * 2)  # codecs need even sides
        canvas = np.zeros((*even, 3), np.uint8)
        left = (even[1] - width) // 2
        picture = canvas[:height, left : left + width]
        picture[:] = frame.image
        for number, person in live.people.items():
            if frame.number in person.places:
                text = f"person {number}" + (": not judged" if frame.number in person.faults else "")
                draw_face_square(picture, person.places[frame.number], text, _colour(number), self._boxes)
        if live.slow:
            draw_text(canvas, live.slow, 6, 18, ABSTAINED)
        if frame.seconds - self._computed_s >= _PREVIEW_S:
            self._courses = _compute_courses(live, frame.seconds - _SHOWN_S)
            self._computed_s = frame.seconds
        self._draw_timeline(canvas[height : height + _TIMELINE_PX], frame.seconds, live.events)
        self._draw_lines(canvas[height + _TIMELINE_PX :], frame.seconds, live, dropped)
        return canvas

    def _draw_timeline(self, strip: Image, now_s: float, events: Sequence[Event]) -> None:
        """Draw the signal of each person, the threshold, and the movements. The right edge is the present."""
        width, bottom = strip.shape[1] - 1, strip.shape[0] - 4

        def across(seconds: NDArray[np.float64] | float) -> NDArray[np.float64]:
            return np.asarray(width * (1 + (np.asarray(seconds) - now_s) / _SHOWN_S))

        for event in events:
            if event.offset_s is not None and event.onset_s is not None and event.offset_s > now_s - _SHOWN_S:
                start, end = (round(float(across(seconds))) for seconds in (event.onset_s, event.offset_s))
                colour = RECOGNISED if event.label else ABSTAINED
                cv2.rectangle(strip, (start, 2), (max(end, start + 1), bottom), colour, -1)
        limit = round(bottom * (1 - 1 / _GREATEST))
        cv2.line(strip, (0, limit), (width, limit), _DARK, 1)
        for number, course in self._courses.items():
            heights = bottom * (1 - np.minimum(course.values, _GREATEST) / _GREATEST)
            points = np.rint(np.stack([across(course.seconds), heights], axis=-1)).astype(np.int32)
            cv2.polylines(strip, [points[: course.final]], False, _colour(number), 1, cv2.LINE_AA)
            cv2.polylines(strip, [points[max(course.final - 1, 0) :]], False, _GREY, 1, cv2.LINE_AA)

    def _draw_lines(self, area: Image, now_s: float, live: LiveAnswer, dropped: int) -> None:
        """Draw a line with the time and the frame rate, and a line for each of the last movements."""
        rate = "" if live.fps is None else f"   {live.fps:.1f} frames per second"
        lost = f"   {dropped} frames dropped" if dropped else ""
        draw_text(area, f"{now_s:.1f} s{rate}{lost}   q: quit", 6, 13, _WHITE)
        if not live.people:
            draw_text(area, "no face so far", 6, 13 + _LINE_PX, _GREY)
        elif not live.events:
            text = "no movement so far. A movement is final about ten seconds after its peak"
            draw_text(area, text, 6, 13 + _LINE_PX, _GREY)
        letters = area.shape[1] // _LETTER_PX
        lines = [
            (line, RECOGNISED if event.label else ABSTAINED)
            for event in reversed(live.events[-_LINES:])
            for line in textwrap.wrap(_describe(event), letters, subsequent_indent="      ")
        ]
        for row, (line, colour) in enumerate(lines[:_LINES], 1):
            draw_text(area, line, 6, 13 + row * _LINE_PX, colour)


def _describe(event: Event) -> str:
    moment = "" if event.apex_s is None else f"{event.apex_s:.2f} s  "
    head = f"{moment}person {event.person}  {event.kind}  "
    if event.label is None:
        return f"{head}not recognised: {event.abstained}"
    return f"{head}{event.label} {event.probabilities[event.label]:.2f}  {format_units(event.units)}"


def _colour(number: int) -> tuple[int, int, int]:
    return _PEOPLE[(number - 1) % len(_PEOPLE)]


def _compute_courses(live: LiveAnswer, start_s: float) -> dict[int, _Course]:
    """Return the signal of each person after a time. The last seconds are not final."""
    courses = {}
    for number, followed in live.people.items():
        spotter = followed.person.spotter
        numbers, values = spotter.preview()
        first = bisect_left(spotter.numbers, start_s, key=live.seconds.__getitem__)
        final = spotter.numbers[first:]
        shown = [*final, *numbers]
        courses[number] = _Course(
            seconds=np.array([live.seconds[frame] for frame in shown]),
            values=np.concatenate([np.array(spotter.signal[first:], dtype=np.float64), values]),
            final=len(final),
        )
    return courses
