"""Logistic regression on principal components of the whole face's motion, and of its mirror image.

    (N, 3, s, s) ─▶ standardise ─▶ 60 principal components ─▶ (N, K)

Known faces are joined by their mirror images before anything is fitted. The problem is then the same in a mirror, and
having one solution only, so is that: a face and its mirror image get the same chances without averaging the two. As a
function of pixels the model is linear: one weight a pixel and class.

Source: Cox, Journal of the Royal Statistical Society B 1958, doi:10.1111/j.2517-6161.1958.tb00292.x; principal
components of whole faces, Turk & Pentland, Journal of Cognitive Neuroscience 1991, doi:10.1162/jocn.1991.3.1.71.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from microfacial.models.base import Estimator
from microfacial.models.inner_cv import Rows, choose_by_uf1, require_two_classes
from microfacial.models.inputs import full_face
from microfacial.records import FaceStore, History, Inputs, Samples, TrainingData
from microfacial.settings import Section

Strength = Annotated[float, Field(gt=0)]
Floats = NDArray[np.float64]


class LogisticRegressionSettings(Section):
    """`models.logistic_regression` of params.yaml."""

    input_px: int = Field(28, ge=4)
    components: int = Field(60, ge=1)  # fewer where there are fewer rows or pixels
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"strengths": "c_values"})

    c_values: tuple[Strength, ...] = Field((1e-4, 1e-3, 1e-2, 1e-1, 1.0), strict=False, min_length=1)  # candidates, C
    inner_folds: int = Field(10, ge=2)  # groups of subjects that choose C


@dataclass(frozen=True)
class FittedRegression:
    """Weights of pixels `(K, P)` and of the constant `(K,)`, −∞ for a class that the fold lacks.

    `shape` is that of one sample.
    """

    weight: Floats
    bias: Floats
    shape: tuple[int, ...]
    chosen: str
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Probabilities `(n, K)`, the same for a face and its mirror image."""
        return np.asarray(softmax(_flatten(inputs) @ self.weight.T + self.bias, axis=1))

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """The weights, and what they are for."""
        shape, chosen = np.array(self.shape, dtype=np.int64), np.array(self.chosen)
        return {"weight": self.weight, "bias": self.bias, "shape": shape, "chosen": chosen}


def restore(settings: LogisticRegressionSettings, arrays: Mapping[str, NDArray[Any]]) -> FittedRegression:
    """The weights that wrote a checkpoint."""
    shape, chosen = tuple(arrays["shape"].tolist()), str(arrays["chosen"])
    return FittedRegression(arrays["weight"], arrays["bias"], shape, chosen)


def make_inputs(store: FaceStore, settings: LogisticRegressionSettings) -> Inputs:
    """Whole-face motion, `(N, 3, input_px, input_px)`."""
    return full_face(store, settings.input_px)


def fit(known: TrainingData, settings: LogisticRegressionSettings) -> FittedRegression:
    """Choose C by pooled UF1 over groups of known subjects, then fit on all of them.

    Raises:
        ProtocolError: the known rows have one class only.
    """
    samples = known.samples
    require_two_classes(samples, "logistic_regression")

    def guess(rows: Rows, asked: Rows) -> list[NDArray[np.int64]]:
        fitted = _fit_each(samples.take(rows), settings.c_values, settings.components)
        return [one.predict(samples.inputs[asked]).argmax(axis=1) for one in fitted]

    best = choose_by_uf1(settings.c_values, guess, samples, settings.inner_folds)
    return _fit_each(samples, [best], settings.components)[0]


def _fit_each(samples: Samples, strengths: Sequence[float], components: int) -> list[FittedRegression]:
    """One regression for each C, on the same components of faces and their mirror images."""
    faces = np.concatenate([_flatten(samples.inputs), _flatten(_mirror(samples.inputs))])  # (2n, P)
    labels = np.tile(samples.labels, 2)
    scaler = StandardScaler().fit(faces)
    standard = scaler.transform(faces)
    axes = PCA(min(components, *faces.shape), svd_solver="full").fit(standard)
    coordinates = axes.transform(standard)
    fitted = []
    for strength in strengths:
        slopes, constants = _regress(coordinates, labels, len(samples.classes), strength)
        weight = slopes @ axes.components_ / scaler.scale_
        bias = constants - weight @ scaler.mean_ - slopes @ axes.components_ @ axes.mean_
        fitted.append(FittedRegression(weight, bias, samples.inputs.shape[1:], f"C={strength:g}"))
    return fitted


def _regress(coordinates: Floats, labels: NDArray[np.int64], classes: int, strength: float) -> tuple[Floats, Floats]:
    """Slopes `(K, D)` and constants `(K,)` on coordinates `(n, D)`; where all labels agree, that class everywhere."""
    slopes, constants = np.zeros((classes, coordinates.shape[1])), np.full(classes, -np.inf)
    present = np.unique(labels)
    constants[present] = 0.0
    if len(present) > 1:
        machine = LogisticRegression(C=strength, class_weight="balanced", solver="newton-cholesky")
        machine.fit(coordinates, labels)
        fitted = present[1:] if len(present) == 2 else present  # of two classes, the second is told from the first
        slopes[fitted], constants[fitted] = machine.coef_, machine.intercept_
    return slopes, constants


def _flatten(inputs: NDArray[np.float32]) -> Floats:
    return inputs.reshape(len(inputs), -1).astype(np.float64)


def _mirror(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Faces `(n, 3, s, s)` as a mirror shows them: motion to the right becomes motion to the left."""
    mirrored = inputs[..., ::-1].copy()
    mirrored[:, 0] *= -1
    return mirrored


LOGISTIC_REGRESSION = Estimator(
    settings=LogisticRegressionSettings, presets={"default": {}}, make_inputs=make_inputs, fit=fit, restore=restore
)
