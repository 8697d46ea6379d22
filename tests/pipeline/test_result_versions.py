"""Versions of packages: those that constraints.txt pins, or else the installed ones."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from fakes import ROOT
from microfacial.errors import StorageError
from microfacial.pipeline.result_versions import read_result_versions
from microfacial.source_code import OPENCV, find_installed


@pytest.fixture(autouse=True)
def _look_again() -> Iterator[None]:
    """Forget which packages are installed, before and after tests that pretend other packages."""
    find_installed.cache_clear()
    yield
    find_installed.cache_clear()


def test_pinned_versions_are_read_and_the_error_names_a_package_without_a_pin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    pins = (ROOT / "constraints.txt").read_text()
    versions = read_result_versions()
    assert all(f"{name}=={version}\n" in pins for name, version in versions.items())
    monkeypatch.chdir(tmp_path)
    Path("constraints.txt").write_text(re.sub("^numpy==.*", "", pins, flags=re.M))
    with pytest.raises(StorageError, match="numpy"):
        read_result_versions()


def test_without_pins_the_versions_are_the_installed_ones_without_local_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metadata, "version", lambda name: f"{len(name)}.1+cpu")
    versions = read_result_versions()
    assert versions["numpy"] == "5.1"
    assert versions[OPENCV] == f"{len(OPENCV)}.1"
    assert list(versions) == ["numpy", OPENCV, "pandas", "scikit-learn", "scipy", "torch"]


def test_any_build_of_opencv_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"opencv-contrib-python": "4.12.0+contrib"}

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)
    assert find_installed(OPENCV) == ("opencv-contrib-python", "4.12.0")
    assert find_installed("numpy") is None
