import shutil
from pathlib import Path

import pytest


@pytest.fixture
def project_with_flow(project: Path, computed: Path) -> Path:
    """Return a project on the tiny demo that is computed up to the flow. Tests train models in it."""
    shutil.copytree(computed / "results", project / "results")
    return project
