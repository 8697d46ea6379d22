"""Linear support vector machine on the pixels of the flow: the baseline for deep models.

The inputs `(N, 3, s, s)` are u, v and strain of onset→apex over the whole face. They are standardised on the training
rows.

Source: Cortes & Vapnik, Machine Learning 1995, doi:10.1007/BF00994018; as a baseline on flow maps, Varanka et al.,
Data Leakage and Evaluation Issues in Micro-Expression Analysis, arXiv:2211.11425.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import softmax
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from microfacial.models.base import Estimator
from microfacial.models.inner_cv import choose_by_uf1, require_two_classes
from microfacial.models.inputs import full_face
from microfacial.models.settings import CValue
from microfacial.records import FaceStore, FloatArray, History, Inputs, Samples, TrainingData
from microfacial.settings import Section


class LinearSvmSettings(Section):
    """`models.linear_svm` in params.yaml."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"strengths": "c_values"})

    input_px: int = Field(28, ge=4, le=512)
    c_values: tuple[CValue, ...] = Field(  # candidates for C
        (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), strict=False, min_length=1, max_length=100
    )
    inner_folds: int = Field(10, ge=2, le=1000)  # groups of subjects for the choice of C


@dataclass(frozen=True)
class FittedSvm:
    """The machines of one fold: one for each pair of the k classes that occur in it, M = k(k−1)/2 in total.

    A class that does not occur has the probability 0.

    Attributes:
        weight: weights of raw pixels, `(M, P)` float64. The standardisation is part of them. A positive margin supports
            the first class of a pair.
        bias: constants, `(M,)` float64.
        present: classes that occur in the fold, `(k,)` int64, ascending.
        classes: number of all classes, K.
        shape: shape of one sample.
        chosen: the chosen C in words.
        history: empty, because the model has no epochs.
    """

    weight: FloatArray
    bias: FloatArray
    present: NDArray[np.int64]
    classes: int
    shape: tuple[int, ...]
    chosen: str
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        """Return the softmax of the votes. It ranks classes as the machines do, but it is not calibrated.

        Args:
            inputs: `(n, …)` float32.

        Returns:
            `(n, K)`.
        """
        margins = inputs.reshape(len(inputs), -1).astype(np.float64) @ self.weight.T + self.bias
        probabilities = np.zeros((len(inputs), self.classes))
        probabilities[:, self.present] = softmax(_vote(margins, len(self.present)), axis=1)
        return probabilities

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """Return the machines as arrays, with the shape of one sample."""
        return {
            "weight": self.weight,
            "bias": self.bias,
            "present": self.present,
            "classes": np.array(self.classes),
            "shape": np.array(self.shape, dtype=np.int64),
            "chosen": np.array(self.chosen),
        }


def _restore(settings: LinearSvmSettings, arrays: Mapping[str, NDArray[Any]]) -> FittedSvm:
    return FittedSvm(
        weight=arrays["weight"],
        bias=arrays["bias"],
        present=arrays["present"],
        classes=int(arrays["classes"]),
        shape=tuple(arrays["shape"].tolist()),
        chosen=str(arrays["chosen"]),
    )


def _vote(margins: FloatArray, classes: int) -> FloatArray:
    """Return the support for each class, `(n, k)`, from the margins `(n, M)` of all pairs.

    The support is the number of votes. Margins decide between equal numbers of votes. With two classes, the support is
    the margin itself for one class and its negative for the other.
    """
    if classes == 2:
        return np.concatenate([margins, -margins], axis=1)
    votes, sums = np.zeros((2, len(margins), classes))
    for margin, (first, second) in zip(margins.T, combinations(range(classes), 2), strict=True):
        votes[:, first] += margin >= 0
        votes[:, second] += margin < 0
        sums[:, first] += margin
        sums[:, second] -= margin
    # The second term is less than half a vote, so margins decide only between equal numbers of votes.
    support: FloatArray = votes + sums / (3 * (np.abs(sums) + 1))
    return support


def _make_inputs(store: FaceStore, settings: LinearSvmSettings) -> Inputs:
    """Motion of the whole face, `(N, 3, input_px, input_px)`."""
    return full_face(store, settings.input_px)


def _fit(training_data: TrainingData, settings: LinearSvmSettings) -> FittedSvm:
    """Choose C by pooled UF1 over groups of training subjects, then fit on all training rows.

    Raises:
        ProtocolError: all training rows have the same class.
    """
    samples = training_data.samples
    require_two_classes(samples, "linear_svm")
    inputs, labels = samples.inputs.reshape(len(samples.inputs), -1), samples.labels

    def predict_each(fit_rows: NDArray[np.int64], validation_rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        machines = (_fit_machine(c, inputs[fit_rows], labels[fit_rows]) for c in settings.c_values)
        return [machine.predict(inputs[validation_rows]) for machine in machines]

    best = choose_by_uf1(settings.c_values, predict_each, samples, settings.inner_folds)
    return _unfold(_fit_machine(best, inputs, labels), samples, f"C={best:g}")


def _fit_machine(c: float, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Pipeline | DummyClassifier:
    """Fit a machine. If the rows of an inner fold have one class only, always predict that class."""
    if len(np.unique(labels)) == 1:
        return DummyClassifier().fit(inputs, labels)
    machine = make_pipeline(StandardScaler(), SVC(kernel="linear", C=c, class_weight="balanced", break_ties=True))
    return machine.fit(inputs, labels)


def _unfold(machine: Pipeline, samples: Samples, chosen: str) -> FittedSvm:
    """Turn a fitted scaler and machine into weights of raw pixels."""
    scaler, svc = machine[0], machine[1]
    weight = svc.coef_ / scaler.scale_  # (M, P)
    bias = svc.intercept_ - weight @ scaler.mean_
    sign = -1.0 if len(svc.classes_) == 2 else 1.0  # with two classes, scikit-learn reverses the sign of the margin
    return FittedSvm(
        weight=sign * weight,
        bias=sign * bias,
        present=svc.classes_.astype(np.int64),
        classes=len(samples.classes),
        shape=samples.inputs.shape[1:],
        chosen=chosen,
    )


LINEAR_SVM = Estimator(
    settings=LinearSvmSettings, presets={"default": {}}, make_inputs=_make_inputs, fit=_fit, restore=_restore
)
