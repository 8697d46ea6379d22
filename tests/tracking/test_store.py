from pathlib import Path

import pytest

from microfacial.errors import PipelineError
from microfacial.tracking.store import connect, describe_store


def test_an_error_names_the_variable_of_a_store_that_cannot_be_opened(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://127.0.0.1/none")
    with pytest.raises(PipelineError, match="Correct MLFLOW_TRACKING_URI"):
        connect(root)


def test_the_description_names_the_places_of_runs_and_artifacts(root: Path) -> None:
    text = describe_store(connect(root), root)
    assert f"{root}/mlruns/mlflow.db" in text
    assert f"{root}/mlruns/artifacts" in text
