"""Measure the difficulty of the demo data set, and how far a random split over clips overstates the scores.

The benchmark runs the linear SVM of the package on the demo clips. It uses leave-one-subject-out and random folds of
the same number. In random folds, clips of one person are in both the training and the test rows. C is always chosen
inside the training rows: over groups of people for leave-one-subject-out, over single clips for random folds.

    python benchmarks/demo_difficulty.py [FOLDER] [--processes N]
"""

import argparse
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold

from microfacial import metrics
from microfacial.datasets import ClipsConfig, list_clips
from microfacial.datasets.frames import read_frames
from microfacial.datasets.label_schemes import SCHEMES
from microfacial.datasets.synthetic.write import write_demo
from microfacial.models.inputs import make_samples
from microfacial.models.linear_svm import LINEAR_SVM, LinearSvmSettings
from microfacial.preprocessing import faces, flow
from microfacial.records import Clip, FaceStore, FlowSequence, Samples, TrainingData

SCHEME: Literal["casme2-4"] = "casme2-4"
SEEDS = range(10)
Rows = NDArray[np.int64]


def measure_flow(folder: Path, clip: Clip) -> FlowSequence:
    """Align the key frames of one clip and compute their flow."""
    frames = read_frames(clip, folder.parent, flow.key_frames(clip))
    config = faces.FacesConfig()
    face = faces.locate(clip, frames[clip.onset], config)
    aligned = {number: faces.align(frame, face, config.size_px) for number, frame in frames.items()}
    return flow.compute_flow(clip, aligned, flow.FlowConfig())


def read_samples(folder: Path, processes: int) -> Samples:
    """Run the pipeline on the demo data, from frames to the input of the SVM."""
    clips = list_clips(ClipsConfig(name="demo", root=str(folder.parent), corpora=(folder.name,), scheme=SCHEME)).clips
    flows = Parallel(n_jobs=processes)(delayed(measure_flow)(folder, clip) for clip in clips)
    store = FaceStore(
        clips=tuple(clip.id for clip in clips),
        crops=np.zeros((len(clips), 0, 0, 0, 3), dtype=np.uint8),
        flow=np.stack([sequence.flow for sequence in flows]),
        windows=flows[0].windows,
        unit=flows[0].unit,
        boxes=np.zeros((len(clips), 0, 4), dtype=np.int64),
        regions=(),
    )
    return make_samples(LINEAR_SVM.make_inputs(store, LinearSvmSettings()), store, clips, SCHEMES[SCHEME].classes)


def pooled_scores(samples: Samples, folds: Iterable[tuple[Rows, Rows]]) -> tuple[float, float]:
    """Return UF1 and UAR, pooled over folds of (training rows, test rows)."""
    predicted = np.empty_like(samples.labels)
    for training, test in folds:
        unused = np.zeros(len(training), dtype=np.int64)  # the SVM makes its own inner folds
        fitted = LINEAR_SVM.fit(
            TrainingData(samples=samples.take(training), validation_fold=unused, seed=0), LinearSvmSettings()
        )
        predicted[test] = fitted.predict(samples.inputs[test]).argmax(axis=1)
    counts = metrics.confusion(samples.labels, predicted, len(samples.classes))
    return float(metrics.uf1(counts)), float(metrics.uar(counts))


def random_scores(samples: Samples, seed: int) -> tuple[float, float]:
    """Return UF1 and UAR of random folds. There is one fold per person, and each clip is treated as a person."""
    folds = StratifiedKFold(len(set(samples.subjects)), shuffle=True, random_state=seed)
    return pooled_scores(replace(samples, subjects=samples.clips), folds.split(samples.inputs, samples.labels))


def compare(folder: Path, processes: int) -> str:
    """Return a text with the scores of both splits."""
    samples = read_samples(folder, processes)
    by_subject = pooled_scores(samples, LeaveOneGroupOut().split(samples.inputs, samples.labels, samples.subjects))
    drawn = Parallel(n_jobs=processes)(delayed(random_scores)(samples, seed) for seed in SEEDS)
    leaky, spread = np.mean(drawn, axis=0), np.std(drawn, axis=0)
    people = len(set(samples.subjects))
    return (
        f"Linear SVM on {len(samples.labels)} synthetic clips of {people} synthetic people.\n"
        f"Leave one subject out: UF1 {by_subject[0]:.3f}, UAR {by_subject[1]:.3f}.\n"
        f"Random folds, mean of {len(SEEDS)} seeds: "
        f"UF1 {leaky[0]:.3f} (sd {spread[0]:.3f}), UAR {leaky[1]:.3f}.\n"
        f"Training on other clips of the same person changes UF1 by {leaky[0] - by_subject[0]:+.3f}. "
        "People outside the training rows do not benefit from it."
    )


def main() -> None:
    """Score the demo data in FOLDER, or a new copy in a temporary folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch) / "demo"
        if arguments.folder is None:
            write_demo(folder, processes=arguments.processes)
        print(compare(folder, arguments.processes))


if __name__ == "__main__":
    main()
