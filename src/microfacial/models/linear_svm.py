"""Linear support vector machine on flow pixels: the bar that a deep model has to clear.

Input `(N, 3, s, s)`: u, v and strain of onset→apex over the whole face, standardised on the training part.

Source: Cortes & Vapnik, Machine Learning 1995, doi:10.1007/BF00994018; as a baseline on flow maps: Varanka et al.,
Data Leakage and Evaluation Issues in Micro-Expression Analysis, arXiv:2211.11425.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import softmax
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from microfacial.models.base import Estimator
from microfacial.models.inner_cv import Rows, choose_by_uf1, require_two_classes
from microfacial.models.inputs import full_face
from microfacial.records import FaceStore, History, Inputs, Samples, TrainingData
from microfacial.settings import Section

Strength = Annotated[float, Field(gt=0)]
Floats = NDArray[np.float64]


class LinearSvmSettings(Section):
    """`models.linear_svm` of params.yaml."""

    input_px: int = Field(28, ge=4)
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"strengths": "c_values"})

    c_values: tuple[Strength, ...] = Field(  # candidates for C
        (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), strict=False, min_length=1
    )
    inner_folds: int = Field(10, ge=2)  # groups of subjects that choose C


@dataclass(frozen=True)
class FittedSvm:
    """Machines of one fold, one for each pair of the classes in `present` `(k,)`, k(k−1)/2 = M of them.

    `weight` `(M, P)` and `bias` `(M,)` are of pixels as they come: the scaler is folded into them. A positive margin
    speaks for the first class of a pair. `shape` is that of one sample. A class that the fold lacks keeps probability
    0.
    """

    weight: Floats
    bias: Floats
    present: NDArray[np.int64]
    classes: int
    shape: tuple[int, ...]
    chosen: str
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Softmax over votes, `(n, K)`: they rank classes as the machine does, but are not calibrated."""
        margins = inputs.reshape(len(inputs), -1).astype(np.float64) @ self.weight.T + self.bias
        probabilities = np.zeros((len(inputs), self.classes))
        probabilities[:, self.present] = softmax(_vote(margins, len(self.present)), axis=1)
        return probabilities

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """The machines, and what they are for."""
        return {
            "weight": self.weight,
            "bias": self.bias,
            "present": self.present,
            "classes": np.array(self.classes),
            "shape": np.array(self.shape, dtype=np.int64),
            "chosen": np.array(self.chosen),
        }


def restore(settings: LinearSvmSettings, arrays: Mapping[str, NDArray[Any]]) -> FittedSvm:
    """The machines that wrote a checkpoint."""
    return FittedSvm(
        weight=arrays["weight"],
        bias=arrays["bias"],
        present=arrays["present"],
        classes=int(arrays["classes"]),
        shape=tuple(arrays["shape"].tolist()),
        chosen=str(arrays["chosen"]),
    )


def _vote(margins: Floats, classes: int) -> Floats:
    """What speaks for each class, `(n, k)`, from margins `(n, M)` of all pairs: votes, and among equal votes, margins.

    Of two classes the margin itself speaks, for one and against the other.
    """
    if classes == 2:
        return np.concatenate([margins, -margins], axis=1)
    votes, sums = np.zeros((2, len(margins), classes))
    for margin, (first, second) in zip(margins.T, combinations(range(classes), 2), strict=True):
        votes[:, first] += margin >= 0
        votes[:, second] += margin < 0
        sums[:, first] += margin
        sums[:, second] -= margin
    # Less than half a vote, so that margins decide among equals only.
    return np.asarray(votes + sums / (3 * (np.abs(sums) + 1)))


def make_inputs(store: FaceStore, settings: LinearSvmSettings) -> Inputs:
    """Whole-face motion, `(N, 3, input_px, input_px)`."""
    return full_face(store, settings.input_px)


def fit(known: TrainingData, settings: LinearSvmSettings) -> FittedSvm:
    """Choose C by pooled UF1 over groups of known subjects, then fit on all of them.

    Raises:
        ProtocolError: the known rows have one class only.
    """
    samples = known.samples
    require_two_classes(samples, "linear_svm")
    inputs, labels = samples.inputs.reshape(len(samples.inputs), -1), samples.labels

    def guess(rows: Rows, asked: Rows) -> list[NDArray[np.int64]]:
        machines = (_fit_machine(strength, inputs[rows], labels[rows]) for strength in settings.c_values)
        return [machine.predict(inputs[asked]) for machine in machines]

    best = choose_by_uf1(settings.c_values, guess, samples, settings.inner_folds)
    return _unfold(_fit_machine(best, inputs, labels), samples, f"C={best:g}")


def _fit_machine(strength: float, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Pipeline | DummyClassifier:
    """A fitted machine; where an inner part has one class only, that class for every input."""
    if len(np.unique(labels)) == 1:
        return DummyClassifier().fit(inputs, labels)
    machine = make_pipeline(
        StandardScaler(), SVC(kernel="linear", C=strength, class_weight="balanced", break_ties=True)
    )
    return machine.fit(inputs, labels)


def _unfold(machine: Pipeline, samples: Samples, chosen: str) -> FittedSvm:
    """A fitted scaler and machine as weights of pixels."""
    scaler, svc = machine[0], machine[1]
    weight = svc.coef_ / scaler.scale_  # (M, P)
    bias = svc.intercept_ - weight @ scaler.mean_
    sign = -1.0 if len(svc.classes_) == 2 else 1.0  # of two classes alone, scikit-learn turns the margin round
    return FittedSvm(
        weight=sign * weight,
        bias=sign * bias,
        present=svc.classes_.astype(np.int64),
        classes=len(samples.classes),
        shape=samples.inputs.shape[1:],
        chosen=chosen,
    )


LINEAR_SVM = Estimator(
    settings=LinearSvmSettings, presets={"default": {}}, make_inputs=make_inputs, fit=fit, restore=restore
)
