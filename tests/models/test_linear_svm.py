import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from variants import training_data

from microfacial.models.linear_svm import LINEAR_SVM, LinearSvmSettings
from microfacial.records import Samples, TrainingData


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
