"""Experiments that users rename, delete and restore in MLflow."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from microfacial.errors import PipelineError
from microfacial.tracking.experiments import ensure_experiment, find_experiment
from microfacial.tracking.run_records import experiment_name
from microfacial.tracking.store import connect
from microfacial.tracking.views import view_address

NAME, STUDIES = experiment_name("d", "s"), experiment_name("d", "s", studies=True)
UNITS = experiment_name("d", "s", task="units")
VIEWS = {NAME: {"models", "folds"}, STUDIES: {"studies", "trials"}, UNITS: {"units", "unit-folds"}}


@pytest.fixture
def client(root: Path) -> MlflowClient:
    return connect(root)


def test_a_deleted_experiment_is_refused_with_the_command_that_restores_it(root: Path, client: MlflowClient) -> None:
    number = ensure_experiment(client, NAME, root)
    client.delete_experiment(number)
    with pytest.raises(PipelineError, match=rf"'{NAME}' was deleted.*restore --experiment-id {number}"):
        ensure_experiment(client, NAME, root)
    client.restore_experiment(number)
    assert ensure_experiment(client, NAME, root) == number


def test_an_experiment_is_found_after_it_was_renamed(root: Path, client: MlflowClient) -> None:
    number = ensure_experiment(client, NAME, root)
    client.rename_experiment(number, "my best work")
    assert ensure_experiment(client, NAME, root) == number
    assert ensure_experiment(client, STUDIES, root) != number
    client.delete_experiment(number)
    with pytest.raises(PipelineError, match=rf"'{NAME}' was deleted"):
        ensure_experiment(client, NAME, root)


def test_an_experiment_of_an_earlier_version_gets_its_tags(root: Path, client: MlflowClient) -> None:
    number = client.create_experiment(NAME)
    client.set_experiment_tag(number, "mlflow.note.content", "my own words")
    assert ensure_experiment(client, NAME, root) == number
    tags = client.get_experiment(number).tags
    assert tags["microfacial.experiment"] == NAME
    assert tags["mlflow.note.content"] == "my own words"
    assert "mlflow.sharedViewState.microfacial-models" in tags


def test_experiments_have_a_description_and_their_own_views(root: Path, client: MlflowClient) -> None:
    notes = set()
    for name, views in VIEWS.items():
        ensure_experiment(client, name, root)
        experiment = find_experiment(client, name)
        assert experiment is not None
        notes.add(experiment.tags["mlflow.note.content"])
        prefix = "mlflow.sharedViewState.microfacial-"
        assert {tag.removeprefix(prefix) for tag in experiment.tags if tag.startswith(prefix)} == views
    assert len(notes) == 3


def test_the_view_of_models_sorts_by_uf1(root: Path, client: MlflowClient) -> None:
    tags = client.get_experiment(ensure_experiment(client, NAME, root)).tags
    view = json.loads(tags["mlflow.sharedViewState.microfacial-models"])
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`uf1`", False)
    assert view["searchFilter"] == "tags.`microfacial.role` = 'model'"
    assert {"metrics.`uf1`", "metrics.`uar`", "params.`seed`"} <= set(view["selectedColumns"])


def test_the_address_of_a_view_names_its_experiment() -> None:
    assert view_address("http://h:1/", "7", "folds") == (
        "http://h:1/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=microfacial-folds"
    )
