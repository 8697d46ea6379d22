import shutil
from pathlib import Path

import pytest
from tracked_training import read_run_contents

from command_line import read_rows, run, set_params, train
from microfacial.tracking.store import connect


@pytest.mark.slow
def test_sync_writes_missing_runs_once(
    project_with_flow: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_with_flow
    set_params("train", repeats=2)
    train(monkeypatch, "majority", "roi_cnn")
    before = read_run_contents(project)
    assert len(before) == (1 + 4) + (1 + 2 * 4)  # the seed does not change the majority model
    assert run(monkeypatch, "sync") == 0
    assert "sync: nothing to write: 2 models" in capsys.readouterr().out

    # A fresh clone whose results come from DVC's cache has neither folder.
    for deleted in ("mlruns/artifacts", ".microfacial"):
        shutil.rmtree(project / deleted)
    store = shutil.copy(empty_store, project / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    assert run(monkeypatch, "sync") == 0
    output = capsys.readouterr().out
    assert "sync: tiny/roi_cnn: scores and 8 folds written" in output
    assert "sync: 2 of 2 models in results/ written" in output
    assert read_run_contents(project) == before
    assert run(monkeypatch, "sync") == 0
    assert "sync: nothing to write: 2 models" in capsys.readouterr().out
    assert read_run_contents(project) == before


def test_sync_completes_an_interrupted_run_and_creates_no_second_run(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(monkeypatch, "majority")
    before = read_run_contents(project_with_flow)
    client = connect(project_with_flow)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (model,) = client.search_runs(experiments, "tags.`microfacial.role` = 'model'")
    for fold in client.search_runs(experiments, "tags.`microfacial.role` = 'fold'")[:2]:
        client.delete_run(fold.info.run_id)
    client.update_run(model.info.run_id, status="RUNNING")
    assert run(monkeypatch, "sync") == 0
    assert "sync: tiny/majority: scores and 2 folds written" in capsys.readouterr().out
    assert read_run_contents(project_with_flow) == before


def test_training_continues_without_mlflow_and_names_the_remedy(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as outage:
        outage.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port, on which no program listens
        train(outage, "majority")
        assert capsys.readouterr().err.count("`microfacial sync`") == 1
        assert run(outage, "sync") == 2
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert message.startswith("microfacial: MLflow's server http://127.0.0.1:9 ")
    assert len(read_rows(project_with_flow / "results/tiny/train/majority/predictions.csv")) == 12
    assert run(monkeypatch, "sync") == 0
    assert len(read_run_contents(project_with_flow)) == 1 + 4


def test_the_run_file_of_another_model_is_refused_by_its_name(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(monkeypatch, "majority", "roi_cnn")
    results = project_with_flow / "results/tiny/train"
    shutil.copy(results / "roi_cnn/run.json", results / "majority")
    capsys.readouterr()
    assert run(monkeypatch, "sync") == 2
    printed = capsys.readouterr()
    assert "majority/run.json is damaged" in printed.err.splitlines()[-1]
    assert "settings.json" not in printed.err
