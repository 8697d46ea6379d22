"""The names at the root of the package."""

import subprocess
import sys

import pytest

import microfacial


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = "import sys, microfacial; print({'torch', 'cv2', 'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_public_name_exists() -> None:
    assert all(getattr(microfacial, name) is not None for name in microfacial.__all__)
    assert set(microfacial.__all__) <= set(dir(microfacial))


def test_an_unknown_name_raises_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="creat_model"):
        microfacial.creat_model  # type: ignore[attr-defined]  # noqa: B018
