"""Spot all movements in drawn long videos, and compare with the peak rule of Moilanen et al.

The videos are those of `microfacial demo --video`: two people who blink, talk, move their heads, and show micro- and
macro-expressions, compressed as MPEG-4. Settings of spotting were chosen on the seeds `--tuning`.

    python benchmarks/spot_events.py [--tuning] [--videos N] [--seconds S] [--keep FOLDER] [--crf N] [--least-rise X]

`--crf` converts the videos to H.264 with this quality of x264. It needs the program ffmpeg with libx264.

The baseline gets the same signal of motion for each person: the root mean square of the motion of all regions, and how
far it is from the mean of the frames half a longest micro-expression before and after it. Its intervals have the mean
length of the drawn micro-expressions, and of the macro-expressions.
"""

import argparse
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from microfacial.datasets.event_table import VideoEvent, read_event_table
from microfacial.datasets.film import open_film
from microfacial.datasets.synthetic.film import FILM_FPS, write_film
from microfacial.evaluation.spotting_scores import SpottingScores, score_spotting
from microfacial.preprocessing.event_rules import EventConfig
from microfacial.preprocessing.film_spotter import FilmSpotter, PersonEvent
from microfacial.preprocessing.motion_path import LIDS, REGIONS
from microfacial.preprocessing.peak_rule import spot_peaks
from microfacial.preprocessing.person_spotter import SpottedEvent
from microfacial.records import FloatArray

TUNING, HELD_OUT = (201, 202, 203, 204), (301, 302, 303, 304, 305, 306)
MICRO_S, MACRO_S = 0.35, 1.9  # mean durations of the drawn expressions
MOST_S = 0.5


Rows = list[tuple[int, FloatArray]]


def convert(video: Path, crf: int) -> Path:
    """Return the video as H.264, converted by ffmpeg unless the converted file exists."""
    converted = video.with_stem(f"{video.stem}-crf{crf}")
    if not converted.exists():
        codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", f"{crf}"]
        subprocess.run(["ffmpeg", "-v", "error", "-i", str(video), *codec, str(converted)], check=True)
    return converted


def spot_video(path: Path, config: EventConfig) -> tuple[list[VideoEvent], list[VideoEvent], float]:
    """Return our movements, those of the baseline, and the processor time per frame in ms."""
    film = open_film(path)
    rows: dict[int, Rows] = defaultdict(list)
    spotter = FilmSpotter(film.fps, config, lambda person, number, position: rows[person].append((number, position)))
    began, frames = time.process_time(), 0
    ours: list[PersonEvent] = []
    for frame in film.frames():
        frames += 1
        ours += spotter.add(frame)
    ours += spotter.finish()
    spent = 1000 * (time.process_time() - began) / frames
    events = [name_event(found.event, str(found.person), path.stem) for found in ours]
    peaks = [event for person, path_of in rows.items() for event in spot_baseline(path_of, str(person), path.stem)]
    return events, peaks, spent


def spot_baseline(rows: Rows, person: str, video: str) -> Iterator[VideoEvent]:
    """Yield the movements that the peak rule spots, with the lengths of both kinds."""
    used = [row for row, name in enumerate(REGIONS) if name not in LIDS]
    path = np.stack([position[used] for _, position in rows])
    lag = round(0.5 * MOST_S * FILM_FPS)
    index = np.arange(len(path))
    before, after = path[np.maximum(index - lag, 0)], path[np.minimum(index + lag, len(path) - 1)]
    away = path - 0.5 * (before + after)
    signal = np.sqrt((away**2).sum(axis=2).mean(axis=1))
    for kind, seconds in (("micro", MICRO_S), ("macro", MACRO_S)):
        for onset, apex, offset in spot_peaks(signal, round(0.5 * seconds * FILM_FPS)):
            moments = {"onset": rows[onset][0], "apex": rows[apex][0], "offset": rows[offset][0]}
            yield VideoEvent(person=person, label="", kind=kind, video=video, **moments)  # type: ignore[arg-type]


def name_event(event: SpottedEvent, person: str, video: str) -> VideoEvent:
    """Return a spotted movement in the form of the tables."""
    return VideoEvent(
        person=person,
        onset=event.onset,
        apex=event.apex,
        offset=event.offset,
        label="",
        kind=event.kind,
        video=video,
    )


def report(name: str, scores: SpottingScores, minutes: float) -> None:
    """Print the scores of one method."""
    for kind in ("micro", "macro", "all"):
        score = getattr(scores, kind)
        wrong = (score.spotted - score.matched) / minutes
        print(
            f"{name:9s} {kind:6s} annotated {score.annotated:4d}  spotted {score.spotted:4d}  "
            f"right {score.matched:4d}  precision {score.precision:.3f}  recall {score.recall:.3f}  F1 {score.f1:.3f}  "
            f"false alarms {wrong:.2f} per minute and person",
            flush=True,
        )


def main() -> None:
    """Print F1 of ours and of the baseline."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--videos", type=int, default=len(HELD_OUT))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--keep", type=Path, help="folder of the videos, which are then drawn only once")
    parser.add_argument("--crf", type=int, help="quality of H.264, such as 23; MPEG-4 without it")
    parser.add_argument("--least-rise", type=float, default=EventConfig().least_rise)
    arguments = parser.parse_args()
    config = EventConfig(least_rise=arguments.least_rise)
    truth: list[VideoEvent] = []
    ours: list[VideoEvent] = []
    peaks: list[VideoEvent] = []
    seeds = (TUNING if arguments.tuning else HELD_OUT)[: arguments.videos]
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        for seed in seeds:
            video = folder / f"film{seed}-{arguments.seconds:g}.mp4"
            if not video.exists():
                write_film(video, arguments.seconds, seed)
            table = read_event_table(video.with_suffix(".csv"))
            if arguments.crf is not None:
                video = convert(video, arguments.crf)
            truth += [event.in_video(video.stem) for event in table.events]
            events, baseline, spent = spot_video(video, config)
            ours += events
            peaks += baseline
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"seed {seed}: {len(events)} movements, {spent:.1f} ms per frame, {memory:.0f} MiB at most", flush=True
            )
    minutes = 2 * len(seeds) * arguments.seconds / 60
    report("ours", score_spotting(ours, truth), minutes)
    report("peak rule", score_spotting(peaks, truth), minutes)


if __name__ == "__main__":
    main()
