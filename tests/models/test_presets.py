import pytest

from microfacial.errors import ConfigError
from microfacial.models import MODELS
from microfacial.models.presets import find_network, resolve


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_a_default_preset_and_all_presets_are_valid(name: str) -> None:
    assert "default" in MODELS[name].presets
    for preset in MODELS[name].presets.values():
        MODELS[name].settings.model_validate(preset)


def test_keys_override_the_preset() -> None:
    settings = resolve("roi_cnn", {"preset": "mission", "input_px": 32}, "here").model_dump()
    assert (settings["input_px"], settings["epochs"]) == (32, 60)


@pytest.mark.parametrize(
    ("name", "settings", "value"),
    [
        ("resnet", {}, "here.*roi_cnn"),
        ("roi_cnn", [], "here"),
        ("roi_cnn", {"preset": "huge"}, r"here\.preset.*'huge'.*mission"),
        ("roi_cnn", {"epoch": 1}, r"here\.epoch"),
    ],
)
def test_an_unknown_model_preset_or_key_is_refused(name: str, settings: object, value: str) -> None:
    with pytest.raises(ConfigError, match=value):
        resolve(name, settings, "here")


@pytest.mark.parametrize("name", ["resnet", "linear_svm"])
def test_find_network_refuses_unknown_models_and_estimators(name: str) -> None:
    assert find_network("roi_cnn") is MODELS["roi_cnn"]
    with pytest.raises(ConfigError, match=f"'{name}'.*roi_cnn"):
        find_network(name)
