from typing import Any

import pytest

from microfacial.errors import ConfigError
from microfacial.models import MODELS
from microfacial.models.base import typed_settings
from microfacial.models.majority import MajoritySettings
from microfacial.models.roi_cnn import RoiCnnSettings
from microfacial.models.settings import OptimiserSettings
from microfacial.settings import check


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("roi_graph", {"width": 40, "heads": 3}, r"^here\.heads: .*40, found 3$"),
        ("roi_transformer", {"heads": 5}, r"here\.heads: .*32, found 5"),
        ("roi_transformer", {"windows_per_phase": 3}, r"here\.windows_per_phase"),
        ("hybrid", {"graph": False, "transformer": False}, r"here\.transformer: .*graph"),
        ("hybrid", {"width": 20}, r"^here\.width: .*8, found 20$"),
        ("flow_cnn", {"input_px": 30}, r"here\.patch_px: .*30, found 4"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(changes, MODELS[name].settings, "here")


@pytest.mark.parametrize("name", MODELS)
def test_old_keys_are_refused_with_the_new_key(name: str) -> None:
    kind = MODELS[name].settings
    for old, new in kind.RENAMED.items():
        assert new in kind.model_fields
        assert old not in kind.model_fields
        with pytest.raises(ConfigError, match=rf"here\.{old}: .*{new}"):
            check({old: 1}, kind, "here")


def test_settings_of_another_model_are_refused() -> None:
    settings = RoiCnnSettings()
    assert typed_settings(OptimiserSettings, settings) is settings
    with pytest.raises(ConfigError, match=r"RoiCnnSettings.*MajoritySettings"):
        typed_settings(RoiCnnSettings, MajoritySettings())
