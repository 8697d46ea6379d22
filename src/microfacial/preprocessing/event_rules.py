"""Find movements in the paths of the regions of a face: onset, apex, offset, strength.

A movement is an excursion of some regions from where they are at rest. Rest is the running median of the path over
several seconds, so drifts do not count. Noise is the spread around it.

Source: Yan et al., J. Nonverbal Behav. 2013, doi:10.1007/s10919-013-0159-8 (how long micro-expressions last).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, median_filter
from scipy.signal import find_peaks

from microfacial.preprocessing.motion_path import CHEEKS, LIDS, LOWER, MIDDLE, REGIONS, UPPER
from microfacial.records import FloatArray
from microfacial.settings import Section

_REST_HZ = 10.0  # rate at which the running median is computed
_MAD_TO_SD = 1.4826
_SYLLABLE = 0.3  # least height of a syllable over that of the strongest one near it
_SPEECH_MARGIN_S = 0.3  # before the first and after the last turn of a mouth that talks
_MOST_TAKEN = 0.3  # share of a movement that may belong to a stronger one


class EventConfig(Section):
    """Settings of spotting all movements of a film.

    Attributes:
        micro_s: longest duration of a micro-expression from onset to offset.
        macro_s: longest duration of a macro-expression. A longer movement is a change of posture.
        shortest_s: shortest duration of an event.
        rest_s: time over which the median of a path is the position at rest.
        smoothing_s: standard deviation of the Gaussian over time.
        least_px: smallest excursion of a region that counts, in px of the working width.
        least_rise: smallest excursion of a region, over its noise.
        flank: onset and offset are where this fraction of the apex's excursion is left.
        blink_px: excursion of both upper lids that is a blink.
        speech_turns: a mouth that turns this often between opening and closing talks.
        speech_s: time within which it does so.
        key_s: time after which a key frame is replaced.
    """

    micro_s: float = Field(0.5, gt=0, le=60)
    macro_s: float = Field(4.0, gt=0, le=600)
    shortest_s: float = Field(0.08, ge=0, le=60)
    rest_s: float = Field(8.0, gt=0, le=600)
    smoothing_s: float = Field(0.025, ge=0, le=10)
    least_px: float = Field(0.25, ge=0, le=100)
    least_rise: float = Field(6.0, gt=0, le=1000)
    flank: float = Field(0.15, gt=0, lt=1)
    blink_px: float = Field(1.5, gt=0, le=100)
    speech_turns: int = Field(5, ge=2, le=100)
    speech_s: float = Field(1.5, gt=0, le=60)
    key_s: float = Field(1.0, gt=0, le=600)


@dataclass(frozen=True, kw_only=True)
class Excursion:
    """One movement in a path.

    Attributes:
        onset: index of the sample.
        apex: index of the sample.
        offset: index of the sample.
        strength: height of the apex over the threshold, at least 1.
        pattern: excursion of each region from onset to apex, `(R, 2)` in px.
    """

    onset: int
    apex: int
    offset: int
    strength: float
    pattern: FloatArray


@dataclass(frozen=True, kw_only=True)
class Excursions:
    """All movements in a path.

    Attributes:
        events: the movements, in order of their apexes.
        signal: `(N,)`, the largest excursion of any region in each sample, over the threshold of the region.
    """

    events: tuple[Excursion, ...]
    signal: FloatArray


def find_excursions(path: FloatArray, fps: float, config: EventConfig) -> Excursions:
    """Find all movements in a path.

    Args:
        path: positions of the regions at even steps of time, `(N, R, 2)` in px.
        fps: samples per second.
        config: settings.

    Returns:
        The movements and the signal.
    """
    smooth = gaussian_filter1d(path, config.smoothing_s * fps, axis=0, mode="nearest")
    away = smooth - running_median(smooth, fps, config.rest_s)
    noise = _MAD_TO_SD * np.median(np.abs(away), axis=0)
    limits = np.maximum(config.least_px, config.least_rise * np.hypot(*noise.T))
    shares = np.hypot(*np.moveaxis(away, -1, 0)) / limits
    shares[:, [REGIONS.index(name) for name in LIDS]] = 0.0
    _clear(shares, UPPER, _find_blinks(smooth, fps, config))
    _clear(shares, (*LOWER, *MIDDLE, *CHEEKS), _find_speech(away, fps, config))
    signal = shares.max(axis=1)
    return Excursions(events=tuple(_find_events(away, shares, signal, fps, config)), signal=signal)


def running_median(path: FloatArray, fps: float, seconds: float) -> FloatArray:
    """Return the median of a path in a window around each sample.

    Args:
        path: `(N, …)` at even steps of time.
        fps: samples per second.
        seconds: duration of the window.

    Returns:
        An array of the same shape.
    """
    step = max(1, round(fps / _REST_HZ))
    coarse = path[::step]
    size = 2 * round(0.5 * seconds * fps / step) + 1
    medians = median_filter(coarse, size=(size, *[1] * (path.ndim - 1)), mode="nearest")
    times, flat = np.arange(len(path)), medians.reshape(len(coarse), -1)
    columns = [np.interp(times, np.arange(len(coarse)) * step, column) for column in flat.T]
    return np.stack(columns, axis=-1).reshape(path.shape)


def _clear(shares: FloatArray, names: tuple[str, ...], rows: NDArray[np.bool_]) -> None:
    shares[np.ix_(rows, [REGIONS.index(name) for name in names])] = 0.0


def _find_blinks(smooth: FloatArray, fps: float, config: EventConfig) -> NDArray[np.bool_]:
    """Return the samples in which both upper lids are down for a short time, `(N,)`."""
    lids = smooth[:, [REGIONS.index(name) for name in LIDS], 1]
    low = (lids - running_median(lids, fps, 1.0)).min(axis=1)
    return maximum_filter1d(low > config.blink_px, 2 * round(0.15 * fps) + 1).astype(np.bool_)


def _find_speech(away: FloatArray, fps: float, config: EventConfig) -> NDArray[np.bool_]:
    """Return the samples in which the mouth opens and closes several times in a row, `(N,)`."""
    mouth = away[:, [REGIONS.index(name) for name in ("lower lip", "chin")], 1].mean(axis=1)
    strongest = maximum_filter1d(np.abs(mouth), 1 + 2 * round(config.speech_s * fps))
    turns: list[int] = []
    for sign in (1.0, -1.0):
        peaks, facts = find_peaks(sign * mouth, prominence=config.least_px)
        turns += peaks[facts["prominences"] >= _SYLLABLE * strongest[peaks]].tolist()
    talks, turns = np.zeros(len(mouth), np.bool_), sorted(turns)
    margin = round(_SPEECH_MARGIN_S * fps)
    for first in range(len(turns) - config.speech_turns + 1):
        start, end = turns[first], turns[first + config.speech_turns - 1]
        if end - start <= config.speech_s * fps:
            talks[max(0, start - margin) : end + margin + 1] = True
    return talks


def _find_events(
    away: FloatArray, shares: FloatArray, signal: FloatArray, fps: float, config: EventConfig
) -> Iterator[Excursion]:
    apart = max(1, round(0.5 * config.micro_s * fps))
    peaks, _ = find_peaks(np.pad(signal, 1), height=1.0, distance=apart)
    taken = np.zeros(len(signal), np.bool_)
    events = []
    for peak in sorted((peaks - 1).tolist(), key=lambda peak: -signal[peak]):
        event = _measure_event(away, shares, signal, int(peak), fps, config)
        span = slice(event.onset, event.offset + 1)
        if taken[peak] or taken[span].mean() > _MOST_TAKEN:
            continue
        taken[span] = True
        if config.shortest_s <= (event.offset - event.onset) / fps <= config.macro_s:
            events.append(event)
    yield from sorted(events, key=lambda event: event.apex)


def _measure_event(
    away: FloatArray, shares: FloatArray, signal: FloatArray, apex: int, fps: float, config: EventConfig
) -> Excursion:
    """Measure onset and offset: where little of the apex's excursion is left in the regions that move."""
    used = shares[apex] > 0.5 * signal[apex]
    pattern = away[apex] * used[:, None]
    course = (away * pattern).sum(axis=(1, 2)) / (pattern**2).sum()
    onset = apex - _steps_to_rest(course[apex::-1], config)
    offset = apex + _steps_to_rest(course[apex:], config)
    return Excursion(
        onset=onset, apex=apex, offset=offset, strength=float(signal[apex]), pattern=away[apex] - away[onset]
    )


def _steps_to_rest(course: FloatArray, config: EventConfig) -> int:
    below = np.flatnonzero(course <= config.flank)
    return int(below[0]) if len(below) else len(course) - 1
