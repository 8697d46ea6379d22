"""Addresses of the tables on MLflow's page."""

from pathlib import Path

import pytest

from microfacial.datasets import ClipsConfig
from microfacial.pipeline.server import list_views
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.run_records import experiment_name
from microfacial.tracking.store import connect


@pytest.mark.usefixtures("project")
def test_tables_exist_for_trainings_and_for_what_has_been_tracked() -> None:
    clips, client = ClipsConfig(name="tiny", root="data", corpora=("demo",), scheme="casme2-4"), connect(Path())
    assert [*list_views(clips, "http://h:1")] == ["models", "folds"]
    units = ensure_experiment(client, experiment_name("tiny", "casme2-4", task="units"), Path())
    ensure_experiment(client, experiment_name("tiny", "casme2-4", studies=True), Path())
    addresses = list_views(clips, "http://h:1")
    assert [*addresses] == ["models", "folds", "units", "unit folds", "studies", "trials"]
    assert f"/experiments/{units}/runs?" in addresses["unit folds"]
    assert addresses["unit folds"].endswith("viewStateShareKey=microfacial-unit-folds")


@pytest.mark.usefixtures("project")
def test_a_data_set_without_classes_has_tables_of_units_only() -> None:
    clips = ClipsConfig(name="tiny", root="data", corpora=("demo",), scheme="units")
    assert [*list_views(clips, "http://h:1")] == ["units", "unit folds"]
