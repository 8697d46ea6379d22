"""Commands of DVC print the differences between two commits."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from processes import dvc, git

pytestmark = pytest.mark.slow
METRICS = "results/tiny/reports/metrics.json"


def run_dvc(folder: Path, *arguments: str) -> str:
    """Run a command of DVC and return its output."""
    done = dvc(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_scores(folder: Path) -> dict[str, Any]:
    """Return the scores of all models."""
    models: dict[str, Any] = json.loads((folder / METRICS).read_text())
    return models


def test_a_changed_setting_shows_in_metrics_plots_and_experiments(finished_checkout: Path) -> None:
    before = read_scores(finished_checkout)
    params = finished_checkout / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 3", "epochs: 6"))
    run_dvc(finished_checkout, "repro")
    git(finished_checkout, "add", "--all")
    git(finished_checkout, "commit", "--quiet", "--message", "Train six epochs")
    after = read_scores(finished_checkout)
    old, new = before["roi_cnn"]["uf1"], after["roi_cnn"]["uf1"]
    assert old != new

    metrics = json.loads(run_dvc(finished_checkout, "metrics", "diff", "HEAD~1", "HEAD", "--json"))[METRICS]
    assert metrics["roi_cnn.uf1"] == {"old": old, "new": new, "diff": pytest.approx(new - old)}
    assert not any(name.startswith("linear_svm") for name in metrics)  # this model did not change

    plots = json.loads(run_dvc(finished_checkout, "plots", "diff", "HEAD~1", "HEAD", "--json"))["data"]
    folder = "results/tiny/reports/plots"
    per_model = {f"{folder}/{kind}/{model}.csv" for kind in ("confusion", "subjects") for model in before}
    assert plots.keys() == {*per_model, f"{folder}/loss/roi_cnn.csv"}
    losses = plots[f"{folder}/loss/roi_cnn.csv"][0]["content"]["data"]["values"]
    epochs = {rev: sum(point["rev"] == rev for point in losses) for rev in ("HEAD~1", "HEAD")}
    assert epochs == {"HEAD~1": 3, "HEAD": 6}

    rows = list(csv.DictReader(run_dvc(finished_checkout, "exp", "show", "--csv", "--num", "2").splitlines()))
    assert rows[0]["roi_cnn.uf1"] == str(new)
    assert [row["models.roi_cnn.epochs"] for row in rows[1:3]] == ["6", "3"]
    assert [row["roi_cnn.uf1"] for row in rows[1:3]] == [str(new), str(old)]
