"""Estimate the cost of a full leave-one-subject-out of the ROI CNN with the preset `mission` from one short fold.

    python benchmarks/mission_cost.py [--clips 147] [--subjects 24] [--epochs 2]

The fold trains on random maps of the right shape with one thread. The ratio to the preset `default` is reliable. The
hours depend on the machine. Early stopping (patience 20 of 60 epochs) can only make the training shorter.
"""

import argparse
import time

import numpy as np
import torch

from microfacial.models import MODELS
from microfacial.records import Samples, TrainingData
from microfacial.training.fit import fit

REGIONS, CHANNELS, CLASSES = 3, 3, ("happiness", "disgust", "surprise", "repression")


def random_samples(clips: int, side: int, seed: int) -> Samples:
    """Return clips of random motion, one per subject. The cost does not depend on the content."""
    random = np.random.default_rng(seed)
    return Samples(
        inputs=random.normal(size=(clips, REGIONS, CHANNELS, side, side)).astype(np.float32),
        labels=np.arange(clips) % len(CLASSES),
        subjects=np.arange(clips).astype(str),
        corpora=np.repeat("random", clips),
        clips=np.arange(clips).astype(str),
        active=np.zeros((clips, REGIONS), dtype=np.bool_),
        classes=CLASSES,
    )


def seconds_per_epoch(preset: str, training: int, validation: int, epochs: int) -> float:
    """Return the seconds of one epoch of one fold with one thread."""
    variant = MODELS["roi_cnn"]
    settings = variant.settings.model_validate({**variant.presets[preset], "epochs": epochs, "patience": epochs})
    side = settings.model_dump()["input_px"]
    clips = training + validation
    fold = (np.arange(clips) >= validation).astype(np.int64)  # the rows of validation fold 0 are for validation
    data = TrainingData(samples=random_samples(clips, side, seed=0), validation_fold=fold, seed=0)
    torch.set_num_threads(1)
    start = time.perf_counter()
    fit([data], model="roi_cnn", settings=settings)
    return (time.perf_counter() - start) / epochs


def main() -> None:
    """Print the cost of an epoch with both presets, and of all folds with `mission`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=147)
    parser.add_argument("--subjects", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    rows = options.clips * (options.subjects - 1) // options.subjects
    training = round(0.8 * rows)
    small, mission = (
        seconds_per_epoch(preset, training, rows - training, options.epochs) for preset in ("default", "mission")
    )
    hours = mission * 60 * options.subjects / 3600
    print(f"one epoch on {training} + {rows - training} clips, one thread:")
    print(f"default {small:.2f} s, mission {mission:.1f} s")
    print(f"mission costs {mission / small:.0f} times default")
    print(
        f"60 epochs × {options.subjects} folds of mission: {hours:.1f} processor hours, {hours / 2:.1f} h on two cores"
    )


if __name__ == "__main__":
    main()
