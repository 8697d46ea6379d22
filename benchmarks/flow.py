"""Measure the time of flow: the overhead over OpenCV's own calls, and a whole corpus with one and two processes.

    python benchmarks/flow.py [--clips 255] [--rounds 3]

The first part computes all windows of a clip from aligned frames in memory. It compares the time with bare calls of the
same OpenCV routine on prepared frames, in one thread and with the same number of calls. The second part runs the whole
`flow` stage on a data set of the size of CASME II: 640×480 JPEG frames, five key frames per clip. Its time includes
decoding, starting the processes and writing. The best of all rounds counts, because other programs disturb the
measurement. The ratios are more reliable than the times.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from microfacial.datasets import ClipsConfig
from microfacial.datasets.clip_table import write_clips
from microfacial.pipeline.project import Project
from microfacial.pipeline.stages import flow as stage
from microfacial.preprocessing.faces import align
from microfacial.preprocessing.flow import FlowConfig, compute_flow, prepare
from microfacial.preprocessing.opencv_flow import DisSettings, FarnebackSettings, Gray, VariationalSettings
from microfacial.preprocessing.store import write_faces
from microfacial.records import Clip, Face, Image

ROOT = Path(__file__).parent.parent
NUMBERS = (1, 2, 3, 4, 5)
WINDOWS = ((1, 3), (1, 2), (2, 3), (3, 4), (4, 5))
SOLVES_PER_WINDOW = 2  # the head's motion is undone between them
WIDTH_PX, HEIGHT_PX, SIDE_PX = 640, 480, 224
FOLDER = "frames"


def make_frames(seed: int) -> dict[int, Image]:
    """Make five noisy frames `(480, 640, 3)` of a photograph that drifts and grows."""
    random = np.random.default_rng(seed)
    photo = data.astronaut()[..., ::-1].astype(np.float32)  # type: ignore[no-untyped-call]
    drift = random.uniform(-1.5, 1.5, 2)
    frames = {}
    for number in NUMBERS:
        progress = 1 - abs(number - 3) / 2
        zoom = WIDTH_PX / photo.shape[1] * (1 + 0.004 * progress)
        place = np.array([[zoom, 0, drift[0] * progress], [0, zoom, drift[1] * progress]])
        frame = cv2.warpAffine(photo, place, (WIDTH_PX, HEIGHT_PX), flags=cv2.INTER_CUBIC)
        frames[number] = np.clip(frame + random.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)
    return frames


def make_clip(row: int) -> Clip:
    """Return a clip of five frames."""
    return Clip(
        corpus="casme2",
        subject=f"{row % 26:02d}",
        name=f"{row:03d}",
        emotion="happiness",
        label="happiness",
        action_units="",
        frames=f"{FOLDER}/{row:03d}_{{}}.jpg",
        numbers=NUMBERS,
        onset=1,
        apex=3,
        offset=5,
        apex_source="annotated",
        fps=200.0,
        cropped=False,
    )


def make_face(clip: Clip) -> Face:
    """Return a face whose aligned square is the middle of the frame."""
    scale = SIDE_PX / 300
    transform = np.array([[scale, 0.0, -scale * 130], [0.0, scale, 0.0]])
    return Face(clip=clip.id, transform=transform, boxes=(), source="template", confidence=None)


# --- overhead ---------------------------------------------------------------------------------------------------------


def bare_variational(frames: Mapping[int, Gray], settings: VariationalSettings) -> Callable[[], None]:
    """Return a function that only calls OpenCV, on pyramids that are made beforehand."""
    solver = cv2.VariationalRefinement.create()
    solver.setGamma(settings.gamma)
    solver.setDelta(settings.delta)
    solver.setFixedPointIterations(settings.fixed_point_iterations)
    solver.setSorIterations(settings.sor_iterations)
    solver.setOmega(settings.omega)
    solver.setAlpha(settings.alpha)
    levels = [
        {number: cv2.resize(frame, (SIDE_PX >> level,) * 2) for number, frame in frames.items()}
        for level in range(settings.levels)
    ]
    starts = [np.zeros((*level[1].shape, 2), np.float32) for level in levels]

    def run() -> None:
        for first, last in WINDOWS:
            for level, start in zip(levels, starts, strict=True):
                for _ in range(settings.calls_per_level * SOLVES_PER_WINDOW):
                    solver.calc(level[first], level[last], start.copy())

    return run


def bare_dis(frames: Mapping[int, Gray], settings: DisSettings) -> Callable[[], None]:
    """Return a function that only calls OpenCV, on whole grey levels."""
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    whole = {number: frame.round().astype(np.uint8) for number, frame in frames.items()}

    def run() -> None:
        for first, last in WINDOWS * SOLVES_PER_WINDOW:
            solver.calc(whole[first], whole[last], np.zeros((SIDE_PX, SIDE_PX, 2), np.float32))

    return run


def bare_farneback(frames: Mapping[int, Gray], settings: FarnebackSettings) -> Callable[[], None]:
    """Return a function that only calls OpenCV."""

    def run() -> None:
        for first, last in WINDOWS * SOLVES_PER_WINDOW:
            cv2.calcOpticalFlowFarneback(
                frames[first],
                frames[last],
                np.zeros((SIDE_PX, SIDE_PX, 2), np.float32),
                settings.pyramid_scale,
                settings.levels,
                settings.winsize_px,
                settings.iterations,
                settings.neighbourhood_px,
                settings.neighbourhood_sigma_px,
                0,
            )

    return run


def best_seconds(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run the functions in turn, and return the shortest time of each."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def compare_with_bare_calls(rounds: int) -> None:
    """Print the time of one clip and that of OpenCV's calls alone, for each method."""
    clip = make_clip(0)
    aligned = {number: align(frame, make_face(clip), SIDE_PX) for number, frame in make_frames(0).items()}
    prepared = {number: prepare(frame, FlowConfig()) for number, frame in aligned.items()}
    bare = {
        "variational": bare_variational(prepared, VariationalSettings()),
        "dis": bare_dis(prepared, DisSettings()),
        "farneback": bare_farneback(prepared, FarnebackSettings()),
    }
    print("| method | ms per clip | bare OpenCV calls | ratio |\n| --- | --- | --- | --- |")
    for method, run in bare.items():
        config = FlowConfig.model_validate({"method": method})

        def compute(config: FlowConfig = config) -> object:
            return compute_flow(clip, aligned, config)

        seconds = best_seconds({"package": compute, "bare": run}, 5 * rounds)
        ratio = seconds["package"] / seconds["bare"]
        print(f"| {method} | {1e3 * seconds['package']:.0f} | {1e3 * seconds['bare']:.0f} | {ratio:.2f} |", flush=True)


# --- a corpus ---------------------------------------------------------------------------------------------------------


def write_corpus(folder: Path, clips: list[Clip]) -> None:
    """Write a project: frames as JPEG, and the files of the stages before `flow`."""
    (folder / "data" / FOLDER).mkdir(parents=True)
    for row, clip in enumerate(clips):
        for number, frame in make_frames(row).items():
            cv2.imwrite(str(folder / "data" / clip.frame(number)), frame)
    write_clips(folder / "results/corpus/clips.csv", clips)
    write_faces(folder / "results/corpus/faces", len(clips), blank_crops(clips), (), SIDE_PX)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    (folder / "src").symlink_to(ROOT / "src")


def blank_crops(clips: list[Clip]) -> Iterator[tuple[Face, Image]]:
    """Yield faces with blank crops, which `flow` does not use."""
    for clip in clips:
        yield make_face(clip), np.zeros((2, SIDE_PX, SIDE_PX, 3), np.uint8)


def time_stage(folder: Path, clips: int, rounds: int) -> None:
    """Print the time of the stage with one process and with two."""
    os.chdir(folder)
    project = Project(ClipsConfig(name="corpus", root="data", corpora=("demo",), scheme="casme2-4"))
    seconds = best_seconds(
        {"one": lambda: stage.run_flow(project, processes=1), "two": lambda: stage.run_flow(project, processes=2)},
        rounds,
    )
    print(f"\n{clips} clips: one process {seconds['one']:.1f} s, two {seconds['two']:.1f} s,", end=" ")
    print(f"ratio {seconds['one'] / seconds['two']:.2f}; all work included")


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=255)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    compare_with_bare_calls(options.rounds)
    with tempfile.TemporaryDirectory() as scratch:
        write_corpus(Path(scratch), [make_clip(row) for row in range(options.clips)])
        time_stage(Path(scratch), options.clips, options.rounds)


if __name__ == "__main__":
    main()
