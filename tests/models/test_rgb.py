import pytest
from variants import make_store

from microfacial.errors import ConfigError
from microfacial.models.rgb import RGB, RgbSettings
from microfacial.records import FaceStore


def test_published_flow_maps_are_refused_because_they_have_no_frames() -> None:
    maps = FaceStore(**{**vars(make_store()), "unit": "stretched"})
    with pytest.raises(ConfigError, match=r"models\.rgb"):
        RGB.make_inputs(maps, RgbSettings())
    assert RGB.make_inputs(make_store(), RgbSettings()).values.shape == (3, 3, 48, 48)
