from dataclasses import replace
from pathlib import Path

from fake_results import make_hybrid, make_predictions, make_result
from microfacial.files import read_csv
from microfacial.report.dvc_plots import write_plots


def test_plots_are_one_file_per_model(tmp_path: Path) -> None:
    results = [replace(make_result(model), predictions=make_predictions(model, [1, 0])) for model in ("a", "b")]
    write_plots(tmp_path / "plots", results)
    assert sorted(path.name for path in (tmp_path / "plots" / "confusion").iterdir()) == ["a.csv", "b.csv"]
    assert read_csv(tmp_path / "plots" / "confusion" / "a.csv") == [
        {"truth": "happiness", "predicted": "disgust"},
        {"truth": "happiness", "predicted": "happiness"},
    ]
    assert read_csv(tmp_path / "plots" / "subjects" / "a.csv") == [{"subject": "c/s", "right": "0.500000"}]
    assert not (tmp_path / "plots" / "loss").exists()  # no model has epochs


def test_the_loss_is_the_median_over_folds_of_each_epoch(tmp_path: Path) -> None:
    write_plots(tmp_path / "plots", [make_hybrid()])
    assert read_csv(tmp_path / "plots" / "loss" / "hybrid.csv") == [
        {"epoch": "1", "training_loss": "2.000000"},
        {"epoch": "2", "training_loss": "1.000000"},
    ]
