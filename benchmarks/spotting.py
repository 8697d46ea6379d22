"""How well are apexes and intervals spotted on the demo, where the truth is known?

The apex is spotted inside the annotated interval, and its error compared with the midpoint's. Intervals are spotted in
raw clips: still frames with fresh sensor noise before and after each clip, under a head that sways by 1.5 px. Still
clips of the same kind, without an expression, say how often something is spotted where nothing is.

    python benchmarks/spotting.py [FOLDER] [--every N]
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from microfacial.datasets.frames import read_image
from microfacial.datasets.synthetic.people import DemoClip, DemoPlan, plan_clips
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
    """Frames of one demo clip, as written."""
    place = folder / "Cropped" / f"sub{clip.subject_name}" / clip.name
    return {number: read_image(place / f"reg_img{number}.jpg") for number in range(clip.onset, clip.offset + 1)}


def align_all(frames: Frames) -> tuple[Frames, NDArray[np.bool_]]:
    """Frames on the aligned square, placed by the landmarks of the first, and the skin there."""
    first = min(frames)
    moments = {"onset": first, "apex": first, "offset": first, "apex_source": "annotated"}
    names = dict.fromkeys(("subject", "name", "emotion", "label", "action_units", "frames"), "")
    clip = Clip(corpus="demo", numbers=(first,), fps=FPS, cropped=True, **moments, **names)  # type: ignore[arg-type]
    face = locate(clip, frames[first], FacesConfig())
    aligned = {number: align(frame, face, FacesConfig().size_px) for number, frame in frames.items()}
    found = find_landmarks(aligned[first])
    assert found is not None, "the demo's faces are found"
    return aligned, find_skin(found.points, FacesConfig().size_px)


def make_raw(frames: Frames, random: np.random.Generator, *, still: bool) -> tuple[Frames, int]:
    """A raw clip around a demo clip, numbered from 0, and how many frames stand before the onset."""
    images = [frames[number] for number in sorted(frames)]
    before, after = (int(count) for count in random.integers(60, 140, 2))
    middle = [images[0]] * len(images) if still else images
    film = [images[0]] * before + middle + [middle[-1]] * after
    phases = random.uniform(0, 2 * math.pi, 3)
    return {number: sway(image, number / FPS, phases, random) for number, image in enumerate(film)}, before


def sway(
    image: NDArray[np.uint8], time_s: float, phases: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.uint8]:
    """A frame with the head moved and fresh sensor noise."""
    across, down, turn = np.sin(2 * math.pi * time_s / np.array([1.5, 1.8, 1.3]) + phases)
    height, width = image.shape[:2]
    pose = cv2.getRotationMatrix2D((width / 2, height / 2), math.degrees(0.004 * turn), 1.0)
    pose[:, 2] += SWAY_PX * across, SWAY_PX * down
    moved = cv2.warpAffine(image, pose, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    noisy = moved + random.normal(0, NOISE, image.shape)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), dtype=np.uint8)


def apex_errors(clip: DemoClip, frames: Frames) -> tuple[float, float, float]:
    """Frames between truth and the apex spotted everywhere, the apex spotted on skin, and the midpoint."""
    aligned, skin = align_all(frames)
    guesses = (
        spot_apex(aligned, FPS, clip.onset, clip.offset),
        spot_apex(aligned, FPS, clip.onset, clip.offset, skin=skin),
        (clip.onset + clip.offset + 1) // 2,
    )
    return tuple(abs(guess - clip.apex) for guess in guesses)  # type: ignore[return-value]


def overlap(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Intersection over union of two intervals, ends included."""
    shared = min(first[1], second[1]) - max(first[0], second[0]) + 1
    union = max(first[1], second[1]) - min(first[0], second[0]) + 1
    return max(0, shared) / union


def interval_errors(clip: DemoClip, frames: Frames, seed: int, config: SpottingConfig) -> tuple[float, ...] | None:
    """Signed errors of onset, apex, offset in frames, and the overlap; None where nothing was spotted."""
    raw, before = make_raw(frames, np.random.default_rng(seed), still=False)
    try:
        found = spot(raw, config)
    except DatasetError:
        return None
    shift = clip.onset - before
    onset, apex, offset = (number + shift for number in (found.onset, found.apex, found.offset))
    errors = (onset - clip.onset, apex - clip.apex, offset - clip.offset)
    return *errors, overlap((onset, offset), (clip.onset, clip.offset))


def spot(raw: Frames, config: SpottingConfig) -> Spotting:
    """Spot on the skin in a raw clip."""
    aligned, skin = align_all(raw)
    return spot_interval(aligned, FPS, config, skin)


def is_false_alarm(frames: Frames, seed: int, config: SpottingConfig) -> bool:
    """Whether something is spotted in a clip without an expression."""
    raw, _ = make_raw(frames, np.random.default_rng(seed), still=True)
    try:
        spot(raw, config)
    except DatasetError:
        return False
    return True


def report_apexes(folder: Path, clips: list[DemoClip]) -> Iterator[str]:
    """Lines on the apex inside the annotated interval."""
    errors = np.array([apex_errors(clip, read_clip_of(folder, clip)) for clip in clips])
    lengths = np.array([clip.offset - clip.onset for clip in clips])[:, None]
    blinks = np.array([clip.blink is not None for clip in clips])
    yield f"apex in the annotated interval, {len(clips)} clips, {blinks.sum()} with a blink:"
    for column, name in enumerate(("everywhere", "on skin", "midpoint")):
        own = errors[:, column]
        yield (
            f"  {name:14s} mean absolute error {own.mean():.2f} frames ({(errors / lengths)[:, column].mean():.3f} of "
            f"the clip), median {np.median(own):.1f}, worst {own.max():.0f}; without blinks {own[~blinks].mean():.2f}"
        )


def report_intervals(folder: Path, clips: list[DemoClip], config: SpottingConfig) -> Iterator[str]:
    """Lines on raw clips."""
    pairs = [(clip, read_clip_of(folder, clip)) for clip in clips]
    found = [interval_errors(clip, frames, seed, config) for seed, (clip, frames) in enumerate(pairs)]
    spotted = np.array([errors for errors in found if errors is not None])
    yield f"raw clips: something spotted in {len(spotted)} of {len(clips)}"
    for column, name in enumerate(("onset", "apex", "offset")):
        own = spotted[:, column]
        yield (
            f"  {name:7s} mean absolute error {np.abs(own).mean():.1f} frames, median {np.median(np.abs(own)):.1f}, "
            f"bias {np.median(own):+.1f} (median)"
        )
    yield f"  overlap of at least .5 with the truth: {(spotted[:, 3] >= 0.5).sum()}; mean {spotted[:, 3].mean():.2f}"
    alarms = sum(is_false_alarm(frames, seed, config) for seed, (_, frames) in enumerate(pairs))
    yield f"  still clips in which something was spotted: {alarms} of {len(clips)}"


def main() -> None:
    """Print errors of spotting on the demo data in FOLDER."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("data/demo"))
    parser.add_argument("--every", type=int, default=1, help="take every Nth clip only")
    arguments = parser.parse_args()
    clips = list(plan_clips(DemoPlan()))[:: arguments.every]
    for line in report_apexes(arguments.folder, clips):
        print(line, flush=True)
    for line in report_intervals(arguments.folder, clips, SpottingConfig()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
