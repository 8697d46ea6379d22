import numpy as np
import pytest
from numpy.testing import assert_allclose

from microfacial.datasets.label_schemes import SCHEMES
from microfacial.inference.choose_model import as_answering
from microfacial.inference.predict import TrainedModel
from microfacial.inference.temperature import (
    LIMITS,
    apply_temperature,
    choose_temperature,
    fit_temperature,
    log_loss,
)
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import FloatArray, Predictions
from microfacial.settings import Section


def predictions_of(probabilities: FloatArray, truth: list[int], subjects: list[str]) -> Predictions:
    clips = np.array([f"clip {number}" for number in range(len(truth))])
    return Predictions(
        model="mlp",
        protocol="loso",
        classes=("x", "y"),
        clips=clips,
        subjects=np.array(subjects),
        truth=np.array(truth),
        predicted=probabilities.argmax(axis=1)[None],
        probabilities=probabilities[None],
    )


def test_the_fit_finds_the_temperature_that_probabilities_lack() -> None:
    random = np.random.default_rng(0)
    honest = random.dirichlet((0.5, 0.5, 0.5), 4000)
    truth = (random.random((4000, 1)) > honest.cumsum(axis=1)).sum(axis=1)
    overconfident = apply_temperature(honest, 1 / 1.7)
    temperature = fit_temperature(overconfident, truth)
    assert temperature == pytest.approx(1.7, rel=0.06)
    assert log_loss(temperature, overconfident, truth) < log_loss(1.0, overconfident, truth)


def test_a_temperature_keeps_the_order_and_the_sum() -> None:
    given = np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]])
    calibrated = apply_temperature(given, 2.0)
    assert_allclose(calibrated.sum(axis=1), 1.0)
    assert_allclose(calibrated[0], np.sqrt(given[0]) / np.sqrt(given[0]).sum())
    assert_allclose(calibrated[1], [0.0, 0.5, 0.5], atol=1e-12)
    assert apply_temperature(given, 1.0) is given


@pytest.mark.parametrize(("right", "expected"), [(True, LIMITS[0]), (False, LIMITS[1])])
def test_clips_that_are_all_right_or_all_wrong_give_a_limit(right: bool, expected: float) -> None:
    probabilities = np.tile([0.9, 0.1], (5, 1))
    assert fit_temperature(probabilities, np.full(5, 0 if right else 1)) == pytest.approx(expected, abs=0.002)
    assert LIMITS[0] <= fit_temperature(np.tile([1.0, 0.0], (5, 1)), np.zeros(5, np.int64)) <= LIMITS[1]


def test_a_temperature_that_helps_other_subjects_is_chosen() -> None:
    probabilities = np.tile([0.99, 0.01], (40, 1))
    truth, subjects = [0, 0, 0, 1] * 10, [f"s{number // 4}" for number in range(40)]
    chosen = choose_temperature(predictions_of(probabilities, truth, subjects))
    assert chosen == fit_temperature(probabilities, np.array(truth))
    assert chosen > 2.0


@pytest.mark.parametrize("subjects", [["s1", "s2"], ["s1", "s1"]])
def test_a_temperature_that_other_subjects_contradict_is_not_chosen(subjects: list[str]) -> None:
    probabilities = np.array([[0.7, 0.3], [0.7, 0.3]])
    assert choose_temperature(predictions_of(probabilities, [0, 1], subjects)) == 1.0


@pytest.mark.parametrize(("temperature", "words"), [(None, "only registered"), (1.0, "did not improve"), (1.5, "1.5")])
def test_the_note_says_how_probabilities_were_calibrated(temperature: float | None, words: str) -> None:
    model = TrainedModel(
        model="mlp",
        classes=("x", "y"),
        settings=Section(),
        faces=FacesConfig(),
        flow=FlowConfig(),
        shape=(1,),
        fitted=(),
        temperature=temperature,
    )
    answering = as_answering(model, "a bundle", None)
    assert words in answering.note.calibration
    assert answering.temperature == (temperature or 1.0)


@pytest.mark.parametrize(("scheme", "named"), [("casme2-4", "casme2-4"), ("megc2019-3", ""), ("4dme-3", "")])
def test_the_note_names_a_scheme_only_if_no_other_has_the_same_classes(scheme: str, named: str) -> None:
    model = TrainedModel(
        model="mlp",
        classes=SCHEMES[scheme].classes,
        settings=Section(),
        faces=FacesConfig(),
        flow=FlowConfig(),
        shape=(1,),
        fitted=(),
    )
    assert as_answering(model, "a bundle", None).note.scheme == named
