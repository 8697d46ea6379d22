"""Whether the code in a version is the code of this package."""

import shutil
from collections.abc import Callable
from pathlib import Path

import grimp
import pytest

import microfacial
from microfacial.registry.versions import UNUSED_PACKAGES, has_current_code


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """The folder of a version with this package's code, below folders that are named like subpackages."""
    folder = tmp_path / "tracking" / "pipeline"
    source = Path(microfacial.__file__).parent
    shutil.copytree(source, folder / "code" / "microfacial", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    ("path", "edit", "current"),
    [
        ("preprocessing/flow.py", lambda path: path.write_text(path.read_text() + "SIDE_PX = 1\n"), False),
        ("records/__init__.py", lambda path: path.unlink(), False),
        ("models/new.py", lambda path: path.write_text("SIDE_PX = 1\n"), False),
        ("pipeline/cli/__init__.py", lambda path: path.unlink(), True),
        ("tracking/runs.py", lambda path: path.write_text("SIDE_PX = 1\n"), True),
    ],
)
def test_code_is_current_unless_a_module_that_predicts_differs(
    version: Path, path: str, edit: Callable[[Path], object], current: bool
) -> None:
    assert has_current_code(version)
    edit(version / "code" / "microfacial" / path)
    assert has_current_code(version) == current


def test_a_served_model_imports_nothing_from_the_unused_packages() -> None:
    graph = grimp.build_graph("microfacial", cache_dir=None)
    unused = {f"microfacial.{name}" for name in UNUSED_PACKAGES}
    waiting, reached = {"microfacial.inference.serve"}, set()
    while waiting:
        module = waiting.pop()
        reached.add(module)
        if module != "microfacial":  # it names modules without importing them
            waiting |= graph.find_modules_directly_imported_by(module) - reached
    assert not [module for module in reached if ".".join(module.split(".")[:2]) in unused]
