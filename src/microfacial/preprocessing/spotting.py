"""Spot movements: the apex of an annotated clip, or onset, apex and offset of the strongest movement in a raw clip.

Motion is measured by optical flow between high-passed frames, without the head's similarity motion. Differences of grey
levels cannot replace flow, because they do not distinguish an expression from a head that drifts by a pixel.

A frame belongs to a movement if it differs from the frames half a longest micro-expression before and after it. Both
differences are needed: a steady movement differs from both by opposite flows, which cancel.

Source: Moilanen et al., ICPR 2014, doi:10.1109/ICPR.2014.303 (the difference to both sides, the threshold for peaks);
Kroeger et al., ECCV 2016, doi:10.1007/978-3-319-46493-0_29 (the flow); Liong et al., ACPR 2015,
doi:10.1109/ACPR.2015.7486586 (the apex is the frame that differs most; eyes are left out); Yan et al., J. Nonverbal
Behav. 2013, doi:10.1007/s10919-013-0159-8 (how long micro-expressions last).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from microfacial.errors import DatasetError
from microfacial.preprocessing.even_steps import choose_even_steps
from microfacial.preprocessing.frame_motion import FrameMotion, MotionField, SpottingConfig
from microfacial.preprocessing.portable import round_signal
from microfacial.records import FloatArray, Image

_LOG = logging.getLogger(__name__)

_MINIMUM_FRAMES = 5
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
        raise DatasetError(f"frames {onset}–{offset}: onset or the frames after it are missing. Re-extract the clip")
    film = FrameMotion([frames[number] for number in numbers], config, skin)
    moved = np.stack([film.between(0, index) for index in range(len(numbers))])
    signal = _smooth(film.strength(moved), fps, config)
    if not signal.any():
        raise DatasetError(f"frames {onset}–{offset} are all the same, so no apex can be spotted. Re-extract the clip")
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
        DatasetError: The clip has too few frames, or no movement is stronger than the flow that is measured on a face
            at rest.
    """
    config = config or SpottingConfig()
    numbers = tuple(sorted(frames))
    if len(numbers) < _MINIMUM_FRAMES:
        raise DatasetError(
            f"only {len(numbers)} frames, so no movement can be spotted. At least {_MINIMUM_FRAMES} are needed"
        )
    if seconds is not None:
        numbers, fps = choose_even_steps({number: seconds[number] for number in numbers}, fps, config.longest_s)
    _LOG.debug("spotting the movement in %d frames", len(numbers))
    film = FrameMotion([frames[number] for number in numbers], config, skin)
    lag = max(1, round(0.5 * config.longest_s * fps))
    departure = _departure(film, lag)
    signal = _smooth(film.strength(departure), fps, config)
    _check_rise(signal, config)
    threshold = float(signal.mean() + config.threshold * (signal.max() - signal.mean()))
    peaks = _find_peaks(signal, threshold, lag)
    first, last = _find_flanks(film, peaks[0], departure[peaks[0]], fps, config)
    return Spotting(
        onset=numbers[first],
        apex=numbers[peaks[0]],
        offset=numbers[last],
        numbers=numbers,
        signal=signal,
        threshold=threshold,
        peaks=tuple(numbers[peak] for peak in peaks),
    )


def _smooth(signal: FloatArray, fps: float, config: SpottingConfig) -> FloatArray:
    return round_signal(gaussian_filter1d(signal, config.smoothing_s * fps, mode="nearest"))


def _departure(film: FrameMotion, lag: int) -> MotionField:
    """Return how far each frame is from the mean of the frames `lag` before and after it, `(N, h, w, 2)`.

    Near the ends of the clip, its first and last frame are used.
    """
    count = len(film.frames)
    since = [film.between(max(index - lag, 0), index) for index in range(count)]
    until = [since[i + lag] if i + lag < count else film.between(i, count - 1) for i in range(count)]
    return np.stack([0.5 * (before - after) for before, after in zip(since, until, strict=True)])


def _check_rise(signal: FloatArray, config: SpottingConfig) -> None:
    """Refuse a clip without a movement that is stronger than the face at rest."""
    rest = float(np.percentile(signal, _REST_PERCENT))
    if signal.max() <= config.least_rise * rest:
        raise DatasetError(
            f"no movement rises above the noise: the strongest one is {signal.max():.3f} px, a face at rest has "
            f"{rest:.3f} px. Use a longer clip, or crop it closer to the face"
        )


def _find_peaks(signal: FloatArray, threshold: float, apart: int) -> list[int]:
    """Return the indices of peaks, strongest first. A clip may start or end with a peak."""
    padded = np.pad(signal, 1)
    peaks: NDArray[Any] = find_peaks(padded, height=threshold, distance=apart)[0] - 1
    return sorted((int(peak) for peak in peaks), key=lambda peak: -signal[peak])


def _find_flanks(
    film: FrameMotion, apex: int, pattern: MotionField, fps: float, config: SpottingConfig
) -> tuple[int, int]:
    """Return the indices of onset and offset: the nearest frames in which little of the apex's motion is left."""
    reach = max(2, round(config.longest_s * fps))
    first, last = max(0, apex - reach), min(len(film.frames) - 1, apex + reach)
    shares = [1.0 + film.share(film.between(apex, index), pattern) for index in range(first, last + 1)]
    strength = _smooth(np.array(shares), fps, config)
    middle = apex - first
    onset = first + middle - _steps_to_rest(strength[middle::-1], config)
    return onset, first + middle + _steps_to_rest(strength[middle:], config)


def _steps_to_rest(strength: FloatArray, config: SpottingConfig) -> int:
    """Return the number of steps from the apex until its motion has decreased to its typical rest further away."""
    rest = float(np.median(strength))
    level = rest + config.flank * (strength[0] - rest)
    below = np.flatnonzero(strength <= level)
    return int(below[0]) if len(below) else len(strength) - 1
