"""Compare drawn motion, with which the motion prior is trained, with the measured flow of a project's clips.

It is meant for the demo, whose rendered films pass through the whole pipeline: faces, alignment, head motion, flow. For
each measured clip, one emotion of its class is drawn. Start it in the project's folder, after `microfacial repro` has
computed the flow.

    python benchmarks/realism.py [--seed 0] [--draws 1000]

It prints amplitude, spectrum and strain of both, and how well a classifier can tell them apart: the area under the ROC
curve of predictions for people that the classifier has not seen. An area of .5 means that it cannot. The movements of
the demo are drawn from the same tables, so small differences say nothing about real faces. Nothing is tuned here.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from microfacial.datasets.drawn_motion.draw import draw_motion
from microfacial.errors import MicrofacialError
from microfacial.evaluation.experiment import Data, load_data
from microfacial.models.inputs import PORTRAIT, portrait
from microfacial.models.prior import INPUT_PX, emotion_shares, prior_features
from microfacial.preprocessing.strain import strain
from microfacial.records import FloatArray
from microfacial.training.pretraining import portrait_area

Maps = NDArray[np.float32]
BANDS = 4  # of spatial frequencies, from zero to half a cycle per pixel
_FOLDS, _SMALLEST = 5, 1e-6


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Flow in the frame of drawn faces, and what is compared.

    Attributes:
        flow: motion to the right and down, `(n, 2, s, s)`, in percent of the width and of the height of the frame.
        people: person of each clip, `(n,)`.
    """

    flow: Maps
    people: NDArray[np.str_]

    @property
    def amplitude(self) -> FloatArray:
        """Mean length of the motion of each clip, `(n,)`."""
        lengths: FloatArray = np.hypot(self.flow[:, 0], self.flow[:, 1]).mean(axis=(1, 2), dtype=np.float64)
        return lengths

    @property
    def spectrum(self) -> FloatArray:
        """Share of the power in each band of spatial frequencies, `(n, BANDS)`; see `band_shares`."""
        return band_shares(self.flow)

    @property
    def strain(self) -> FloatArray:
        """Mean strain of each clip per mean length of its motion, `(n,)`, in 1/px of the map."""
        total = strain(self.flow).mean(axis=(1, 2), dtype=np.float64)
        return total / np.maximum(self.amplitude, np.finfo(np.float64).tiny)

    @property
    def concentration(self) -> FloatArray:
        """Share of the strain in the tenth of the pixels with the most strain, `(n,)`."""
        ordered = np.sort(strain(self.flow).reshape(len(self.flow), -1).astype(np.float64), axis=1)
        top = ordered[:, -(ordered.shape[1] // 10) :].sum(axis=1)
        return top / np.maximum(ordered.sum(axis=1), np.finfo(np.float64).tiny)


def band_shares(flow: Maps) -> FloatArray:
    """Return the share of the power of u and v in each band of spatial frequencies, without the mean, `(n, BANDS)`.

    The bands have equal widths. The last one includes the frequencies in the corners of the spectrum.
    """
    power = np.abs(np.fft.fft2(flow.astype(np.float64))) ** 2  # (n, 2, s, s)
    frequency = np.fft.fftfreq(flow.shape[-1])
    distance = np.hypot(frequency[:, None], frequency)
    band = np.minimum((distance / 0.5 * BANDS).astype(int), BANDS - 1)
    band[0, 0] = -1
    sums = np.stack([power[..., band == number].sum(axis=(1, 2)) for number in range(BANDS)], axis=1)
    return sums / np.maximum(sums.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)


FEATURES: Mapping[str, Callable[[Motion], FloatArray]] = {
    "motion without scale, as the prior reads it": lambda motion: (
        prior_features(motion.flow).reshape(len(motion.flow), -1).astype(np.float64)
    ),
    "spectrum and strain": lambda motion: np.column_stack([motion.spectrum, motion.strain, motion.concentration]),
    "amplitude": lambda motion: np.log(motion.amplitude[:, None] + _SMALLEST),
}
"""Features of a classifier that tries to tell drawn from measured clips, `(n, F)`, by name."""


def read_measured(data: Data) -> Motion:
    """Return the measured flow of a project's clips.

    Raises:
        SystemExit: the flow is stretched, so its amplitude is lost.
    """
    if data.store.unit != "px":
        raise SystemExit("the flow of this project has no unit, so amplitudes cannot be compared. Use the demo")
    side = data.store.flow.shape[-1]
    top, left, bottom, right = PORTRAIT
    size = side * np.array([right - left, bottom - top], np.float32)[:, None, None]
    return Motion(
        flow=100 * portrait(data.store, INPUT_PX).values / size, people=np.array([clip.person for clip in data.clips])
    )


def draw_matching(data: Data, seed: int) -> Motion:
    """Draw one clip of another person for each measured clip, with an emotion of its class."""
    random = np.random.default_rng(seed)
    shares = emotion_shares(data.classes)
    rows = [shares[data.classes.index(clip.label)] for clip in data.clips]
    emotions = torch.tensor([random.choice(len(row), p=row) for row in rows])
    drawn = draw_motion(emotions, torch.Generator().manual_seed(seed), INPUT_PX).flow[:, 0].numpy()
    people = np.array([f"drawn/{number}" for number in range(len(rows))])
    return Motion(flow=(100 / INPUT_PX * drawn * portrait_area()).astype(np.float32), people=people)


def tell_apart(
    features: FloatArray, drawn: NDArray[np.bool_], people: NDArray[np.str_], seed: int, draws: int
) -> FloatArray:
    """Return how well a linear classifier can tell drawn clips from measured ones.

    Args:
        features: features of all clips, `(n, F)`.
        drawn: which clips are drawn, `(n,)`.
        people: person of each clip. No person is in both the training and the test rows of a fold.
        seed: seed of the folds and of the bootstrap.
        draws: number of bootstrap draws of people.

    Returns:
        Area under the ROC curve, and its 95 % interval over draws of people, `(3,)`.
    """
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    folds = GroupKFold(_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(classifier, features, drawn, groups=people, cv=folds, method="decision_function")
    random, names = np.random.default_rng(seed), np.unique(people)
    rows = {name: np.flatnonzero(people == name) for name in names}
    areas = []
    for _ in range(draws):
        sample = np.concatenate([rows[name] for name in random.choice(names, len(names))])
        if 0 < drawn[sample].sum() < len(sample):
            areas.append(roc_auc_score(drawn[sample], scores[sample]))
    return np.array([roc_auc_score(drawn, scores), *np.percentile(areas, [2.5, 97.5])])


def describe(name: str, measured: FloatArray, drawn: FloatArray) -> str:
    """Return a line of the table: quantiles of a value in measured and in drawn clips, and the distance of both."""
    cells = (
        " / ".join(f"{value:.3f}" for value in np.quantile(values, [0.1, 0.5, 0.9])) for values in (measured, drawn)
    )
    return f"| {name} | {' | '.join(cells)} | {ks_2samp(measured, drawn).statistic:.2f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws of people")
    options = parser.parse_args(arguments)
    try:
        data = load_data()
        measured, drawn = read_measured(data), draw_matching(data, options.seed)
    except MicrofacialError as error:
        raise SystemExit(str(error)) from None
    print(f"{len(data.clips)} measured clips of {len(np.unique(measured.people))} people, as many drawn ones\n")
    print("| per clip | measured: 10 / 50 / 90 % | drawn: 10 / 50 / 90 % | Kolmogorov-Smirnov distance |")
    print("|---|---|---|---|")
    print(describe("amplitude, % of the frame", measured.amplitude, drawn.amplitude))
    for band in range(BANDS):
        name = f"power at {band / 2 / BANDS:.3f} to {(band + 1) / 2 / BANDS:.3f} cycles/px"
        print(describe(name, measured.spectrum[:, band], drawn.spectrum[:, band]))
    print(describe("strain per motion, 1/px", measured.strain, drawn.strain))
    print(describe("strain in a tenth of the pixels", measured.concentration, drawn.concentration))
    both = (measured, drawn)
    people = np.concatenate([motion.people for motion in both])
    is_drawn = np.repeat([False, True], [len(motion.people) for motion in both])
    print("\n| features of the classifier | ROC area | 95 % over people |\n|---|---|---|")
    for name, compute in FEATURES.items():
        features = np.concatenate([compute(motion) for motion in both])
        area, low, high = tell_apart(features, is_drawn, people, options.seed, options.draws)
        print(f"| {name} | {area:.3f} | {low:.3f} to {high:.3f} |")


if __name__ == "__main__":
    main()
