from itertools import combinations, product

import numpy as np
import pytest

from microfacial.errors import ConfigError
from microfacial.models import MODELS
from microfacial.models.presets import resolve
from microfacial.tuning.search_space import SPACES, Categorical, Float, Integer, find_space


def test_every_model_that_fits_something_has_a_search_space() -> None:
    assert SPACES.keys() == MODELS.keys() - {"majority", "motion_prior"}


@pytest.mark.parametrize("model", SPACES)
def test_every_parameter_is_a_key_of_the_models_settings(model: str) -> None:
    assert SPACES[model].keys() <= MODELS[model].settings.model_fields.keys()


@pytest.mark.parametrize("model", SPACES)
def test_all_corners_of_each_pair_of_parameters_give_valid_settings(model: str) -> None:
    space = SPACES[model]
    for names in combinations(space, min(2, len(space))):
        for values in product(*(space[name].corners for name in names)):
            resolve(model, dict(zip(names, values, strict=True)), model)


@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize("model", SPACES)
def test_all_parameters_at_the_same_end_give_valid_settings(model: str, end: int) -> None:
    resolve(model, {name: parameter.corners[end] for name, parameter in SPACES[model].items()}, model)


@pytest.mark.parametrize(("value", "tidy"), [(0.00123456, 0.00123), (0.0, 0.0), (0.299999, 0.3), (9.996e-3, 0.01)])
def test_floats_have_three_significant_digits_and_stay_within_their_bounds(value: float, tidy: float) -> None:
    assert Float(0.0, 0.3).tidy(value) == tidy
    assert float(Float(1e-4, 1e-2).tidy(value)) <= 1e-2


def test_parameters_contain_values_of_their_own_type_only() -> None:
    assert Categorical((False, True)).contains(True)
    assert not Categorical((False, True)).contains(1)
    assert not Integer(1, 3).contains(2.0)
    assert not Integer(1, 3).contains(True)
    assert not Float(0.0, 1.0).contains(np.nextafter(1.0, 2.0))


def test_fixed_parameters_are_left_out_and_unknown_ones_are_refused() -> None:
    assert "encoder" not in find_space("hybrid", ("encoder", "components"))  # components belongs to another model
    with pytest.raises(ConfigError, match="encodr"):
        find_space("hybrid", ("encodr",))


@pytest.mark.parametrize("model", ["majority", "motion_prior", "nonsense"])
def test_models_without_parameters_to_search_are_refused(model: str) -> None:
    with pytest.raises(ConfigError, match=f"^{model} .*linear_svm, "):
        find_space(model)


def test_a_study_whose_parameters_are_all_fixed_names_the_key() -> None:
    with pytest.raises(ConfigError, match=r"study\.fixed_parameters"):
        find_space("linear_svm", tuple(SPACES["linear_svm"]))
