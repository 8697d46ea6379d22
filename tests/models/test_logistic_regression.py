from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from variants import training_data

from microfacial.models.logistic_regression import LOGISTIC_REGRESSION, LogisticRegressionSettings
from microfacial.records import FloatArray, Samples


def mirror(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.flip(inputs, axis=3) * np.array([-1, 1, 1], dtype=np.float32)[:, None, None]


def reference(samples: Samples, c: float, components: int) -> Pipeline:
    """Fit the same regression with a pipeline of scikit-learn and other solvers."""
    both = np.concatenate([samples.inputs, mirror(samples.inputs)])
    machine = LogisticRegression(C=c, class_weight="balanced", tol=1e-10, max_iter=10_000)
    pipeline = make_pipeline(StandardScaler(), PCA(components, svd_solver="arpack", random_state=0), machine)
    return pipeline.fit(both.reshape(len(both), -1).astype(np.float64), np.concatenate([samples.labels] * 2))


def expected_probabilities(pipeline: Pipeline, inputs: NDArray[np.float32]) -> FloatArray:
    views = [pipeline.predict_proba(view.reshape(len(view), -1)) for view in (inputs, mirror(inputs))]
    return np.asarray((views[0] + views[1]) / 2)


def test_probabilities_match_scikit_learn_on_faces_and_their_mirror_images(whole_faces: Samples) -> None:
    settings = LogisticRegressionSettings(c_values=(0.01,), components=10, inner_folds=2)
    fitted = LOGISTIC_REGRESSION.fit(training_data(whole_faces), settings)
    expected = expected_probabilities(reference(whole_faces.take(np.arange(24)), 0.01, 10), whole_faces.inputs)
    assert np.allclose(fitted.predict(whole_faces.inputs), expected, atol=1e-4)  # the tolerance of the solvers


@pytest.mark.parametrize(("rows", "side"), [(24, 16), (25, 4), (24, 5)])  # fewer and more rows than pixels
@pytest.mark.parametrize("components", [1, 12, 60])
def test_even_parts_alone_give_the_probabilities_of_all_faces_and_mirror_images(
    whole_faces: Samples, rows: int, side: int, components: int
) -> None:
    samples = replace(whole_faces, inputs=np.ascontiguousarray(whole_faces.inputs[..., :side, :side]))
    fitted = LOGISTIC_REGRESSION.fit(
        training_data(samples, rows), LogisticRegressionSettings(c_values=(0.1,), components=components, inner_folds=2)
    )
    faces = samples.inputs[:rows]
    flat = np.concatenate([faces, mirror(faces)]).reshape(2 * rows, -1).astype(np.float64)
    machine = LogisticRegression(C=0.1, class_weight="balanced", solver="newton-cholesky")
    axes = PCA(min(components, *flat.shape), svd_solver="full")
    pipeline = make_pipeline(StandardScaler(), axes, machine).fit(flat, np.tile(samples.labels[:rows], 2))
    assert np.allclose(fitted.predict(faces), pipeline.predict_proba(flat[:rows]), rtol=0, atol=1e-10)


def test_a_class_that_does_not_occur_has_the_probability_zero(whole_faces: Samples) -> None:
    settings = LogisticRegressionSettings(c_values=(0.01,), components=8, inner_folds=2)
    fitted = LOGISTIC_REGRESSION.fit(training_data(whole_faces, 16), settings)
    probabilities = fitted.predict(whole_faces.inputs)
    expected = expected_probabilities(reference(whole_faces.take(np.arange(16)), 0.01, 8), whole_faces.inputs)
    assert np.allclose(probabilities[:, :2], expected, atol=1e-4)
    assert not probabilities[:, 2].any()


def test_c_is_the_best_over_groups_of_training_subjects(whole_faces: Samples) -> None:
    samples = whole_faces.take(np.arange(24))
    candidates = (1e-5, 1e-4, 1e-3, 1e-2, 1.0)

    def inner_score(c: float) -> float:
        predicted = np.empty_like(samples.labels)
        for fit_rows, validation_rows in GroupKFold(3).split(samples.inputs, samples.labels, samples.subjects):
            pipeline = reference(samples.take(fit_rows), c, 10)
            columns = expected_probabilities(pipeline, samples.inputs[validation_rows]).argmax(1)
            predicted[validation_rows] = pipeline[-1].classes_[columns]
        return float(f1_score(samples.labels, predicted, average="macro"))

    settings = LogisticRegressionSettings(c_values=candidates, components=10, inner_folds=3)
    fitted = LOGISTIC_REGRESSION.fit(training_data(samples), settings)
    assert fitted.chosen == f"C={max(candidates, key=inner_score):g}"


def test_mirror_images_are_added_only_to_the_rows_that_are_fitted(
    whole_faces: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = whole_faces.take(np.arange(24))
    fitted_rows: list[FloatArray] = []

    class Recorder(StandardScaler):  # type: ignore[misc]
        def fit(self, rows: FloatArray) -> StandardScaler:
            fitted_rows.append(rows)
            return super().fit(rows)

    monkeypatch.setattr("sklearn.preprocessing.StandardScaler", Recorder)
    LOGISTIC_REGRESSION.fit(training_data(samples), LogisticRegressionSettings(c_values=(0.01,), inner_folds=3))
    folds = GroupKFold(3).split(samples.labels, samples.labels, samples.subjects)
    expected = [*(fit_rows for fit_rows, _ in folds), np.arange(24)]
    for rows, numbers in zip(fitted_rows, expected, strict=True):
        faces = samples.inputs[numbers]
        assert np.array_equal(rows, np.concatenate([faces, mirror(faces)]).reshape(2 * len(faces), -1))


def test_a_face_and_its_mirror_image_get_the_same_probabilities(whole_faces: Samples) -> None:
    fitted = LOGISTIC_REGRESSION.fit(training_data(whole_faces), LogisticRegressionSettings(inner_folds=2))
    assert np.allclose(fitted.predict(whole_faces.inputs), fitted.predict(mirror(whole_faces.inputs)), atol=1e-5)
