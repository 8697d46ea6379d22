"""What `doctor` says about MLflow's store."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from microfacial.errors import PipelineError
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.run_records import experiment_name
from microfacial.tracking.store import connect
from microfacial.tracking.store_check import check_store


@pytest.fixture
def client(root: Path) -> MlflowClient:
    return connect(root)


def test_the_description_names_the_places_of_runs_and_artifacts(root: Path, client: MlflowClient) -> None:
    text = check_store(client, root, "d", "s")
    assert f"{root}/mlruns/mlflow.db" in text
    assert f"{root}/mlruns/artifacts" in text


@pytest.mark.parametrize("studies", [False, True])
def test_a_deleted_experiment_of_the_data_set_is_a_fault(root: Path, client: MlflowClient, studies: bool) -> None:
    number = ensure_experiment(client, experiment_name("d", "s", studies=studies), root)
    client.delete_experiment(number)
    with pytest.raises(PipelineError, match=f"restore --experiment-id {number}"):
        check_store(client, root, "d", "s")
    assert "1 experiments" in check_store(client, root, "d", "other")
