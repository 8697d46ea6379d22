"""Spot movements: the apex of an annotated clip, or onset, apex and offset of the strongest movement in a raw clip.

Motion is the optical flow between high-passed frames, without the motion of the head. Differences of grey levels do not
distinguish an expression from a head that drifts by a pixel.

A frame of a movement differs from the frames half a longest micro-expression before and after it. Both are needed: a
steady movement differs from them by opposite flows, which cancel.

Source: Moilanen et al., ICPR 2014, doi:10.1109/ICPR.2014.303 (the difference to both sides, the threshold for peaks);
Kroeger et al., ECCV 2016, doi:10.1007/978-3-319-46493-0_29 (the flow); Liong et al., ACPR 2015,
doi:10.1109/ACPR.2015.7486586 (the apex is the frame that differs most; eyes are left out); Yan et al., J. Nonverbal
Behav. 2013, doi:10.1007/s10919-013-0159-8 (how long micro-expressions last).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from microfacial.errors import DatasetError
from microfacial.preprocessing.even_steps import choose_even_steps
from microfacial.preprocessing.face_track import FaceTrack
from microfacial.preprocessing.frame_motion import FrameMotion, MotionField, SpottingConfig, measure_noise
from microfacial.preprocessing.peaks import find_high_peaks
from microfacial.preprocessing.portable import round_signal
from microfacial.records import FloatArray, Image

_MINIMUM_FRAMES = 5
_SPAN_SHARE = 0.4  # of the strongest peak: a movement lasts while the signal is above
_LEAST_LAGS = 4  # a clip of fewer lags need not show a face at rest besides a movement
_LEAST_FALL = 0.2  # of the apex's motion, before or after it; else one frame differs, or a movement is held
_REST_PERCENT = 20  # at least this percentage of a raw clip's frames shows a face at rest


@dataclass(frozen=True, kw_only=True)
class Spotting:
    """The strongest movement of a clip.

    Attributes:
        onset: frame number.
        apex: frame number.
        offset: frame number.
        numbers: numbers of all frames, ascending. A number appears several times if its frame stays longer.
        signal: `(N,)` float64, how far each frame is from the frames before and after it: root mean square over the
            face in px of the working width.
        threshold: value that a peak of `signal` must exceed.
        peaks: numbers of the frames at which `signal` has a peak, strongest first.
    """

    onset: int
    apex: int
    offset: int
    numbers: tuple[int, ...]
    signal: FloatArray
    threshold: float
    peaks: tuple[int, ...]


def spot_apex(
    frames: Mapping[int, Image],
    fps: float,
    onset: int,
    offset: int,
    config: SpottingConfig | None = None,
    skin: NDArray[np.bool_] | None = None,
) -> int:
    """Return the number of the frame between onset and offset that has moved most since the onset.

    Args:
        frames: cropped or aligned frames by number, uint8, grey `(H, W)` or BGR `(H, W, 3)`, all of the same size.
        fps: frames per second.
        onset: frame number.
        offset: frame number.
        config: settings of spotting. None means the default.
        skin: pixels in which motion counts, `(H, W)`. None means all. Leave out the eyes, because lids move more in a
            blink than in an expression, and leave out the background.

    Returns:
        Frame number of the apex.

    Raises:
        DatasetError: No frame lies between onset and offset, or nothing moves.
    """
    config = config or SpottingConfig()
    numbers = [number for number in sorted(frames) if onset <= number <= offset]
    if len(numbers) < 3 or numbers[0] != onset:
        raise DatasetError(f"frames {onset}–{offset}: the onset or two frames after it are missing. Copy them again")
    film = FrameMotion([frames[number] for number in numbers], config, skin)
    moved = [film.strength(film.between(0, index)[None])[0] for index in range(len(numbers))]
    signal = _smooth(np.array(moved), fps, config)
    if not signal.any():
        raise DatasetError(f"frames {onset}–{offset} are all the same, so no apex can be spotted. Exclude the clip")
    return numbers[1 + int(signal[1:].argmax())]


def spot_interval(
    frames: Mapping[int, Image],
    fps: float,
    config: SpottingConfig | None = None,
    skin: NDArray[np.bool_] | None = None,
    seconds: Mapping[int, float] | None = None,
) -> Spotting:
    """Spot onset, apex and offset of the strongest movement in a raw clip.

    Args:
        frames: see `spot_apex`. Missing frame numbers do not count as time.
        fps: frames per second.
        config: settings of spotting. None means the default.
        skin: see `spot_apex`.
        seconds: time of each frame by its number. None means that all steps between frames are the same. If the steps
            differ, spotting uses the frames that are visible at even steps.

    Returns:
        The strongest movement.

    Raises:
        DatasetError: The clip has too few frames, no movement is stronger than the flow that is measured on a face at
            rest, or the strongest movement has no clear start or end.
    """
    config, numbers = config or SpottingConfig(), tuple(sorted(frames))
    if seconds is not None:
        numbers, fps = choose_even_steps({number: seconds[number] for number in numbers}, fps, config.longest_s)
    part = _Part(numbers, [frames[number] for number in numbers], skin, None)
    return _spot_parts([part], numbers, fps, config)


def spot_track(
    track: FaceTrack, fps: float, seconds: Mapping[int, float] | None = None, config: SpottingConfig | None = None
) -> Spotting:
    """Spot onset, apex and offset of the strongest movement of a face that was followed through raw footage.

    Args:
        track: the face, from `track_face`.
        fps: frames per second.
        seconds: see `spot_interval`.
        config: settings of spotting. None means the default.

    Returns:
        The strongest movement. The signal is 0 in frames that are in no part of the track.

    Raises:
        DatasetError: All parts have too few frames, no movement is stronger than the flow that is measured on a face at
            rest, or the strongest movement has no clear start or end.
    """
    config, numbers = config or SpottingConfig(), track.numbers
    if seconds is not None:
        numbers, fps = choose_even_steps({number: seconds[number] for number in numbers}, fps, config.longest_s)
    parts = []
    for part in track.parts:
        rows = {number: row for row, number in enumerate(part.numbers)}
        chosen = tuple(number for number in numbers if number in rows)
        parts.append(_Part(chosen, part.frames.select([rows[number] for number in chosen]), part.skin, part.depth))
    return _spot_parts(parts, numbers, fps, config)


class _Part(NamedTuple):
    """Frames of one head: see `TrackedPart`. Numbers may appear several times."""

    numbers: tuple[int, ...]
    frames: Sequence[Image]
    skin: NDArray[np.bool_] | None
    depth: NDArray[np.float32] | None


def _spot_parts(parts: Sequence[_Part], numbers: tuple[int, ...], fps: float, config: SpottingConfig) -> Spotting:
    """Spot the strongest movement in any part. Frames of different parts are never compared."""
    usable = [part for part in parts if len(part.numbers) >= _MINIMUM_FRAMES]
    if not usable:
        most = max((len(part.numbers) for part in parts), default=0)
        raise DatasetError(f"only {most} frames in a row show a head in one place. {_MINIMUM_FRAMES} are needed")
    lag = max(1, round(0.5 * config.longest_s * fps))
    films = [FrameMotion(part.frames, config, part.skin, part.depth) for part in usable]
    signals = [_smooth(_measure(film, lag), fps, config) for film in films]
    rest = float(np.percentile(np.concatenate(signals), _REST_PERCENT))
    rests = sum(map(len, films)) > _LEAST_LAGS * lag
    rest = rest if rests else min(rest, measure_noise(films))  # the movement can fill a short clip
    for film, signal in zip(films, signals, strict=True):
        _clear_other_motion(film, signal, lag, rest, fps, config)
    joint = np.concatenate(signals)
    _check_rise(float(joint.max()), rest, config, rests=rests)
    threshold = float(joint.mean() + config.threshold * (joint.max() - joint.mean()))
    whole, peaks = np.zeros(len(numbers)), []
    for part, signal in zip(usable, signals, strict=True):
        whole[np.isin(numbers, part.numbers)] = signal
        peaks += [(-signal[peak], part.numbers[peak]) for peak in _find_peaks(signal, threshold, lag)]
    best = int(np.argmax([signal.max() for signal in signals]))
    moments, spotted = _find_moments(films[best], int(signals[best].argmax()), lag, fps, config), usable[best].numbers
    onset, apex, offset = (spotted[moment] for moment in moments)
    if not onset < apex < offset:
        raise DatasetError(
            f"the strongest movement, at frame {apex}, has no clear start or no clear end in frames "
            f"{spotted[0]}–{spotted[-1]}. Use a clip that shows the face at rest before and after the movement"
        )
    return Spotting(
        onset=onset,
        apex=apex,
        offset=offset,
        numbers=numbers,
        signal=whole,
        threshold=threshold,
        peaks=tuple(number for _, number in sorted(peaks)),
    )


def _smooth(signal: FloatArray, fps: float, config: SpottingConfig) -> FloatArray:
    return round_signal(gaussian_filter1d(signal, config.smoothing_s * fps, mode="nearest"))


def _measure(film: FrameMotion, lag: int) -> FloatArray:
    """Return how far each frame is from the mean of the frames `lag` before and after it, in px, `(N,)`.

    Near the ends of the film, its first and last frame are used. Flow is kept only as long as it is needed.
    """
    count = len(film)
    since: dict[int, MotionField] = {}
    strengths = np.empty(count)
    for index in range(count + lag):
        if index < count:
            since[index] = film.between(max(index - lag, 0), index)
        middle = index - lag
        if middle >= 0:
            until = since[index] if index < count else film.between(middle, count - 1)
            strengths[middle] = film.strength((0.5 * (since.pop(middle) - until))[None])[0]
    return strengths


def _clear_other_motion(
    film: FrameMotion, signal: FloatArray, lag: int, rest: float, fps: float, config: SpottingConfig
) -> None:
    """Set the signal to 0 within two lags of turns of the head and of movements longer than a micro-expression."""
    longest = config.longest_s * fps + 3 * lag
    while signal.max() > config.least_rise * rest:
        peak = int(signal.argmax())
        first, last = _find_span(signal, peak, lag, config.least_rise * rest)
        if last - first < longest:
            if not film.is_head(film.departure(peak, lag)):
                return
            first = last = peak
        signal[max(first - 2 * lag, 0) : last + 2 * lag + 1] = 0.0


def _find_span(signal: FloatArray, peak: int, lag: int, level: float) -> tuple[int, int]:
    """Return the first and the last frame of the movement around a peak. Its pauses are shorter than a lag."""
    moving = np.flatnonzero(signal > max(level, _SPAN_SHARE * float(signal[peak])))
    spans = np.split(moving, np.flatnonzero(np.diff(moving) > lag) + 1)
    span = next(span for span in spans if span[0] <= peak <= span[-1])
    return int(span[0]), int(span[-1])


def _check_rise(strongest: float, rest: float, config: SpottingConfig, *, rests: bool) -> None:
    """Refuse a clip without a movement that is stronger than the face at rest, and a face that is never at rest.

    `rests` is whether the clip is long enough to show a face at rest besides a movement.
    """
    if rests and rest > config.most_rest_px:
        raise DatasetError(
            f"the face moves all the time, by at least {rest:.3f} px, as in speech or in a noisy film, so no single "
            "movement can be spotted. Use a clip that shows the face at rest before and after the movement, or give "
            "onset and apex"
        )
    if strongest <= config.least_rise * rest:
        raise DatasetError(
            f"no movement rises above the noise: the strongest one is {strongest:.3f} px, a face at rest has "
            f"{rest:.3f} px. Turns of the head and movements longer than a micro-expression do not count. Use a longer "
            "clip, or crop it closer to the face"
        )


def _find_peaks(signal: FloatArray, threshold: float, apart: int) -> list[int]:
    """Return the indices of peaks, strongest first. A clip may start or end with a peak."""
    peaks = find_high_peaks(np.pad(signal, 1), threshold, apart) - 1
    return sorted(peaks.tolist(), key=lambda peak: -signal[peak])


def _find_moments(film: FrameMotion, apex: int, lag: int, fps: float, config: SpottingConfig) -> tuple[int, int, int]:
    """Return the indices of onset, apex and offset.

    Onset and offset are the nearest frames with little of the apex's motion. Without such frames, all three are equal.
    """
    pattern, reach = film.departure(apex, lag), max(2, round(config.longest_s * fps))
    first, last = max(0, apex - reach), min(len(film) - 1, apex + reach)
    shares = [1.0 + film.share(film.between(apex, index), pattern) for index in range(first, last + 1)]
    strength = _smooth(np.array(shares), fps, config)
    middle = apex - first
    if max(strength[middle] - np.median(side) for side in (strength[: middle + 1], strength[middle:])) < _LEAST_FALL:
        return apex, apex, apex
    onset = first + middle - _steps_to_rest(strength[middle::-1], config)
    return onset, apex, first + middle + _steps_to_rest(strength[middle:], config)


def _steps_to_rest(strength: FloatArray, config: SpottingConfig) -> int:
    """Return the number of steps from the apex until its motion has decreased to its typical rest further away."""
    rest = float(np.median(strength))
    level = rest + config.flank * (strength[0] - rest)
    below = np.flatnonzero(strength <= level)
    return int(below[0]) if len(below) else len(strength) - 1
