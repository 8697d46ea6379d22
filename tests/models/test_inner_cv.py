from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from microfacial.errors import ProtocolError
from microfacial.models import MODELS, Estimator
from microfacial.models.inner_cv import choose_by_uf1
from microfacial.records import Samples, TrainingData

every_tuned_estimator = pytest.mark.parametrize("name", ["linear_svm", "logistic_regression"])


def estimator(name: str) -> Estimator[Any]:
    variant = MODELS[name]
    assert isinstance(variant, Estimator)
    return variant


@every_tuned_estimator
def test_an_inner_fold_with_one_class_is_allowed(name: str, whole_faces: Samples) -> None:
    labels = whole_faces.labels
    rows = np.concatenate([np.flatnonzero(labels == 0)[:6], np.flatnonzero(labels == 1)[:6]])
    split = replace(whole_faces.take(rows), subjects=np.repeat(["a", "b"], 6))
    data = TrainingData(samples=split, validation_fold=np.zeros(12, dtype=np.int64), seed=0)
    probabilities = estimator(name).fit(data, estimator(name).settings()).predict(whole_faces.inputs)
    assert np.allclose(probabilities.sum(axis=1), 1)


@every_tuned_estimator
def test_training_rows_of_a_single_class_are_refused(name: str, whole_faces: Samples) -> None:
    rows = np.flatnonzero(whole_faces.labels == 1)
    data = TrainingData(samples=whole_faces.take(rows), validation_fold=np.zeros(len(rows), dtype=np.int64), seed=0)
    with pytest.raises(ProtocolError, match=f"^{name}: .* y"):
        estimator(name).fit(data, estimator(name).settings())


def test_validation_subjects_are_not_fitted_and_the_first_of_equal_candidates_wins(whole_faces: Samples) -> None:
    samples = whole_faces
    validated: list[int] = []

    def predict_each(fit_rows: NDArray[np.int64], validation_rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        assert not set(samples.subjects[fit_rows]) & set(samples.subjects[validation_rows])
        validated.extend(validation_rows)
        truth = samples.labels[validation_rows]
        return [np.zeros(len(validation_rows), dtype=np.int64), truth, truth]

    assert choose_by_uf1((1.0, 2.0, 3.0), predict_each, samples, 4) == 2.0
    assert sorted(validated) == list(range(25))
