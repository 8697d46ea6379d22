"""MLflow's page in Chromium: the addresses of `microfacial ui` open sorted tables of runs."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from playwright.sync_api import Browser, Page, expect

from fakes import TINY_PARAMS
from microfacial.tracking.experiments import ensure_experiment
from microfacial.tracking.model_versions import ModelVersionRecord, Registry, registered_name
from microfacial.tracking.run_records import experiment_name
from microfacial.tracking.store import connect
from mlflow_server import stop, wait_for_answer
from processes import ENVIRONMENT

pytestmark = pytest.mark.slow
MODELS = {"mlp": 0.41, "hybrid": 0.72, "roi_cnn": 0.55, "linear_svm": 0.68}  # in another order than the scores
TIMEOUT_MS = 90_000


def write_runs(client: MlflowClient, root: Path) -> None:
    """Write a run for each model, two folds for each, and a study with three trials."""
    trainings = ensure_experiment(client, experiment_name("tiny", "casme2-4"), root)
    studies = ensure_experiment(client, experiment_name("tiny", "casme2-4", studies=True), root)

    def write(experiment: str, role: str, name: str, metrics: dict[str, float], parent: str = "") -> str:
        tags = {"microfacial.role": role, "microfacial.model": name.split()[0]}
        tags |= {"mlflow.parentRunId": parent} if parent else {}
        number = str(client.create_run(experiment, run_name=name, tags=tags).info.run_id)
        points = [Metric(key, value, 0, 0) for key, value in metrics.items()]
        client.log_batch(number, points, [Param("model", name.split()[0]), Param("seed", "0")], [RunTag("x", "y")])
        client.set_terminated(number)
        return number

    runs: dict[str, str] = {}
    for model, uf1 in MODELS.items():
        runs[model] = parent = write(trainings, "model", model, {"uf1": uf1, "uar": uf1, "accuracy": uf1})
        for subject, accuracy in (("sub01", uf1), ("sub02", 1 - uf1)):
            write(trainings, "fold", f"{model} {subject}", {"held_out_accuracy": accuracy}, parent)
    (root / "model").mkdir()
    (root / "model" / "MLmodel").write_text("flavors: {}\n")
    record = ModelVersionRecord(
        name=registered_name("tiny", "casme2-4"),
        version=0,
        model="hybrid",
        settings={},
        dataset="tiny",
        scheme="casme2-4",
        protocol="loso",
        tuned_on=(),
        run_id=runs["hybrid"],
    )
    Registry(client, record.name).add(root / "model", record, "", root)
    study = write(studies, "study", "study-mlp", {"uf1_difference": 0.1})
    for trial, score in enumerate((0.3, 0.6, 0.5)):
        write(studies, "trial", f"trial {trial}", {"inner_uf1": score}, study)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run `microfacial ui` on a project with runs. Return the addresses that it prints, by their names."""
    root = tmp_path_factory.mktemp("page") / "project"
    root.mkdir()
    (root / "params.yaml").write_text(TINY_PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        write_runs(connect(root), root)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "microfacial", "ui", "--port", str(port)]
    with (root / "ui.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, env=ENVIRONMENT, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/health")
        lines = [line.split() for line in (root / "ui.log").read_text().splitlines()]
        yield {line[0]: line[1] for line in lines if len(line) == 2 and line[1].startswith("http")}
    finally:
        stop(process)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1600, "height": 900})
    opened.set_default_timeout(TIMEOUT_MS)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("view", "rows", "columns"),
    [
        ("models", sorted(MODELS, key=MODELS.__getitem__, reverse=True), ("uf1", "uar", "accuracy")),
        ("folds", ["hybrid sub02", "linear_svm sub02", "mlp sub01"], ("held_out_accuracy",)),
        ("studies", ["study-mlp"], ("uf1_difference",)),
        ("trials", ["trial 1", "trial 2", "trial 0"], ("inner_uf1",)),
    ],
)
def test_an_address_opens_a_table_of_its_runs_in_order(
    page: Page, addresses: dict[str, str], view: str, rows: list[str], columns: tuple[str, ...]
) -> None:
    assert next(iter(addresses)) == "models"
    page.goto(addresses[view])
    table = page.locator(".ag-root")
    expect(table).to_contain_text(rows[0], timeout=TIMEOUT_MS)
    expect(table).to_contain_text(columns[0], timeout=TIMEOUT_MS)
    if os.environ.get("SCREENSHOTS"):
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{os.environ['SCREENSHOTS']}/{view}.png")
    links = page.locator('.ag-root a[href*="/runs/"]').all_inner_texts()
    names = [name.strip() for name in links if name.strip()]
    assert names[: len(rows)] == rows
    for column in columns:
        assert column in table.inner_text()


def test_the_page_of_a_run_links_to_the_version_that_was_registered_from_it(
    page: Page, addresses: dict[str, str]
) -> None:
    page.goto(addresses["models"])
    page.locator(".ag-root a", has_text="hybrid").first.click()
    link = page.locator('a[href*="/models/tiny.casme2-4"]').first
    expect(link).to_be_visible(timeout=TIMEOUT_MS)
    if os.environ.get("SCREENSHOTS"):
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{os.environ['SCREENSHOTS']}/run.png")
