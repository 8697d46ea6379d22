from itertools import combinations, product

import numpy as np
import pytest

from microfacial.errors import ConfigError
from microfacial.models import MODELS
from microfacial.models.presets import resolve
from microfacial.tuning.objective import Candidate
from microfacial.tuning.optuna_study import StudySpec
from microfacial.tuning.search_space import SPACES, Choice, Real, Whole, find_space


def test_every_model_but_the_majority_can_be_studied() -> None:
    assert SPACES.keys() == MODELS.keys() - {"majority"}


@pytest.mark.parametrize("model", SPACES)
def test_every_parameter_is_a_key_of_the_models_settings(model: str) -> None:
    assert SPACES[model].keys() <= MODELS[model].settings.model_fields.keys()


@pytest.mark.parametrize("model", SPACES)
def test_every_two_parameters_give_valid_settings_at_all_their_corners_together(model: str) -> None:
    space = SPACES[model]
    for names in combinations(space, min(2, len(space))):
        for values in product(*(space[name].corners for name in names)):
            resolve(model, dict(zip(names, values, strict=True)), model)


@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize("model", SPACES)
def test_all_parameters_at_one_end_give_valid_settings(model: str, end: int) -> None:
    resolve(model, {name: parameter.corners[end] for name, parameter in SPACES[model].items()}, model)


@pytest.mark.parametrize("model", SPACES)
def test_the_defaults_lie_within_the_space_so_that_the_sampler_learns_from_trial_0(model: str) -> None:
    settings = resolve(model, {}, model)
    question = StudySpec("q", model, settings.model_dump(), SPACES[model], Candidate(model, settings), {})
    assert question.locate(question.reference).keys() == SPACES[model].keys()


@pytest.mark.parametrize(("value", "tidy"), [(0.00123456, 0.00123), (0.0, 0.0), (0.299999, 0.3), (9.996e-3, 0.01)])
def test_real_values_keep_three_digits_and_stay_within_their_bounds(value: float, tidy: float) -> None:
    assert Real(0.0, 0.3).tidy(value) == tidy
    assert float(Real(1e-4, 1e-2).tidy(value)) <= 1e-2


def test_a_switch_does_not_hold_a_number_nor_a_whole_number_a_real_one() -> None:
    assert Choice((False, True)).holds(True)
    assert not Choice((False, True)).holds(1)
    assert not Whole(1, 3).holds(2.0)
    assert not Whole(1, 3).holds(True)
    assert not Real(0.0, 1.0).holds(np.nextafter(1.0, 2.0))


def test_parameters_to_keep_are_left_out_and_unknown_ones_refused() -> None:
    assert "encoder" not in find_space("hybrid", ("encoder", "components"))  # a parameter of another model may be named
    with pytest.raises(ConfigError, match="no study searches 'encodr'"):
        find_space("hybrid", ("encodr",))


@pytest.mark.parametrize("model", ["majority", "nonsense"])
def test_what_has_nothing_to_search_is_refused(model: str) -> None:
    with pytest.raises(ConfigError, match=f"{model} has nothing to search; a study can be made of linear_svm, "):
        find_space(model)
