import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from command_line import run, set_params, train
from microfacial.evaluation.result_files import read_evaluation
from microfacial.pipeline.leaderboard import read_leaderboard
from microfacial.pipeline.project import open_project
from microfacial.records import Evaluation


def test_the_leaderboard_fits_into_80_columns(project_with_flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has all columns and captions, and the longest name of a model."""
    set_params("train", repeats=2)
    train(monkeypatch, "majority", "linear_svm", "roi_cnn")
    long_names = {"majority": "logistic_regression"}

    def read_renamed(folder: Path, *options: str, **names: str) -> Evaluation:
        evaluation = read_evaluation(folder, *options, **names)
        return replace(evaluation, model=long_names.get(evaluation.model, evaluation.model))

    monkeypatch.setattr("microfacial.evaluation.result_files.read_evaluation", read_renamed)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(read_leaderboard(open_project()))
    output = console.export_text()
    assert "logistic_regression" in output
    assert "…" not in output
    assert "±: standard deviation over 2 repetitions" in output
    deviations = {line.split()[0]: line.split()[2] for line in output.splitlines() if re.match(r"\w+ +0\.", line)}
    assert deviations.pop("roi_cnn") != "–"
    assert deviations == {"linear_svm": "–", "logistic_regression": "–"}
    assert re.search(r"[+-]0\.\d{3}[* ]", output)


def test_a_report_names_no_protocol_that_its_trainings_do_not_have(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump({**params, "models": {"majority": {}}}, sort_keys=False))
    train(monkeypatch, "majority")
    assert run(monkeypatch, "report") == 0
    capsys.readouterr()
    for name, value in (("seed", 7), ("validation_folds", 2), ("bootstrap_draws", 500)):
        set_params("train", **{"seed": 0, "bootstrap_draws": 100, "validation_folds": 3, name: value})
        assert run(monkeypatch, "report") == 2
        assert f"train.{name} is {value}" in capsys.readouterr().err


def test_a_report_before_the_first_stage_names_the_remedy(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "report") == 2
    assert re.search(r"clips\.csv is missing.*`dvc repro`", capsys.readouterr().err)
