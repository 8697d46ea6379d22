"""Measure the errors of spotted apexes and intervals on the demo, whose true frame numbers are known.

The apex is spotted inside the annotated interval, and its error is compared with that of the midpoint. Intervals are
spotted in raw clips: each demo clip is extended by still frames before and after it, with new sensor noise and a head
that sways by 1.5 px. Raw clips without an expression show how often a movement is spotted by mistake.

    python benchmarks/spotting.py [FOLDER] [--every N]
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.image_files import read_image
from microfacial.datasets.synthetic.clips import DemoClip, plan_clips
from microfacial.datasets.synthetic.people import DemoPlan
from microfacial.errors import DatasetError
from microfacial.preprocessing.aligned_frames import find_skin
from microfacial.preprocessing.faces import FacesConfig, align, locate
from microfacial.preprocessing.frame_motion import SpottingConfig
from microfacial.preprocessing.landmarks import find_landmarks
from microfacial.preprocessing.spotting import Spotting, spot_apex, spot_interval
from microfacial.records import Clip

Frames = dict[int, NDArray[np.uint8]]
FPS = 200.0
NOISE = 1.5  # grey levels, as in the demo
SWAY_PX = 1.5


def read_clip_of(folder: Path, clip: DemoClip) -> Frames:
    """Read the frames of one demo clip."""
    place = folder / "Cropped" / f"sub{clip.subject_name}" / clip.name
    return {number: read_image(place / f"reg_img{number}.jpg") for number in range(clip.onset, clip.offset + 1)}


def align_all(frames: Frames) -> tuple[Frames, NDArray[np.bool_]]:
    """Align frames to the face in the first one. Return them and the skin mask."""
    first = min(frames)
    moments = {"onset": first, "apex": first, "offset": first, "apex_source": "annotated"}
    names = dict.fromkeys(("subject", "name", "emotion", "label", "action_units", "frames"), "")
    clip = Clip(corpus="demo", numbers=(first,), fps=FPS, cropped=True, **moments, **names)  # type: ignore[arg-type]
    face = locate(clip, frames[first], FacesConfig())
    aligned = {number: align(frame, face, FacesConfig().size_px) for number, frame in frames.items()}
    landmarks = find_landmarks(aligned[first])
    assert landmarks is not None, "the demo's faces are found"
    return aligned, find_skin(landmarks.points, FacesConfig().size_px)


def make_raw(frames: Frames, random: np.random.Generator, *, still: bool) -> tuple[Frames, int]:
    """Make a raw clip from a demo clip, numbered from 0. Return it and the number of frames before the onset."""
    images = [frames[number] for number in sorted(frames)]
    before, after = (int(count) for count in random.integers(60, 140, 2))
    middle = [images[0]] * len(images) if still else images
    film = [images[0]] * before + middle + [middle[-1]] * after
    phases = random.uniform(0, 2 * math.pi, 3)
    return {number: sway(image, number / FPS, phases, random) for number, image in enumerate(film)}, before


def sway(
    image: NDArray[np.uint8], time_s: float, phases: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a frame with the head moved and new sensor noise."""
    across, down, turn = np.sin(2 * math.pi * time_s / np.array([1.5, 1.8, 1.3]) + phases)
    height, width = image.shape[:2]
    pose = cv2.getRotationMatrix2D((width / 2, height / 2), math.degrees(0.004 * turn), 1.0)
    pose[:, 2] += SWAY_PX * across, SWAY_PX * down
    moved = cv2.warpAffine(image, pose, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    noisy = moved + random.normal(0, NOISE, image.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def apex_errors(clip: DemoClip, frames: Frames) -> tuple[float, float, float]:
    """Return the errors, in frames, of the apex spotted on all pixels, of that spotted on skin, and of the midpoint."""
    aligned, skin = align_all(frames)
    guesses = (
        spot_apex(aligned, FPS, clip.onset, clip.offset),
        spot_apex(aligned, FPS, clip.onset, clip.offset, skin=skin),
        (clip.onset + clip.offset + 1) // 2,
    )
    return tuple(abs(guess - clip.apex) for guess in guesses)  # type: ignore[return-value]


def overlap(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return the intersection over union of two intervals, which include their ends."""
    shared = min(first[1], second[1]) - max(first[0], second[0]) + 1
    union = max(first[1], second[1]) - min(first[0], second[0]) + 1
    return max(0, shared) / union


def interval_errors(clip: DemoClip, frames: Frames, seed: int, config: SpottingConfig) -> tuple[float, ...] | None:
    """Return the signed errors of onset, apex and offset in frames, and the overlap. None if nothing was spotted."""
    raw, before = make_raw(frames, np.random.default_rng(seed), still=False)
    try:
        spotting = spot(raw, config)
    except DatasetError:
        return None
    shift = clip.onset - before
    onset, apex, offset = (number + shift for number in (spotting.onset, spotting.apex, spotting.offset))
    errors = (onset - clip.onset, apex - clip.apex, offset - clip.offset)
    return *errors, overlap((onset, offset), (clip.onset, clip.offset))


def spot(raw: Frames, config: SpottingConfig) -> Spotting:
    """Spot the strongest movement of the skin in a raw clip."""
    aligned, skin = align_all(raw)
    return spot_interval(aligned, FPS, config, skin)


def is_false_alarm(frames: Frames, seed: int, config: SpottingConfig) -> bool:
    """Return whether a movement is spotted in a clip without an expression."""
    raw, _ = make_raw(frames, np.random.default_rng(seed), still=True)
    try:
        spot(raw, config)
    except DatasetError:
        return False
    return True


def report_apexes(folder: Path, clips: list[DemoClip]) -> Iterator[str]:
    """Yield lines about the apex inside the annotated interval."""
    errors = np.array([apex_errors(clip, read_clip_of(folder, clip)) for clip in clips])
    lengths = np.array([clip.offset - clip.onset for clip in clips])[:, None]
    blinks = np.array([clip.blink is not None for clip in clips])
    yield f"apex in the annotated interval, {len(clips)} clips, {blinks.sum()} with a blink:"
    for column, name in enumerate(("all pixels", "skin", "midpoint")):
        frames = errors[:, column]
        yield (
            f"  {name:14s} mean absolute error {frames.mean():.2f} frames "
            f"({(errors / lengths)[:, column].mean():.3f} of the clip), median {np.median(frames):.1f}, "
            f"worst {frames.max():.0f}; "
            f"without blinks {frames[~blinks].mean():.2f}"
        )


def report_intervals(folder: Path, clips: list[DemoClip], config: SpottingConfig) -> Iterator[str]:
    """Yield lines about raw clips."""
    pairs = [(clip, read_clip_of(folder, clip)) for clip in clips]
    results = [interval_errors(clip, frames, seed, config) for seed, (clip, frames) in enumerate(pairs)]
    spotted = np.array([errors for errors in results if errors is not None])
    yield f"raw clips: a movement spotted in {len(spotted)} of {len(clips)}"
    for column, name in enumerate(("onset", "apex", "offset")):
        frames = spotted[:, column]
        yield (
            f"  {name:7s} mean absolute error {np.abs(frames).mean():.1f} frames, "
            f"median {np.median(np.abs(frames)):.1f}, bias {np.median(frames):+.1f} (median)"
        )
    yield f"  overlap of at least 0.5 with the truth: {(spotted[:, 3] >= 0.5).sum()}; mean {spotted[:, 3].mean():.2f}"
    alarms = sum(is_false_alarm(frames, seed, config) for seed, (_, frames) in enumerate(pairs))
    yield f"  still clips in which a movement was spotted: {alarms} of {len(clips)}"


def main() -> None:
    """Print errors of spotting on the demo data in FOLDER."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("data/demo"))
    parser.add_argument("--every", type=int, default=1, help="use every Nth clip only")
    arguments = parser.parse_args()
    clips = list(plan_clips(DemoPlan()))[:: arguments.every]
    for line in report_apexes(arguments.folder, clips):
        print(line, flush=True)
    for line in report_intervals(arguments.folder, clips, SpottingConfig()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
