from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from variants import training_data

from microfacial.models import linear_svm
from microfacial.models.inner_cv import PredictEach
from microfacial.models.linear_svm import LINEAR_SVM, LinearSvmSettings
from microfacial.records import Samples, TrainingData


def reference(c: float) -> Pipeline:
    """Return a machine that computes its own linear kernel."""
    machine = SVC(kernel="linear", C=c, class_weight="balanced", break_ties=True)
    return make_pipeline(StandardScaler(), machine)


def whole_samples(inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Samples:
    """Return samples with one subject per pair of rows."""
    rows = np.arange(len(labels))
    return Samples(
        inputs=inputs,
        labels=labels,
        subjects=np.array([f"a/{row // 2}" for row in rows]),
        corpora=np.repeat("a", len(rows)),
        clips=rows.astype(str),
        active=np.zeros((len(rows), 0), dtype=np.bool_),
        classes=tuple("wxyz"[: labels.max() + 1]),
    )


@pytest.mark.parametrize("present", [(0, 1, 2), (0, 2), (1, 2)])
def test_predictions_match_the_machine_of_scikit_learn(samples: Samples, present: tuple[int, ...]) -> None:
    fit_samples = samples.take(np.flatnonzero(np.isin(samples.labels, present)))
    fitted = LINEAR_SVM.fit(
        TrainingData(samples=fit_samples, validation_fold=np.zeros(len(fit_samples.labels), dtype=np.int64), seed=0),
        LinearSvmSettings(c_values=(0.01,), inner_folds=2),
    )
    machine = make_pipeline(
        StandardScaler(), SVC(kernel="linear", C=0.01, class_weight="balanced", break_ties=len(present) > 2)
    )
    machine.fit(fit_samples.inputs.reshape(len(fit_samples.labels), -1), fit_samples.labels)
    flat = samples.inputs.reshape(len(samples.inputs), -1)
    margins = machine.decision_function(flat)
    expected = np.zeros((len(flat), 3))
    expected[:, present] = softmax(margins if margins.ndim == 2 else np.stack([-margins, margins], axis=1), axis=1)
    assert fitted.predict(samples.inputs) == pytest.approx(expected, abs=1e-6)  # the scaler computes in float32
    assert np.array_equal(fitted.predict(samples.inputs).argmax(1), machine.predict(flat))


def test_c_is_the_best_over_groups_of_training_subjects(samples: Samples) -> None:
    candidates = (1e-4, 1e-3, 1e-2, 1e-1)
    training = samples.take(np.arange(24))
    flat = training.inputs.reshape(24, -1)

    def inner_score(c: float) -> float:
        machine = make_pipeline(StandardScaler(), SVC(kernel="linear", C=c, class_weight="balanced"))
        predicted = cross_val_predict(machine, flat, training.labels, groups=training.subjects, cv=GroupKFold(2))
        return float(f1_score(training.labels, predicted, average="macro"))

    fitted = LINEAR_SVM.fit(training_data(samples), LinearSvmSettings(c_values=candidates, inner_folds=2))
    assert fitted.chosen == f"C={max(candidates, key=inner_score):g}"


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_a_shared_kernel_gives_the_predictions_of_the_machine_with_a_linear_kernel(
    classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, candidates = np.random.default_rng(1), (3e-5, 1e-3, 1e-1)
    labels = random.choice(classes, 60, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    inputs = (random.normal(size=(60, 3, 8, 8)) + 0.1 * labels[:, None, None, None]).astype(np.float32)
    faces, flat = whole_samples(inputs, labels), inputs.reshape(60, -1)
    fit_rows, validation_rows = np.arange(40), np.arange(40, 60)
    inner: list[Sequence[NDArray[np.int64]]] = []

    def predict_once(_: object, predict_each: PredictEach, *__: object) -> float:
        inner.append(predict_each(fit_rows, validation_rows))
        return candidates[1]

    monkeypatch.setattr(linear_svm, "choose_by_uf1", predict_once)
    fitted = LINEAR_SVM.fit(training_data(faces, 60), LinearSvmSettings(c_values=candidates))
    for c, predicted in zip(candidates, inner[0], strict=True):
        assert np.array_equal(
            predicted, reference(c).fit(flat[fit_rows], labels[fit_rows]).predict(flat[validation_rows])
        )
    machine = reference(candidates[1]).fit(flat, labels)
    standard, svc = machine[0], machine[1]
    weight = svc.coef_ / standard.scale_ * (-1 if classes == 2 else 1)
    assert np.allclose(fitted.checkpoint()["weight"], weight, rtol=1e-9, atol=1e-12)


def test_nothing_is_standardised_on_rows_that_are_predicted(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted_rows: list[NDArray[np.float32]] = []

    class Recorder(StandardScaler):  # type: ignore[misc]
        def fit(self, rows: NDArray[np.float32]) -> StandardScaler:
            fitted_rows.append(rows)
            return super().fit(rows)

    monkeypatch.setattr("sklearn.preprocessing.StandardScaler", Recorder)
    training = samples.take(np.arange(24))
    LINEAR_SVM.fit(training_data(samples), LinearSvmSettings(inner_folds=3))
    flat = training.inputs.reshape(24, -1)
    folds = GroupKFold(3).split(training.labels, training.labels, training.subjects)
    expected = [*(flat[fit_rows] for fit_rows, _ in folds), flat]
    assert all(map(np.array_equal, fitted_rows, expected))
    assert len(fitted_rows) == len(expected)


def test_an_inner_fold_with_one_class_predicts_that_class(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    faces = whole_samples(np.random.default_rng(0).normal(size=(6, 3, 4, 4)).astype(np.float32), labels)
    inner: list[Sequence[NDArray[np.int64]]] = []

    def predict_once(candidates: Sequence[float], predict_each: PredictEach, *_: object) -> float:
        inner.append(predict_each(np.arange(4), np.array([4, 5])))
        return candidates[0]

    monkeypatch.setattr(linear_svm, "choose_by_uf1", predict_once)
    LINEAR_SVM.fit(training_data(faces, 6), LinearSvmSettings(c_values=(1e-3, 1e-2)))
    assert [predicted.tolist() for predicted in inner[0]] == [[0, 0], [0, 0]]
