"""When a face moves: the apex of an annotated clip, or onset, apex and offset of the strongest movement in a raw one.

All is measured by optical flow between high-passed frames, with the head's similarity motion removed. Differences of
grey levels in place of flow do not tell an expression from a head that drifts by a pixel.

A movement is where a frame differs from the frames half a longest micro-expression before and after it, both ways: what
moves on steadily differs from both by opposite flows, which cancel.

Source: Moilanen et al., ICPR 2014, doi:10.1109/ICPR.2014.303 (the difference to both sides, the threshold for peaks);
Kroeger et al., ECCV 2016, doi:10.1007/978-3-319-46493-0_29 (the flow); Liong et al., ACPR 2015,
doi:10.1109/ACPR.2015.7486586 (the apex as the frame that differs most, eyes left out); Yan et al., J. Nonverbal Behav.
2013, doi:10.1007/s10919-013-0159-8 (how long micro-expressions last).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import binary_erosion, gaussian_filter1d
from scipy.signal import find_peaks

from microfacial.errors import DatasetError
from microfacial.settings import Section

Frame = NDArray[np.uint8]
Signal = NDArray[np.float64]
MotionSignal = NDArray[np.float32]
_STEP_PX = 4  # motion is kept at every fourth pixel
_PATCH = 2  # steps; flow follows patches of 8 px, so it is wrong as near as this to the edges and to lids that move
_FEWEST = 5  # frames
_SLIMMEST = 3  # times as tall as wide, or as wide as tall
_REST_PERCENT = 20  # of a raw clip's frames show a face at rest, at least


class SpottingConfig(Section):
    """How movements are spotted."""

    width_px: int = Field(224, ge=56)  # frames are brought to this width
    highpass_sigma_px: float = Field(8.0, gt=0)
    smoothing_s: float = Field(0.01, gt=0)  # standard deviation of the Gaussian over time
    longest_s: float = Field(0.5, gt=0)  # a micro-expression from onset to offset
    threshold: float = Field(0.55, ge=0, le=1)  # where a peak counts, between the signal's mean and its maximum
    least_rise: float = Field(1.9, gt=1)  # the strongest peak over the signal at rest, for anything to be spotted
    flank: float = Field(0.1, gt=0, lt=1)  # onset and offset are where so much of the apex's motion is left


@dataclass(frozen=True, kw_only=True)
class Spotting:
    """The strongest movement of a clip, by frame numbers.

    `signal` is `(N,)`, the motion of each of the frames `numbers` against those before and after, in px of the working
    width, root mean square over the face; `peaks` are the frames where it peaks above `threshold`, strongest first.
    """

    onset: int
    apex: int
    offset: int
    numbers: tuple[int, ...]
    signal: Signal
    threshold: float
    peaks: tuple[int, ...]


def spot_apex(
    frames: Mapping[int, Frame],
    fps: float,
    onset: int,
    offset: int,
    config: SpottingConfig | None = None,
    skin: NDArray[np.bool_] | None = None,
) -> int:
    """The frame between onset and offset that has moved most since the onset.

    Args:
        frames: cropped or aligned frames by number, grey or BGR, all of one size.
        skin: where motion counts, `(H, W)` in the frames' pixels; everywhere if None. Leave eyes out, because lids move
            more in a blink than in an expression, and what lies behind the head.

    Raises:
        DatasetError: there is no frame between onset and offset, or nothing moves.
    """
    config = config or SpottingConfig()
    numbers = [number for number in sorted(frames) if onset <= number <= offset]
    if len(numbers) < 3 or numbers[0] != onset:
        raise DatasetError(f"frames {onset}–{offset}: onset or the frames after it are missing. Re-extract the clip")
    film = _Film([frames[number] for number in numbers], config, skin)
    moved = np.stack([film.motion(0, index) for index in range(len(numbers))])
    signal = _smooth(film.strength(moved), fps, config)
    if not signal.any():
        raise DatasetError(f"frames {onset}–{offset} are all the same, so no apex can be spotted. Re-extract the clip")
    return numbers[1 + int(signal[1:].argmax())]


def spot_interval(
    frames: Mapping[int, Frame], fps: float, config: SpottingConfig | None = None, skin: NDArray[np.bool_] | None = None
) -> Spotting:
    """Onset, apex and offset of the strongest movement in a raw clip.

    Args:
        frames: as for `spot_apex`; time is counted in frames that are there.
        skin: as for `spot_apex`.

    Raises:
        DatasetError: there are too few frames, or nothing rises above what flow measures on a face at rest.
    """
    config = config or SpottingConfig()
    numbers = tuple(sorted(frames))
    if len(numbers) < _FEWEST:
        raise DatasetError(f"only {len(numbers)} frames, so no movement can be spotted. Give at least {_FEWEST}")
    film = _Film([frames[number] for number in numbers], config, skin)
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


class _Film:
    """Prepared frames, and the motion between any two of them."""

    def __init__(self, frames: Sequence[Frame], config: SpottingConfig, skin: NDArray[np.bool_] | None) -> None:
        self.frames = [_prepare(frame, config) for frame in frames]
        self._solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        height, width = self.frames[0].shape
        self._grid = (width // _STEP_PX, height // _STEP_PX)
        columns, rows = np.meshgrid(*(_STEP_PX * np.arange(n) + 0.5 * (_STEP_PX - 1) for n in self._grid))
        self._points = np.stack([columns, rows], axis=-1).astype(np.float32)
        self._seen = _mask(self._grid, np.ones(frames[0].shape[:2], np.bool_) if skin is None else skin)

    def motion(self, first: int, last: int) -> MotionSignal:
        """Flow `(h, w, 2)` in px from one frame to another at every fourth pixel, without the head's similarity."""
        fine = self._solver.calc(self.frames[first], self.frames[last], np.empty(0, np.float32))
        flow = cv2.resize(fine, self._grid, interpolation=cv2.INTER_AREA)
        start, end = self._points.reshape(-1, 2), (self._points + flow).reshape(-1, 2)
        head, _ = cv2.estimateAffinePartial2D(start, end, method=cv2.LMEDS)
        assert head is not None, "points on a grid are not degenerate"
        moved = self._points @ head[:, :2].T + head[:, 2] - self._points
        return np.asarray(flow - moved, dtype=np.float32)

    def strength(self, motion: MotionSignal) -> Signal:
        """Root mean square `(n,)` of motions `(n, h, w, 2)` over the skin that is away from edges."""
        return np.asarray(np.sqrt((motion[:, self._seen] ** 2).sum(axis=-1).mean(axis=-1)), dtype=np.float64)

    def share(self, motion: MotionSignal, pattern: MotionSignal) -> float:
        """How much of a pattern is in a motion: 1 if they are the same, -1 if it is undone."""
        wanted = pattern[self._seen]
        return float((motion[self._seen] * wanted).sum() / (wanted**2).sum())


def shrink(frame: Frame, config: SpottingConfig) -> Frame:
    """A frame in grey and of the working width, which is all of it that spotting uses.

    Raises:
        DatasetError: the frame is too flat or too tall to be a picture of a face.
    """
    gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) if frame.ndim == 3 else frame
    height, width = gray.shape
    if not width / _SLIMMEST <= height <= width * _SLIMMEST:
        raise DatasetError(f"frames of {width}×{height} px are no pictures of a face. Crop them to the face")
    size = (config.width_px, round(height * config.width_px / width))
    method = cv2.INTER_AREA if config.width_px < width else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, size, interpolation=method), dtype=np.uint8)


def _prepare(frame: Frame, config: SpottingConfig) -> Frame:
    """A frame as high-passed grey levels around 128, of the working width."""
    gray = shrink(frame, config).astype(np.float32)
    flat = gray - cv2.GaussianBlur(gray, (0, 0), config.highpass_sigma_px) + 128.0
    return np.asarray(np.clip(np.rint(flat), 0, 255), dtype=np.uint8)


def _mask(grid: tuple[int, int], skin: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where motion counts, on a grid of columns and rows: on skin, away from its edges and the frame's."""
    share = cv2.resize(skin.astype(np.float32), grid, interpolation=cv2.INTER_AREA)
    return np.asarray(binary_erosion(share > 0.5, np.ones((3, 3), np.bool_), iterations=_PATCH), dtype=np.bool_)


def _smooth(signal: Signal, fps: float, config: SpottingConfig) -> Signal:
    return np.asarray(gaussian_filter1d(signal, config.smoothing_s * fps, mode="nearest"), dtype=np.float64)


def _departure(film: _Film, lag: int) -> MotionSignal:
    """How far each frame is from the mean of those `lag` before and after (the first and last, near the ends)."""
    count = len(film.frames)
    since = [film.motion(max(index - lag, 0), index) for index in range(count)]
    until = [since[i + lag] if i + lag < count else film.motion(i, count - 1) for i in range(count)]
    return np.stack([0.5 * (before - after) for before, after in zip(since, until, strict=True)])


def _check_rise(signal: Signal, config: SpottingConfig) -> None:
    rest = float(np.percentile(signal, _REST_PERCENT))
    if signal.max() <= config.least_rise * rest:
        raise DatasetError(
            f"nothing rises above the noise: the strongest movement is {signal.max():.3f} px, a face at rest shows "
            f"{rest:.3f} px. Give a longer clip, or one cropped closer to the face"
        )


def _find_peaks(signal: Signal, threshold: float, apart: int) -> list[int]:
    """Indices of peaks, strongest first; a clip may start or end at one."""
    padded = np.pad(signal, 1)
    peaks: NDArray[Any] = find_peaks(padded, height=threshold, distance=apart)[0] - 1
    return sorted((int(peak) for peak in peaks), key=lambda peak: -signal[peak])


def _find_flanks(film: _Film, apex: int, pattern: MotionSignal, fps: float, config: SpottingConfig) -> tuple[int, int]:
    """Indices of onset and offset: the nearest frames where little of the apex's own motion is left."""
    reach = max(2, round(config.longest_s * fps))
    first, last = max(0, apex - reach), min(len(film.frames) - 1, apex + reach)
    left = [1.0 + film.share(film.motion(apex, index), pattern) for index in range(first, last + 1)]
    strength = _smooth(np.array(left), fps, config)
    at = apex - first
    return first + at - _leave(strength[at::-1], config), first + at + _leave(strength[at:], config)


def _leave(strength: Signal, config: SpottingConfig) -> int:
    """Steps from the apex to where its motion has gone back to what mostly remains of it further on."""
    rest = float(np.median(strength))
    level = rest + config.flank * (strength[0] - rest)
    below = np.flatnonzero(strength <= level)
    return int(below[0]) if len(below) else len(strength) - 1
