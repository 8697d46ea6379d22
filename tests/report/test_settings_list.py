from microfacial.report.settings_list import drop_unused_methods, flatten_settings


def test_settings_are_written_as_in_params_yaml() -> None:
    section = {"a": None, "b": {"c": True, "d": [1, 0.5]}, "e": "x"}
    assert list(flatten_settings(section)) == [("a", "null"), ("b.c", "true"), ("b.d", "[1, 0.5]"), ("e", "x")]


def test_the_settings_of_unused_flow_methods_are_dropped() -> None:
    flow = {"method": "dis", "blur_sigma_px": 0.8, "dis": {"preset": "fast"}, "tvl1": {"tau": 0.25}}
    assert list(drop_unused_methods(flow)) == ["method", "blur_sigma_px", "dis"]
