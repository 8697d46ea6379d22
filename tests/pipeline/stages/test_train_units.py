import json
import shutil
from pathlib import Path

import pytest
from tracked_training import list_artifacts, read_run_contents

from command_line import read_rows, run, set_params, train
from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.evaluation.unit_files import read_units
from microfacial.records import PRIOR_ON_DRAWN
from microfacial.tracking.store import connect

MODELS = ("motion_prior", "linear_svm", "roi_cnn", "mlp", "hybrid")
MLP_FROM_PRIOR = {"start": "motion_prior", "epochs": 2}


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_model_recognises_units(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    set_params("train", task="units", bootstrap_draws=100)
    set_params("models", motion_prior={}, mlp=MLP_FROM_PRIOR, hybrid={"epochs": 2, "input_px": 4})
    train(monkeypatch, model)
    folder = project_with_flow / "results/tiny/train" / model
    rows = read_rows(folder / "predictions.csv")
    clips = read_rows(project_with_flow / "results/tiny/clips.csv")
    annotated = {f"{row['corpus']}/{row['subject']}/{row['name']}" for row in clips if row["action_units"]}
    assert {row["clip"] for row in rows} == annotated
    assert all(0 <= float(row[f"p_AU{unit}"]) <= 1 for row in rows for unit in SCORED_UNITS)
    evaluation = read_units(folder, model=model)
    for score in evaluation.units:
        states = [row[f"AU{score.unit}"] for row in rows]
        assert (score.positives, score.clips) == (states.count("1"), len(states) - states.count(""))
    assert evaluation.overall.clips == len(annotated)
    table = read_rows(folder / f"loso_{model}_units.csv")
    assert [int(row["unit"]) for row in table] == [*SCORED_UNITS]
    assert not (folder / "evaluation.json").exists()


def test_every_fold_of_units_is_in_mlflow_and_sync_writes_the_same_runs(
    project_with_flow: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params("train", task="units", bootstrap_draws=100, repeats=2)
    train(monkeypatch, "linear_svm", "roi_cnn")
    lines = [line for line in capsys.readouterr().out.splitlines() if "train roi_cnn: fold" in line]
    assert len(lines) == 8
    runs = read_run_contents(project_with_flow)
    folds = {fold for model, fold in runs if model == "roi_cnn" and fold}
    assert folds == {f"demo/sub0{number}#{repeat}" for number in range(1, 5) for repeat in range(2)}
    rows = read_rows(project_with_flow / "results/tiny/train/roi_cnn/predictions.csv")
    for fold in folds:
        subject, repeat = fold.split("#")
        tested = [row for row in rows if (row["subject"], row["repeat"]) == (subject, repeat)]
        cells = [(row[f"AU{unit}"], float(row[f"p_AU{unit}"]) >= 0.5) for row in tested for unit in SCORED_UNITS]
        metrics, params = runs["roi_cnn", fold]
        assert metrics["held_out_clips"] == len(tested)
        assert metrics["held_out_units"] == sum(state == "1" for state, _ in cells)
        assert metrics["held_out_unit_hits"] == cells.count(("1", True))
        assert metrics["held_out_unit_false_alarms"] == cells.count(("0", True))
        words = f"{metrics['held_out_unit_hits']:.0f} of {metrics['held_out_units']:.0f} moving units recognised"
        assert any(f"{fold}: {words}, " in line for line in lines)
        assert params["task"] == "units"
    evaluation = read_units(project_with_flow / "results/tiny/train/roi_cnn")
    metrics, _ = runs["roi_cnn", ""]
    assert evaluation.f1_interval is not None
    assert metrics["f1"] == pytest.approx(evaluation.overall.f1, abs=1e-6)
    assert metrics["f1_low"] == pytest.approx(evaluation.f1_interval[0], abs=1e-6)
    moving = [score for score in evaluation.units if score.f1 is not None]
    assert metrics[f"AU{moving[0].unit}/f1"] == pytest.approx(moving[0].f1, abs=1e-6)

    client = connect(project_with_flow)
    (experiment,) = client.search_experiments(filter_string="name = 'tiny · units'")
    (model,) = client.search_runs(
        [experiment.experiment_id], "tags.`microfacial.role` = 'model' and params.model = 'roi_cnn'"
    )
    assert list_artifacts(client, model, "figures") == {"units.png", "loss.png"}
    assert {"folds.json", "predictions.json", "unit_scores.json"} <= list_artifacts(client, model, "")
    assert run(monkeypatch, "sync") == 0
    assert "sync: nothing to write: 2 models" in capsys.readouterr().out

    store = shutil.copy(empty_store, project_with_flow / "other.db")
    shutil.rmtree(project_with_flow / "mlruns/artifacts")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    assert run(monkeypatch, "sync") == 0
    assert read_run_contents(project_with_flow) == runs


@pytest.mark.parametrize("command", ["study roi_cnn", "ablate", "register roi_cnn"])
def test_commands_for_classes_refuse_units(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    set_params("train", task="units")
    set_params("models", hybrid={})
    assert run(monkeypatch, *command.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Set train.task: classes" in line


def test_models_are_compared_by_the_units_that_they_recognise(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params("models", motion_prior={})
    train(monkeypatch, "majority")
    set_params("train", task="units", bootstrap_draws=100)
    train(monkeypatch, "motion_prior", "linear_svm")
    capsys.readouterr()
    assert run(monkeypatch, "compare", "motion_prior", "linear_svm") == 0
    model, baseline, difference, conclusion, *notes = capsys.readouterr().out.splitlines()
    scores = [float(line.split()[2]) for line in (model, baseline, difference)]
    assert scores[0] - scores[1] == pytest.approx(scores[2], abs=0.0011)
    assert "told from zero" in conclusion
    assert any(PRIOR_ON_DRAWN in note for note in notes)
    assert run(monkeypatch, "compare", "motion_prior", "linear_svm", "--json") == 0
    fields = json.loads(capsys.readouterr().out)
    assert fields["f1_difference"] == pytest.approx(scores[2], abs=0.0006)
    assert fields["conclusion"] == conclusion
    assert run(monkeypatch, "compare", "majority", "linear_svm") == 2  # it has results of classes
    (message,) = capsys.readouterr().err.splitlines()
    assert "majority" in message


@pytest.mark.parametrize(
    ("task", "name"), [("units", "predictions.csv"), ("units", "history.csv"), ("classes", "loso_majority_results.csv")]
)
def test_damaged_files_create_no_run(
    project_with_flow: Path,
    empty_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    task: str,
    name: str,
) -> None:
    set_params("train", task=task)
    set_params("models", motion_prior={})
    model = "motion_prior" if task == "units" else "majority"
    train(monkeypatch, model)
    store = shutil.copy(empty_store, project_with_flow / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
    path = project_with_flow / "results/tiny/train" / model / name
    path.write_text(path.read_text().replace("note", "nota").replace("held_out,", "held,").replace("p_AU", "q_AU"))
    assert run(monkeypatch, "sync") == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert name in line
    client = connect(project_with_flow)
    assert [item.name for item in client.search_experiments()] == ["Default"]


@pytest.mark.parametrize(("key", "value"), [("shape", []), ("task", "foo")])
def test_a_run_file_with_impossible_values_is_refused(
    project_with_flow: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key: str,
    value: object,
) -> None:
    train(monkeypatch, "majority")
    path = project_with_flow / "results/tiny/train/majority/run.json"
    content = json.loads(path.read_text())
    (content["flow"] if key == "shape" else content["settings"]["train"])[key] = value
    path.write_text(json.dumps(content))
    assert run(monkeypatch, "sync") == 2
    assert "run.json" in capsys.readouterr().err.splitlines()[-1]
