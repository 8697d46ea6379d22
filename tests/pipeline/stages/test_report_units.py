import json
import re
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from command_line import run, set_params, train
from microfacial.errors import ConfigError, StorageError
from microfacial.evaluation.result_files import read_evaluation
from microfacial.evaluation.unit_files import read_units
from microfacial.pipeline.config import load, load_for_classes
from microfacial.pipeline.leaderboard import read_leaderboard
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages.report import run_report


def keep_models(**models: object) -> None:
    """Replace the models in params.yaml."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump({**params, "models": models}, sort_keys=False))


def test_the_report_and_the_leaderboard_show_units(project_with_flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_params("train", task="units", bootstrap_draws=100)
    keep_models(majority={}, motion_prior={})
    for model in ("majority", "motion_prior"):
        train(monkeypatch, model)
    run(monkeypatch, "report")
    reports, trained = project_with_flow / "results/tiny/reports", project_with_flow / "results/tiny/train"
    metrics = json.loads((reports / "metrics.json").read_text())
    assert set(metrics) == {"majority", "motion_prior"}
    f1 = read_units(trained / "motion_prior").overall.f1
    assert f1 is not None
    assert metrics["motion_prior"]["f1"] == pytest.approx(f1, abs=1e-4)
    assert "lip corner puller" in (reports / "index.html").read_text()
    assert list((reports / "plots").iterdir()) == []
    console = Console(width=80, record=True, file=StringIO())
    console.print(read_leaderboard(open_project()))
    assert re.search(rf"motion_prior +{f1:.3f}", console.export_text())
    with pytest.raises(StorageError, match="action units, not of classes"):
        read_evaluation(trained / "majority")
    scores = json.loads((trained / "majority/units.json").read_text())
    scores["f1_interval"] = [0.7, 0.99]
    (trained / "majority/units.json").write_text(json.dumps(scores))
    with pytest.raises(StorageError, match=r"overall\.f1 is 0\.7"):
        run_report(open_project())
    with pytest.raises(StorageError, match=r"overall\.f1 is 0\.7"):
        read_leaderboard(open_project())


def test_results_of_classes_are_no_results_of_units(project_with_flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(monkeypatch, "majority")
    with pytest.raises(StorageError, match="classes, not of action units"):
        read_units(project_with_flow / "results/tiny/train/majority")


def test_commands_for_classes_refuse_the_task(project: Path) -> None:
    set_params("train", task="units")
    with pytest.raises(ConfigError, match="task"):
        load_for_classes(Path("params.yaml"))


def test_the_scheme_without_classes_needs_the_task(project: Path) -> None:
    set_params("clips", scheme="units")
    with pytest.raises(ConfigError, match="units"):
        load(Path("params.yaml"))
    set_params("train", task="units")
    assert load(Path("params.yaml")).clips.scheme == "units"
