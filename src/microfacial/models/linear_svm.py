"""Linear support vector machine on the pixels of the flow: the baseline for deep models.

The inputs `(N, 3, s, s)` are u, v and strain of onset→apex over the whole face. They are standardised on the training
rows.

Source: Cortes & Vapnik, Machine Learning 1995, doi:10.1007/BF00994018; as a baseline on flow maps, Varanka et al.,
Data Leakage and Evaluation Issues in Micro-Expression Analysis, arXiv:2211.11425.

Importing scikit-learn takes a second. Only training imports it, because every command reads the settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import softmax

from microfacial.models.base import Estimator
from microfacial.models.inner_cv import choose_by_uf1, require_two_classes
from microfacial.models.inputs import full_face
from microfacial.models.settings import CValue
from microfacial.records import FaceStore, FloatArray, History, Inputs, Samples, TrainingData
from microfacial.settings import Section

if TYPE_CHECKING:
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC


class LinearSvmSettings(Section):
    """`models.linear_svm` in params.yaml."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"strengths": "c_values"})

    input_px: int = Field(28, ge=4, le=512)  # side of the map
    c_values: tuple[CValue, ...] = Field(
        (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), strict=False, min_length=1, max_length=100
    )  # candidates for C
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
        """Return the attributes of this object as arrays, by name."""
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
    """Return the support for each of k classes, `(n, k)`, from the margins of the M pairs of classes, `(n, M)`.

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
    """Return u, v and strain of the whole face from onset to apex, `(N, 3, input_px, input_px)`, for N clips."""
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
        fit_labels = labels[fit_rows]
        if (fit_labels == fit_labels[0]).all():
            return [np.full(len(validation_rows), fit_labels[0])] * len(settings.c_values)
        standard = _StandardRows.of(inputs[fit_rows])
        products = standard.products_with(inputs[validation_rows])
        return [standard.fit_machine(c, fit_labels).predict(products) for c in settings.c_values]

    best = choose_by_uf1(settings.c_values, predict_each, samples, settings.inner_folds)
    standard = _StandardRows.of(inputs)
    return _unfold(standard, standard.fit_machine(best, labels), samples, f"C={best:g}")


@dataclass(frozen=True)
class _StandardRows:
    """The n rows of one fit, standardised on themselves, and their kernel.

    The kernel is one matrix product, and the machines of all strengths share it. Without it, libsvm computes each value
    by itself, again for each strength and each pair of classes. That takes most of the time of a fit.

    Attributes:
        scaler: computes in float32, like its inputs.
        rows: standardised rows, `(n, P)` float64.
        kernel: inner products of the rows, `(n, n)` float64.
    """

    scaler: "StandardScaler"
    rows: FloatArray
    kernel: FloatArray

    @classmethod
    def of(cls, inputs: NDArray[np.float32]) -> Self:
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(inputs)
        rows = scaler.transform(inputs).astype(np.float64)
        return cls(scaler, rows, rows @ rows.T)

    def products_with(self, inputs: NDArray[np.float32]) -> FloatArray:
        """Return the inner products of m other inputs with the rows, `(m, n)`."""
        products: FloatArray = self.scaler.transform(inputs).astype(np.float64) @ self.rows.T
        return products

    def fit_machine(self, c: float, labels: NDArray[np.int64]) -> "SVC":
        from sklearn.svm import SVC

        machine = SVC(kernel="precomputed", C=c, class_weight="balanced", break_ties=True)
        return machine.fit(self.kernel, labels)


def _unfold(standard: _StandardRows, machine: "SVC", samples: Samples, chosen: str) -> FittedSvm:
    """Turn a fitted machine into weights of raw pixels."""
    weight = _dual_weights(machine) @ standard.rows[machine.support_] / standard.scaler.scale_  # (M, P)
    bias = machine.intercept_ - weight @ standard.scaler.mean_
    sign = -1.0 if len(machine.classes_) == 2 else 1.0  # with two classes, scikit-learn reverses the sign of the margin
    return FittedSvm(
        weight=sign * weight,
        bias=sign * bias,
        present=machine.classes_.astype(np.int64),
        classes=len(samples.classes),
        shape=samples.inputs.shape[1:],
        chosen=chosen,
    )


def _dual_weights(machine: "SVC") -> FloatArray:
    """Return the weight of each of the V support vectors in the machines of the M pairs of classes, `(M, V)`.

    libsvm sorts support vectors by class, and leaves out the class itself in the list of opponents of each class. So a
    column of `dual_coef_`, `(k − 1, V)`, has the weights against the other classes in ascending order.
    """
    classes = len(machine.classes_)
    owner = np.repeat(np.arange(classes), machine.n_support_)  # class of each support vector
    weights = np.zeros((classes * (classes - 1) // 2, len(owner)))
    for weight, (first, second) in zip(weights, combinations(range(classes), 2), strict=True):
        weight[owner == first] = machine.dual_coef_[second - 1, owner == first]
        weight[owner == second] = machine.dual_coef_[first, owner == second]
    return weights


LINEAR_SVM = Estimator(
    settings=LinearSvmSettings,
    presets={"default": {}},
    make_inputs=_make_inputs,
    fit=_fit,
    restore=_restore,
    ignores_seed=True,
)
