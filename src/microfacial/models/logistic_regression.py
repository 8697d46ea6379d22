"""Logistic regression on principal components of the whole face's motion, and of its mirror image.

    (N, 3, s, s) ─▶ standardise ─▶ 60 principal components ─▶ (N, K)

The mirror images of the training faces are added before anything is fitted. The problem is then symmetric, and because
it has only one solution, the solution is symmetric too: a face and its mirror image get the same probabilities, without
averaging the two. The model is linear in the pixels: one weight per pixel and class.

Source: Cox, Journal of the Royal Statistical Society B 1958, doi:10.1111/j.2517-6161.1958.tb00292.x; principal
components of whole faces, Turk & Pentland, Journal of Cognitive Neuroscience 1991, doi:10.1162/jocn.1991.3.1.71.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import eigh
from scipy.special import softmax

from microfacial.models.base import Estimator
from microfacial.models.inner_cv import choose_by_uf1, require_two_classes
from microfacial.models.inputs import full_face
from microfacial.models.mirror import mirror_image
from microfacial.models.settings import CValue
from microfacial.records import FaceStore, FloatArray, History, Inputs, Samples, TrainingData
from microfacial.settings import Section

_LEAST_STRENGTH = 1e-12  # eigenvalues below this share of the largest one are rounding errors


class LogisticRegressionSettings(Section):
    """`models.logistic_regression` in params.yaml."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"strengths": "c_values"})

    input_px: int = Field(28, ge=4, le=512)  # side of the map
    components: int = Field(60, ge=1, le=10_000)  # at most the number of rows and of pixels
    c_values: tuple[CValue, ...] = Field(
        (1e-4, 1e-3, 1e-2, 1e-1, 1.0), strict=False, min_length=1, max_length=100
    )  # candidates for C
    inner_folds: int = Field(10, ge=2, le=1000)  # groups of subjects for the choice of C


_ABSENT = -1e12  # constant of a class that does not occur: its probability is exactly 0, and weights stay finite


@dataclass(frozen=True)
class FittedRegression:
    """A fitted regression.

    Attributes:
        weight: weights of raw pixels, `(K, P)` float64.
        bias: constants, `(K,)` float64. The constant of a class that does not occur in the fold is `_ABSENT`.
        shape: shape of one sample.
        chosen: the chosen C in words.
        history: empty, because the model has no epochs.
    """

    weight: FloatArray
    bias: FloatArray
    shape: tuple[int, ...]
    chosen: str
    history: History = field(default_factory=History)

    def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
        """Return probabilities, which are the same for a face and its mirror image.

        Args:
            inputs: `(n, 3, s, s)` float32.

        Returns:
            `(n, K)`.
        """
        probabilities: FloatArray = softmax(_flatten(inputs) @ self.weight.T + self.bias, axis=1)
        return probabilities

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """Return the attributes of this object as arrays, by name."""
        shape, chosen = np.array(self.shape, dtype=np.int64), np.array(self.chosen)
        return {"weight": self.weight, "bias": self.bias, "shape": shape, "chosen": chosen}


def _restore(settings: LogisticRegressionSettings, arrays: Mapping[str, NDArray[Any]]) -> FittedRegression:
    shape, chosen = tuple(arrays["shape"].tolist()), str(arrays["chosen"])
    return FittedRegression(arrays["weight"], arrays["bias"], shape, chosen)


def _make_inputs(store: FaceStore, settings: LogisticRegressionSettings) -> Inputs:
    """Return u, v and strain of the whole face from onset to apex, `(N, 3, input_px, input_px)`."""
    return full_face(store, settings.input_px)


def _fit(training_data: TrainingData, settings: LogisticRegressionSettings) -> FittedRegression:
    """Choose C by pooled UF1 over groups of training subjects, then fit on all training rows.

    Raises:
        ProtocolError: all training rows have the same class.
    """
    samples = training_data.samples
    require_two_classes(samples, "logistic_regression")

    def predict_each(fit_rows: NDArray[np.int64], validation_rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        regressions = _fit_each(samples.take(fit_rows), settings.c_values, settings.components)
        return [regression.predict(samples.inputs[validation_rows]).argmax(axis=1) for regression in regressions]

    best = choose_by_uf1(settings.c_values, predict_each, samples, settings.inner_folds)
    return _fit_each(samples, [best], settings.components)[0]


def _fit_each(samples: Samples, c_values: Sequence[float], components: int) -> list[FittedRegression]:
    """Fit one regression for each C, on the same components of the faces and their mirror images.

    Each face is the sum of an even part, which its mirror image shares, and an odd part, which has the opposite sign in
    the mirror image. Each principal component is either even or odd. The solution gives the weight 0 to odd components,
    because it is symmetric. So a fit on the even parts alone is the same fit, with half of the rows and twice the C.
    """
    from sklearn.preprocessing import StandardScaler

    faces = _flatten(samples.inputs)
    mirrored = _flatten(mirror_image(torch.from_numpy(samples.inputs), (), "motion").numpy())
    scaler = StandardScaler().fit(np.concatenate([faces, mirrored]))
    faces, mirrored = scaler.transform(faces), scaler.transform(mirrored)
    even = (faces + mirrored) / 2  # (n, P)
    axes = _even_axes(even, (faces - mirrored) / 2, components)  # (D, P)
    coordinates = even @ axes.T
    regressions = []
    for c in c_values:
        slopes, constants = _regress(coordinates, samples.labels, len(samples.classes), 2 * c)
        weight = slopes @ axes / scaler.scale_
        bias = constants - weight @ scaler.mean_
        regressions.append(FittedRegression(weight, bias, samples.inputs.shape[1:], f"C={c:g}"))
    return regressions


def _even_axes(even: FloatArray, odd: FloatArray, components: int) -> FloatArray:
    """Return the D even axes, `(D, P)`, among the first principal axes of faces and mirror images.

    An even axis is its own mirror image. An odd axis is the negative of its mirror image. A face has P numbers.

    Args:
        even: even parts of n standardised faces, `(n, P)`.
        odd: their odd parts, `(n, P)`.
        components: number of principal axes, even and odd together.
    """
    few_rows = len(even) <= even.shape[1]
    products = [part @ part.T if few_rows else part.T @ part for part in (even, odd)]
    count = len(products[0])
    first = (max(0, count - components), count - 1)  # eigenvalues are in ascending order
    strengths, vectors = eigh(products[0], subset_by_index=first)
    odd_strengths = eigh(products[1], subset_by_index=first, eigvals_only=True)
    both = np.sort(np.concatenate([strengths, odd_strengths]))[-components:]
    chosen = strengths >= max(both[0], _LEAST_STRENGTH * both[-1])
    if few_rows:
        return vectors[:, chosen].T @ even / np.sqrt(strengths[chosen, None])
    return vectors[:, chosen].T


def _regress(
    coordinates: FloatArray, labels: NDArray[np.int64], classes: int, c: float
) -> tuple[FloatArray, FloatArray]:
    """Return slopes `(K, D)` and constants `(K,)` of K classes for the D coordinates of n rows, `(n, D)`.

    If the rows have a single class, the constants are such that it is always predicted.
    """
    from sklearn.linear_model import LogisticRegression

    slopes, constants = np.zeros((classes, coordinates.shape[1])), np.full(classes, _ABSENT)
    present = np.unique(labels)
    constants[present] = 0.0
    if len(present) > 1 and coordinates.size:
        machine = LogisticRegression(C=c, class_weight="balanced", solver="newton-cholesky")
        machine.fit(coordinates, labels)
        fitted = present[1:] if len(present) == 2 else present  # with two classes, there is one row for the second
        slopes[fitted], constants[fitted] = machine.coef_, machine.intercept_
    return slopes, constants


def _flatten(inputs: NDArray[np.float32]) -> FloatArray:
    return inputs.reshape(len(inputs), -1).astype(np.float64)


LOGISTIC_REGRESSION = Estimator(
    settings=LogisticRegressionSettings,
    presets={"default": {}},
    make_inputs=_make_inputs,
    fit=_fit,
    restore=_restore,
    ignores_seed=True,
)
