"""Measure `predict` on one core: milliseconds per frame by step, the start of the command, and the largest memory.

Times of steps are times of the processor, so other programs on the machine hardly change them.

The film is drawn: a face with a short movement every two seconds, on a head that sways, in frames of 640×480 px.

    python benchmarks/predict.py [--frames N] [--width PX] [--height PX] [--film VIDEO]
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np

from microfacial.datasets.film import Film
from microfacial.inference import answer, recognise
from microfacial.inference.answering_model import open_prior
from microfacial.inference.frame_source import FilmSource
from microfacial.preprocessing import film_spotter
from microfacial.preprocessing.motion_path import MotionPath
from scenes import ACTION_UNITS, TUNING, facial_motion

FPS = 30.0
Seconds = defaultdict[str, float]


def draw_film(path: Path, frames: int, width: int, height: int) -> None:
    """Draw the film."""
    crop = TUNING["astronaut"]
    photo = crop.photograph()[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
    picture = cv2.resize(photo, (height, height), interpolation=cv2.INTER_AREA)
    wall = np.full((height, width, 3), 120, np.uint8)
    left = (width - height) // 2
    wall[:, left : left + height] = picture
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    move = facial_motion(ACTION_UNITS["smile"], 1.0)
    side = 0.35 * height  # of the face in the picture, whose middle is at .42 and .3 of its side
    face = np.stack([(columns - left - 0.42 * height) / side + 0.5, (rows - 0.3 * height) / side + 0.5])
    across, down = (channel.astype(np.float32) for channel in move(224.0 * face.astype(np.float64)))
    random = np.random.default_rng(0)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (width, height))
    for index in range(frames):
        strength = 2.5 * max(0.0, 1 - abs((index % 60) - 30) / 5)
        sway = np.float32(3 * np.sin(index / 25))
        moved = cv2.remap(wall, columns - sway - strength * across, rows - strength * down, cv2.INTER_LINEAR)
        video.write(np.clip(moved + random.normal(0, 1.5, moved.shape), 0, 255).astype(np.uint8))
    video.release()


@contextmanager
def timed(seconds: Seconds, step: str, owner: Any, name: str) -> Iterator[None]:
    """Measure the time in a function while the block runs."""
    original: Callable[..., Any] = getattr(owner, name)

    def measured(*arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        try:
            return original(*arguments, **options)
        finally:
            seconds[step] += time.process_time() - start

    with patch.object(owner, name, measured):
        yield


@contextmanager
def timed_frames(seconds: Seconds, step: str, owner: Any, name: str) -> Iterator[None]:
    """Measure the time in a method that yields frames while the block runs."""
    original: Callable[..., Iterator[Any]] = getattr(owner, name)

    def measured(*arguments: Any) -> Iterator[Any]:
        frames = original(*arguments)
        while True:
            start = time.process_time()
            frame = next(frames, None)
            seconds[step] += time.process_time() - start
            if frame is None:
                return
            yield frame

    with patch.object(owner, name, measured):
        yield


def measure_steps(film: Path) -> None:
    """Print milliseconds per frame by step."""
    seconds: Seconds = defaultdict(float)
    model = open_prior()
    start = time.process_time()
    with (
        timed_frames(seconds, "decode", Film, "frames"),
        timed(seconds, "face: find", film_spotter, "place_all_faces"),
        timed(seconds, "face: predict", film_spotter, "predict_run"),
        timed(seconds, "face: follow", film_spotter, "follow_run"),
        timed(seconds, "flow: spot", MotionPath, "measure"),
        timed(seconds, "recognise: decode, face, flow, model", answer, "recognise_events"),
        timed_frames(seconds, "  of which decode", FilmSource, "read"),
        timed(seconds, "  of which flow", recognise, "make_store"),
    ):
        answered = answer.answer_film(film, model)
    total, count, events = time.process_time() - start, answered.frames, len(answered.events)
    print(f"{count} frames, {events} events, ms per frame on one core:")
    for step, value in seconds.items():
        print(f"  {step:50s} {1000 * value / count:7.2f}")
    print(f"  {'total':50s} {1000 * total / count:7.2f}  ({count / total:.0f} frames per second)")
    known = sum(seconds[step] for step in ("decode", "  of which decode", "flow: spot", "  of which flow"))
    print(f"  total over decode and flow alone: {total / known:.2f}")
    print(f"  largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def measure_start(film: Path) -> None:
    """Print the time from the start of the command to its end for a clip of 60 frames."""
    walls, cores = [], []
    for _ in range(3):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "microfacial", "predict", "--model", "motion_prior", str(film)],
            check=True,
            capture_output=True,
        )
        walls.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cores.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"command on a clip of 60 frames: {min(walls):.2f} s, {min(cores):.2f} s of processor time (best of three)")


def main() -> None:
    """Draw the films and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--film", type=Path, help="measure this video instead of a drawn one")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        short, film = Path(folder) / "short.mp4", options.film or Path(folder) / "film.mp4"
        draw_film(short, 60, options.width, options.height)
        if options.film is None:
            draw_film(film, options.frames, options.width, options.height)
        measure_start(short)
        measure_steps(film)


if __name__ == "__main__":
    main()
