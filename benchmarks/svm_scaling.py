"""Measure how the time of one fold of the linear SVM grows with the number of training clips.

The package computes one kernel for each inner fold and shares it among all strengths. The plain fold fits a pipeline of
scikit-learn for each strength and inner fold, and each machine computes its own linear kernel. Both use the same rows,
the same strengths and one thread. The script prints seconds, their ratio, the exponent of growth from one size to the
next, and the largest difference between the probabilities of both for other clips. At 1,920 clips, the plain fold takes
about ten minutes.

    python benchmarks/svm_scaling.py [--clips 240 480 960 1920] [--inner-folds 10]
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from microfacial.models.inner_cv import choose_by_uf1
from microfacial.models.linear_svm import LINEAR_SVM, LinearSvmSettings
from microfacial.records import Samples, TrainingData
from microfacial.training.one_thread import one_thread

CLASSES = ("negative", "positive", "surprise")
SIDE_PX, SUBJECTS, TEST_CLIPS = 28, 60, 200
Probabilities = NDArray[np.float64]


class Cost(NamedTuple):
    """Seconds and predictions of one fold."""

    seconds: float
    probabilities: Probabilities


def make_samples(clips: int) -> Samples:
    """Return maps of noise with a faint pattern for each class."""
    random = np.random.default_rng(0)
    labels = random.integers(len(CLASSES), size=clips)
    patterns = random.normal(size=(len(CLASSES), 3, SIDE_PX, SIDE_PX))
    inputs = random.normal(size=(clips, 3, SIDE_PX, SIDE_PX)) + 0.03 * patterns[labels]
    return Samples(
        inputs=inputs.astype(np.float32),
        labels=labels,
        subjects=np.array([f"random/{row % SUBJECTS:03}" for row in range(clips)]),
        corpora=np.repeat("random", clips),
        clips=np.arange(clips).astype(str),
        active=np.zeros((clips, 0), dtype=np.bool_),
        classes=CLASSES,
    )


def fit_ours(samples: Samples, test: NDArray[np.float32], settings: LinearSvmSettings) -> Probabilities:
    """Fit a fold with the package, and predict the test clips."""
    unused = np.zeros(len(samples.labels), dtype=np.int64)  # the SVM makes its own inner folds
    return LINEAR_SVM.fit(TrainingData(samples=samples, validation_fold=unused, seed=0), settings).predict(test)


def fit_plain(samples: Samples, test: NDArray[np.float32], settings: LinearSvmSettings) -> Probabilities:
    """Fit the same fold with pipelines of scikit-learn, and predict the test clips."""
    inputs, labels = samples.inputs.reshape(len(samples.inputs), -1), samples.labels

    def fit(c: float, rows: NDArray[np.int64]) -> Pipeline:
        machine = SVC(kernel="linear", C=c, class_weight="balanced", break_ties=True)
        return make_pipeline(StandardScaler(), machine).fit(inputs[rows], labels[rows])

    def predict_each(fit_rows: NDArray[np.int64], validation_rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return [fit(c, fit_rows).predict(inputs[validation_rows]) for c in settings.c_values]

    best = choose_by_uf1(settings.c_values, predict_each, samples, settings.inner_folds)
    margins = fit(best, np.arange(len(labels))).decision_function(test.reshape(len(test), -1))
    probabilities: Probabilities = softmax(margins, axis=1)
    return probabilities


def measure(
    fit: Callable[[Samples, NDArray[np.float32], LinearSvmSettings], Probabilities],
    clips: int,
    settings: LinearSvmSettings,
) -> Cost:
    """Time one fold."""
    samples = make_samples(clips + TEST_CLIPS)
    training, test = samples.take(np.arange(clips)), samples.inputs[clips:]
    start = time.perf_counter()
    with one_thread():
        probabilities = fit(training, test, settings)
    return Cost(time.perf_counter() - start, probabilities)


def exponents(clips: Sequence[int], costs: Sequence[Cost]) -> list[str]:
    """Return the exponent of growth from each size to the next, as text. The first size has none."""
    slopes = [
        math.log(costs[step + 1].seconds / costs[step].seconds) / math.log(clips[step + 1] / clips[step])
        for step in range(len(clips) - 1)
    ]
    return ["–", *(f"{slope:.2f}" for slope in slopes)]


def main() -> None:
    """Measure all sizes, and print one line for each."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[240, 480, 960, 1920])
    parser.add_argument("--inner-folds", type=int, default=10)
    arguments = parser.parse_args()
    clips, settings = sorted(arguments.clips), LinearSvmSettings(inner_folds=arguments.inner_folds)
    ours, plain = ([measure(fit, count, settings) for count in clips] for fit in (fit_ours, fit_plain))
    print("clips  package s  exponent  plain s  exponent  ratio  largest difference")
    rows = zip(clips, ours, exponents(clips, ours), plain, exponents(clips, plain), strict=True)
    for count, our_cost, our_exponent, plain_cost, plain_exponent in rows:
        difference = float(abs(our_cost.probabilities - plain_cost.probabilities).max())
        print(
            f"{count:5}  {our_cost.seconds:9.2f}  {our_exponent:>8}  {plain_cost.seconds:7.1f}  {plain_exponent:>8}  "
            f"{plain_cost.seconds / our_cost.seconds:5.1f}  {difference:.1e}"
        )


if __name__ == "__main__":
    main()
