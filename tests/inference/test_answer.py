"""Answers about films."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_films import FPS
from numpy.typing import NDArray

from microfacial.errors import ConfigError
from microfacial.evaluation.experiment import Data
from microfacial.inference.answer import answer_clip
from microfacial.inference.answering_model import PRIOR_TEMPERATURE, AnsweringModel, open_prior
from microfacial.inference.choose_model import open_model
from microfacial.inference.film_answer import FilmAnswer
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import Clip


def test_a_movement_is_found_and_recognised_without_a_project(answer: FilmAnswer) -> None:
    (event,) = answer.events
    assert event.onset < event.apex < event.offset
    assert event.apex == pytest.approx(21, abs=1)
    assert event.apex_s == pytest.approx((event.apex - 1) / FPS)
    assert set(event.probabilities) == {"negative", "positive", "surprise"}
    assert sum(event.probabilities.values()) == pytest.approx(1)
    assert event.label == max(event.probabilities, key=lambda name: event.probabilities[name])
    assert answer.model.name == "motion_prior"


def test_the_answer_as_json_has_the_documented_fields(answer: FilmAnswer) -> None:
    fields = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert fields["schema"] == 1
    assert (fields["frames"], fields["fps"], fields["seconds"]) == (40, FPS, pytest.approx(39 / FPS))
    assert fields["events"][0]["apex"] == answer.events[0].apex
    assert fields["people"][0]["numbers"] == list(range(1, 41))
    assert len(fields["people"][0]["signal"]) == 40


def test_the_prior_names_a_scheme_whose_classes_it_does_not_know() -> None:
    with pytest.raises(ConfigError, match=r"any.* units(?!.*prior_share)"):
        open_prior("units")


def test_given_moments_predict_as_the_stored_flow_does(
    data: Data, clip: Clip, folder: Path, settings: tuple[FacesConfig, FlowConfig]
) -> None:
    prior = open_prior("megc2019-3", *settings)
    expected = prior.probabilities(data.store, calibrated=False)
    answer = answer_clip(folder, prior, clip.onset, clip.apex, clip.offset)
    (event,) = answer.events
    assert event.probabilities == pytest.approx(expected, abs=1e-6)
    assert (event.onset, event.apex, event.offset, event.kind) == (clip.onset, clip.apex, clip.offset, "given")
    assert (event.onset_s, event.score) == (None, None)


def test_a_temperature_below_one_makes_probabilities_more_certain(data: Data, prior: AnsweringModel) -> None:
    plain, calibrated = (prior.probabilities(data.store, calibrated=calibrated) for calibrated in (False, True))
    expected = np.array(list(plain.values())) ** (1 / PRIOR_TEMPERATURE)
    assert list(calibrated.values()) == pytest.approx((expected / expected.sum()).tolist())


def test_the_model_of_a_fold_answers_with_its_classes(
    trained: tuple[Path, NDArray[np.float64]], clip: Clip, folder: Path
) -> None:
    path, expected = trained
    model = open_model(str(path))
    (event,) = answer_clip(folder, model, clip.onset, clip.apex, clip.offset).events
    assert list(event.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert model.note.name == "roi_cnn"
    assert "UF1" in model.note.scores


@pytest.mark.parametrize(("name", "scheme"), [("motion_prior", "casme2-9"), ("bundle", "casme2-4")])
def test_a_scheme_must_exist_and_belongs_to_the_prior(name: str, scheme: str) -> None:
    with pytest.raises(ConfigError, match=scheme):
        open_model(name, scheme)
