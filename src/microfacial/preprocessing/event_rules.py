"""Find movements in the paths of the regions of a face: onset, apex, offset, strength.

A movement is an excursion of some regions from where they are at rest. Rest is the running median of the path over
several seconds, so drifts do not count. Noise is the spread around it.

Source: Yan et al., J. Nonverbal Behav. 2013, doi:10.1007/s10919-013-0159-8 (how long micro-expressions last).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, median_filter

from microfacial.preprocessing.motion_path import CHEEKS, LIDS, LOWER, MIDDLE, REGIONS, UPPER
from microfacial.preprocessing.peaks import find_high_peaks, find_prominent_peaks
from microfacial.records import FloatArray
from microfacial.settings import Section

_REST_HZ = 30.0  # rate at which the running median is computed
_MAD_TO_SD = 1.4826
_SYLLABLE = 0.3  # least height of a syllable over that of the strongest one near it
_WHILE_TALKING = 0.6  # weight of brows while the mouth talks, because the fit of the head passes some motion on to them
_SPEECH_MARGIN_S = 0.6  # before the first and after the last turn of a mouth that talks
_MOST_NOISE = 3.0  # noise over that of single frames; the rest of it are slow residues of the head's motion
_ALIKE = 2.0  # a movement of up to this many longest micro-expressions can be a micro-expression with residues
_MOST_LEFT = 0.5  # share of the motion of the apex that may be left at the offset
_MOST_TAKEN = 0.3  # share of a movement that may belong to a stronger one


class EventConfig(Section):
    """Settings of spotting all movements of a film.

    Attributes:
        micro_s: longest duration of a micro-expression from onset to offset.
        macro_s: longest duration of a macro-expression. A longer movement is a change of posture.
        shortest_s: shortest duration of an event.
        rest_s: time over which the median of a path is the position at rest.
        short_rest_s: the same time for short movements, which slow residues of the head's motion would hide.
        smoothing_s: standard deviation of the Gaussian over time.
        least_px: smallest excursion of a region that counts, in px of the working width.
        least_rise: smallest excursion of a region, over its noise.
        flank: onset and offset are where this fraction of the apex's excursion is left.
        blink_px: excursion of both upper lids that is a blink.
        speech_turns: a mouth that turns this often between opening and closing talks.
        speech_s: time within which it does so.
        key_s: time after which a key frame is replaced, and the networks confirm the face.
    """

    micro_s: float = Field(0.5, gt=0, le=60)
    macro_s: float = Field(4.0, gt=0, le=600)
    shortest_s: float = Field(0.08, ge=0, le=60)
    rest_s: float = Field(8.0, gt=0, le=600)
    short_rest_s: float = Field(1.2, gt=0, le=600)
    smoothing_s: float = Field(0.025, ge=0, le=10)
    least_px: float = Field(0.25, ge=0, le=100)
    least_rise: float = Field(5.5, gt=0, le=1000)
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
        pattern: motion of each region from onset to apex, `(R, 2)` in px.
        returns: whether the regions are near their first positions at the offset. Otherwise the posture changes.
    """

    onset: int
    apex: int
    offset: int
    strength: float
    pattern: FloatArray
    returns: bool


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
    long, short = (
        _measure_band(path, smooth, seconds, fps, config) for seconds in (config.rest_s, config.short_rest_s)
    )
    blinks, talks = _find_blinks(smooth, fps, config), _find_speech(long.away, fps, config)
    for band in (long, short):
        band.shares[:, [REGIONS.index(name) for name in LIDS]] = 0.0
        _clear(band.shares, UPPER, blinks)
        band.shares[talks] *= _WHILE_TALKING
        _clear(band.shares, (*LOWER, *MIDDLE, *CHEEKS), talks)
    signal = np.maximum(long.shares.max(axis=1), short.shares.max(axis=1))
    return Excursions(events=tuple(_find_events(smooth, long, short, signal, fps, config)), signal=signal)


class _Band(NamedTuple):
    """Excursions from a position at rest: `(N, R, 2)` in px, and `(N, R)` over the thresholds of the regions."""

    away: FloatArray
    shares: FloatArray


def _measure_band(path: FloatArray, smooth: FloatArray, seconds: float, fps: float, config: EventConfig) -> _Band:
    """Return the excursions from the median over some seconds.

    Noise is the spread of the excursions. In a film that is hardly longer than these seconds, a movement can spread
    them too. Noise is then at most a multiple of the noise of single frames.
    """
    away = smooth - running_median(smooth, fps, seconds)
    noise = _MAD_TO_SD * np.median(np.abs(away), axis=0)
    if len(path) < 2 * seconds * fps:
        noise = np.minimum(noise, _MOST_NOISE * _frame_noise(path))
    limits = np.maximum(config.least_px, config.least_rise * np.hypot(*noise.T))
    return _Band(away, np.hypot(*np.moveaxis(away, -1, 0)) / limits)


def _frame_noise(path: FloatArray) -> FloatArray:
    """Return the noise of single frames, `(R, 2)`: what is left of a path where it bends least."""
    bends = np.abs(np.diff(path, n=2, axis=0))
    return _MAD_TO_SD * np.median(bends, axis=0) / np.sqrt(6.0)


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
    times, known = np.arange(len(path)), np.arange(len(coarse)) * step
    # SciPy's filter is ten times faster for one-dimensional arrays than for columns of a larger array.
    columns = [
        np.interp(times, known, median_filter(column, size=size, mode="nearest"))
        for column in np.ascontiguousarray(coarse.reshape(len(coarse), -1).T)
    ]
    return np.stack(columns, axis=-1).reshape(path.shape)


def _clear(shares: FloatArray, names: tuple[str, ...], rows: NDArray[np.bool_]) -> None:
    for name in names:
        shares[rows, REGIONS.index(name)] = 0.0


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
        peaks, prominences = find_prominent_peaks(sign * mouth, config.least_px)
        turns += peaks[prominences >= _SYLLABLE * strongest[peaks]].tolist()
    talks, turns = np.zeros(len(mouth), np.bool_), sorted(turns)
    margin = round(_SPEECH_MARGIN_S * fps)
    for first in range(len(turns) - config.speech_turns + 1):
        start, end = turns[first], turns[first + config.speech_turns - 1]
        if end - start <= config.speech_s * fps:
            talks[max(0, start - margin) : end + margin + 1] = True
    return talks


def _find_events(
    smooth: FloatArray, long: _Band, short: _Band, signal: FloatArray, fps: float, config: EventConfig
) -> Iterator[Excursion]:
    """Yield the movements in order of time."""
    apart = max(1, round(0.5 * config.micro_s * fps))
    peaks = find_high_peaks(np.pad(signal, 1), 1.0, apart)
    taken = np.zeros(len(signal), np.bool_)
    events = []
    for peak in sorted((peaks - 1).tolist(), key=lambda peak: -signal[peak]):
        event = _choose_measure(smooth, long, short, int(peak), float(signal[peak]), config.micro_s * fps, config)
        span = slice(event.onset, event.offset + 1)
        if taken[peak] or taken[span].mean() > _MOST_TAKEN:
            continue
        taken[span] = True
        if not event.returns:
            continue
        if config.shortest_s <= (event.offset - event.onset) / fps <= config.macro_s:
            events.append(event)
    yield from sorted(events, key=lambda event: event.apex)


def _choose_measure(
    smooth: FloatArray, long: _Band, short: _Band, apex: int, strength: float, micro: float, config: EventConfig
) -> Excursion:
    """Measure a movement in the band that shows it best.

    The long band adds slow residues of the head's motion to a short movement. The short band cuts a long movement.
    `micro` is the longest duration of a micro-expression in samples.
    """
    if long.shares[apex].max() < 1.0:
        return _measure_event(smooth, short, apex, strength, config)
    event = _measure_event(smooth, long, apex, strength, config)
    if short.shares[apex].max() >= 1.0 and micro < event.offset - event.onset <= _ALIKE * micro:
        brief = _measure_event(smooth, short, apex, strength, config)
        return brief if brief.offset - brief.onset <= micro else event
    return event


def _measure_event(smooth: FloatArray, band: _Band, apex: int, strength: float, config: EventConfig) -> Excursion:
    """Measure onset and offset: where little of the apex's excursion is left in the regions that move."""
    used = band.shares[apex] > 0.5 * band.shares[apex].max()
    pattern = band.away[apex] * used[:, None]
    course = (band.away * pattern).sum(axis=(1, 2)) / (pattern**2).sum()
    onset = apex - _steps_to_rest(course[apex::-1], config)
    offset = apex + _steps_to_rest(course[apex:], config)
    rise, left = (smooth[moment] - smooth[onset] for moment in (apex, offset))
    returns = float((left * rise * used[:, None]).sum()) <= _MOST_LEFT * float((rise**2 * used[:, None]).sum())
    return Excursion(onset=onset, apex=apex, offset=offset, strength=strength, pattern=rise, returns=returns)


def _steps_to_rest(course: FloatArray, config: EventConfig) -> int:
    below = np.flatnonzero(course <= config.flank)
    return int(below[0]) if len(below) else len(course) - 1
