import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from microfacial.datasets.label_schemes import SCHEMES
from microfacial.models import MODELS
from microfacial.models.presets import resolve
from microfacial.tracking.model_versions import ModelVersionRecord, find_version, registered_name
from microfacial.tracking.store import connect

NAME = registered_name("demo", "casme2-4")


@pytest.fixture
def client(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_store, tmp_path / "mlruns")
    return connect(tmp_path)


def make_version(model: str = "roi_cnn", number: int = 1, tuned_on: tuple[str, ...] = ()) -> ModelVersionRecord:
    return ModelVersionRecord(
        name=NAME,
        version=number,
        model=model,
        settings=resolve(model, {}, model).model_dump(mode="json"),
        dataset="demo",
        scheme="casme2-4",
        protocol="loso",
        tuned_on=tuned_on,
        run_id="",
    )


def add_version(client: MlflowClient, registered: ModelVersionRecord) -> None:
    client.create_model_version(registered.name, "file:///nowhere", tags=registered.tags)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_mlflow_accepts_the_registered_name_of_every_scheme(client: MlflowClient, scheme: str) -> None:
    assert client.create_registered_model(registered_name("a_data-set2", scheme)).name == f"a_data-set2.{scheme}"


@pytest.mark.parametrize("model", MODELS)
def test_a_version_of_every_variant_is_read_as_it_was_written(client: MlflowClient, model: str) -> None:
    written = make_version(model, tuned_on=("casme2/sub01", "samm/006"))
    client.create_registered_model(NAME)
    add_version(client, written)
    client.set_registered_model_alias(NAME, "champion", "1")
    champion = find_version(client, NAME, "champion")
    assert champion == written
    assert resolve(model, champion.settings, model) == resolve(model, {}, model)


def test_each_alias_points_to_its_version(client: MlflowClient) -> None:
    client.create_registered_model(NAME)
    for model in ("linear_svm", "roi_cnn"):
        add_version(client, make_version(model))
    client.set_registered_model_alias(NAME, "champion", "1")
    client.set_registered_model_alias(NAME, "challenger", "2")
    champion, challenger = (find_version(client, NAME, alias) for alias in ("champion", "challenger"))
    assert champion == make_version("linear_svm", 1)
    assert challenger == make_version("roi_cnn", 2)


def test_no_version_is_returned_without_the_model_or_the_alias(client: MlflowClient) -> None:
    assert find_version(client, NAME, "champion") is None
    client.create_registered_model(NAME)
    add_version(client, make_version())
    assert find_version(client, NAME, "champion") is None
