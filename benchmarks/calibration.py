"""Fit the temperature of the motion prior on drawn clips, and measure the limits of familiar motion on drawn maps.

Drawn clips have other seeds than those that the prior was trained on. The temperature minimises the log loss over all
emotions, equally frequent. `PRIOR_TEMPERATURE` and the limits in `inference.unfamiliar_motion` come from this output.

    python benchmarks/calibration.py [--clips N]

With `--trained`, print the temperature of trained models instead, and their log loss and calibration error (ECE) for
held-out clips, without a temperature and with that of all other subjects.

    python benchmarks/calibration.py --trained results/demo/train
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from microfacial.datasets.drawn_motion.draw import draw_motion
from microfacial.datasets.drawn_motion.emotions import EMOTIONS
from microfacial.evaluation.result_files import read_predictions
from microfacial.inference.temperature import choose_temperature, cross_calibrate, fit_temperature, log_loss
from microfacial.inference.unfamiliar_motion import measure_roughness, measure_smoothness
from microfacial.metrics import calibration_error
from microfacial.models.prior import INPUT_PX, emotion_shares, load_prior, prior_features
from microfacial.records import FloatArray

SEEDS = (20_000, 30_000)  # the prior was trained with seed 0, and its card has scores with seed 10,000


def print_temperature(name: str, probabilities: FloatArray, truth: NDArray[np.int64]) -> None:
    """Print the temperature with the smallest log loss."""
    best = fit_temperature(probabilities, truth)
    before, after = log_loss(1.0, probabilities, truth), log_loss(best, probabilities, truth)
    print(f"{name}: temperature {best:.3f}, log loss {before:.4f} without, {after:.4f} with it")


def print_trained(folder: Path) -> None:
    """Print the calibration of each trained model in a folder."""
    for training in sorted(path.parent for path in folder.glob("*/predictions.csv")):
        predictions = read_predictions(training)
        repeats, _, classes = predictions.probabilities.shape
        truth, subjects = np.tile(predictions.truth, repeats), np.tile(predictions.subjects, repeats)
        before = predictions.probabilities.reshape(-1, classes)
        after = cross_calibrate(before, truth, subjects)
        losses = [f"{log_loss(1.0, values, truth):.3f}" for values in (before, after)]
        errors = [f"{calibration_error(values, truth):.3f}" for values in (before, after)]
        temperature, chosen = fit_temperature(before, truth), choose_temperature(predictions)
        print(
            f"{training.name}: temperature {temperature:.2f}, chosen {chosen:g}, log loss {' → '.join(losses)}, "
            f"ECE {' → '.join(errors)}"
        )


def main() -> None:
    """Print the temperature of each seed, and percentiles of the measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=16_384, help="number of drawn clips of each seed")
    parser.add_argument("--trained", type=Path, metavar="FOLDER", help="calibrate the models trained in this folder")
    options = parser.parse_args()
    clips: int = options.clips
    if options.trained is not None:
        print_trained(options.trained)
        return
    torch.set_num_threads(1)
    prior, shares = load_prior(), emotion_shares(tuple(EMOTIONS))
    pooled: list[tuple[FloatArray, NDArray[np.int64]]] = []
    for seed in SEEDS:
        generator = torch.Generator().manual_seed(seed)
        emotions = torch.randint(0, len(EMOTIONS), (clips,), generator=generator)
        maps = draw_motion(emotions, generator, INPUT_PX).flow[:, 0].numpy()
        probabilities, truth = prior.class_probabilities(maps, shares), emotions.numpy()
        print_temperature(f"seed {seed}", probabilities, truth)
        pooled.append((probabilities, truth))
    probabilities, truth = (np.concatenate(parts) for parts in zip(*pooled, strict=True))
    print_temperature("both seeds", probabilities, truth)
    motions = prior_features(maps[:2000])
    for name, measure in (("roughness", measure_roughness), ("smooth share", measure_smoothness)):
        values = np.percentile([measure(motion) for motion in motions], [1, 50, 99, 100])
        low, middle, high, greatest = values
        print(f"{name} of drawn maps: 1 % {low:.3f}, median {middle:.3f}, 99 % {high:.3f}, greatest {greatest:.3f}")


if __name__ == "__main__":
    main()
