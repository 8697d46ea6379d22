from pathlib import Path

import pytest

from fakes import ROOT
from microfacial.errors import StorageError
from microfacial.report.settings_list import drop_unused_methods, flatten_settings, read_pinned_versions


def test_settings_are_written_as_in_params_yaml() -> None:
    section = {"a": None, "b": {"c": True, "d": [1, 0.5]}, "e": "x"}
    assert list(flatten_settings(section)) == [("a", "null"), ("b.c", "true"), ("b.d", "[1, 0.5]"), ("e", "x")]


def test_the_settings_of_unused_flow_methods_are_dropped() -> None:
    flow = {"method": "dis", "blur_sigma_px": 0.8, "dis": {"preset": "fast"}, "tvl1": {"tau": 0.25}}
    assert list(drop_unused_methods(flow)) == ["method", "blur_sigma_px", "dis"]


def test_pinned_versions_are_read_and_the_error_names_a_package_without_a_pin(tmp_path: Path) -> None:
    versions = read_pinned_versions(ROOT / "constraints.txt")
    assert f"torch=={versions['torch']}\n" in (ROOT / "constraints.txt").read_text()
    with pytest.raises(StorageError, match="numpy"):
        read_pinned_versions(tmp_path / "constraints.txt")
