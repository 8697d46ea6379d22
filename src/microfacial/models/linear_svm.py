"""Linear support vector machine on flow pixels: the bar that a deep model has to clear.

Input `(N, 3, s, s)`: u, v and strain of onset→apex over the whole face, standardised on the training part.

Source: Cortes & Vapnik, Machine Learning 1995, doi:10.1007/BF00994018; as a baseline on flow maps: Varanka et al.,
Data Leakage and Evaluation Issues in Micro-Expression Analysis, arXiv:2211.11425.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import softmax
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from microfacial.models.contract import Estimator
from microfacial.models.inner_choice import Rows, choose_by_uf1, require_two_classes
from microfacial.records import FaceStore, History, Inputs, Known
from microfacial.samples import full_face
from microfacial.settings import Section

Strength = Annotated[float, Field(gt=0)]


class LinearSvmSettings(Section):
    """`models.linear_svm` of params.yaml."""

    input_px: int = Field(28, ge=4)
    strengths: tuple[Strength, ...] = Field(  # candidates for C
        (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), strict=False, min_length=1
    )
    inner_folds: int = Field(10, ge=2)  # groups of subjects that choose C


@dataclass(frozen=True)
class FittedSvm:
    """Scaler and machine of one fold. A class that the fold lacks keeps probability 0."""

    pipeline: Pipeline
    classes: int
    chosen: str
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Softmax over decision values, `(n, K)`: they rank classes as the machine does, but are not calibrated."""
        margins = self.pipeline.decision_function(inputs.reshape(len(inputs), -1))
        if margins.ndim == 1:
            margins = np.stack([-margins, margins], axis=1)
        probabilities = np.zeros((len(inputs), self.classes))
        probabilities[:, self.pipeline.classes_] = softmax(margins, axis=1)
        return probabilities

    def checkpoint(self) -> dict[str, NDArray[np.float64]]:
        """Nothing: a machine is fitted again in seconds."""
        return {}


def make_inputs(store: FaceStore, settings: LinearSvmSettings) -> Inputs:
    """Whole-face motion, `(N, 3, input_px, input_px)`."""
    return full_face(store, settings.input_px)


def fit(known: Known, settings: LinearSvmSettings) -> FittedSvm:
    """Choose C by pooled UF1 over groups of known subjects, then fit on all of them.

    Raises:
        ProtocolError: the known rows have one class only.
    """
    samples = known.samples
    require_two_classes(samples, "linear_svm")
    inputs, labels = samples.inputs.reshape(len(samples.inputs), -1), samples.labels

    def guess(rows: Rows, asked: Rows) -> list[NDArray[np.int64]]:
        machines = (_fit_machine(strength, inputs[rows], labels[rows]) for strength in settings.strengths)
        return [machine.predict(inputs[asked]) for machine in machines]

    best = choose_by_uf1(settings.strengths, guess, samples, settings.inner_folds)
    return FittedSvm(_fit_machine(best, inputs, labels), len(samples.classes), f"C={best:g}")


def _fit_machine(strength: float, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Pipeline | DummyClassifier:
    """A fitted machine; where an inner part has one class only, that class for every input."""
    if len(np.unique(labels)) == 1:
        return DummyClassifier().fit(inputs, labels)
    machine = make_pipeline(
        StandardScaler(), SVC(kernel="linear", C=strength, class_weight="balanced", break_ties=True)
    )
    return machine.fit(inputs, labels)


LINEAR_SVM = Estimator(settings=LinearSvmSettings, presets={"default": {}}, make_inputs=make_inputs, fit=fit)
