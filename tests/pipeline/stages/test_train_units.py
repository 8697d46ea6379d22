from pathlib import Path

import pytest

from command_line import read_rows, set_params, train
from microfacial.datasets.action_units import SCORED_UNITS
from microfacial.evaluation.unit_files import read_units

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
