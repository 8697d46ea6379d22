import pytest

from microfacial.models.presets import resolve
from microfacial.tuning.candidates import Candidate
from microfacial.tuning.search_space import SPACES
from microfacial.tuning.study_spec import StudySpec


def make_spec(model: str) -> StudySpec:
    settings = resolve(model, {}, model)
    return StudySpec("s", model, settings.model_dump(), SPACES[model], Candidate(model, settings), {})


@pytest.mark.parametrize("model", SPACES)
def test_default_settings_are_in_the_space_so_the_sampler_can_use_trial_0(model: str) -> None:
    spec = make_spec(model)
    params = spec.find_params(spec.reference)
    assert params.keys() == SPACES[model].keys()
    assert spec.make_candidate(params) == spec.reference


def test_candidates_outside_of_the_space_have_no_params() -> None:
    spec = make_spec("mlp")
    assert spec.find_params(Candidate("mlp", resolve("mlp", {"hidden": 17}, "mlp"))) == {}
    assert spec.find_params(Candidate("majority", resolve("majority", {}, "majority"))) == {}
