"""All commands in order, and errors of the user, on a tiny data set without DVC."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import read_rows, run, set_params, train
from fakes import WriteMaps
from microfacial.records import SYNTHETIC
from microfacial.tracking.store import connect


def test_the_stages_lead_from_frames_to_the_report(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ("majority", "linear_svm", "roi_cnn")
    for stage in (["clips"], ["faces"], ["flow", "--processes", "1"]):
        assert run(monkeypatch, *stage) == 0
    train(monkeypatch, *models)
    assert run(monkeypatch, "report") == 0

    results = project / "results" / "tiny"
    content = json.loads((results / "reports" / "scores.json").read_text())
    assert content["note"] == SYNTHETIC
    metrics = content["models"]
    small = json.loads((results / "reports" / "metrics.json").read_text())
    assert small == {model: {name: scores[name] for name in ("uf1", "uar")} for model, scores in metrics.items()}
    assert set(metrics) == set(models)
    assert all(scores["clips"] == 12 and scores["subjects"] == 4 for scores in metrics.values())
    for model in models:
        folder = results / "train" / model
        assert len(read_rows(folder / "predictions.csv")) == 12
        assert [row["subject"] for row in read_rows(folder / f"loso_{model}_results.csv")] == [
            f"demo/sub0{number}" for number in (1, 2, 3, 4)
        ]
        summary = read_rows(folder / f"loso_{model}_summary.csv")[0]
        assert float(summary["uf1"]) == pytest.approx(metrics[model]["uf1"], abs=1e-4)
        assert summary["note"] == SYNTHETIC
        fold = read_rows(folder / "folds.csv")[0]
        assert fold["held_out"] not in fold["validation_folds"].split()
    assert {*metrics["roi_cnn"]["against_linear_svm"]} == {"uf1_difference", "interval", "p"}
    assert "against_linear_svm" not in metrics["linear_svm"]
    output = capsys.readouterr().out
    assert "clips: 12 clips (demo 12) of 4 subjects" in output
    assert "train roi_cnn: 4 folds on 1 process" in output
    assert "fold 4/4 demo/sub04#0" in output
    experiments = [experiment.name for experiment in connect(project).search_experiments()]
    assert sorted(experiments) == ["Default", "tiny · casme2-4"]
    assert {path.name for path in (project / "mlruns").iterdir()} == {"mlflow.db", "artifacts", ".lock"}


@pytest.mark.slow
def test_the_same_stages_process_published_flow_maps(
    project: Path, write_maps: WriteMaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_maps({"sub01": 4, "sub02": 4, "sub03": 4, "s01": 4, "s02": 4, "s03": 4})
    (project / "flow_maps").rename(project / "data" / "flow_maps")
    set_params("clips", name="maps", corpora=["flow_maps"], scheme="megc2019-3")
    set_params("faces", method="whole", regions="grid-28", size_px=28)
    set_params("flow", method="published")
    for stage in ("clips", "faces", "flow"):
        assert run(monkeypatch, stage) == 0
    train(monkeypatch, "majority", "linear_svm", "roi_cnn")
    assert run(monkeypatch, "report") == 0
    corpora = json.loads(Path("results/maps/reports/scores.json").read_text())["models"]["roi_cnn"]["corpora"]
    assert {name: scores["clips"] for name, scores in corpora.items()} == {"casme2": 12, "smic": 12}


def damage_frames() -> None:
    for frame in Path("data/demo").rglob("reg_img*"):
        frame.write_bytes(b"no image")


@pytest.mark.parametrize(
    ("cause_fault", "command", "values"),
    [
        (lambda: None, ["flow", "--contact-sheet"], ("faces.json", "`dvc repro`")),
        (lambda: set_params("faces", sizepx=3), ["faces"], ("params.yaml: faces.sizepx",)),
        (lambda: Path("params.yaml").unlink(), ["clips"], ("params.yaml",)),
        (lambda: set_params("clips", root="data/nowhere"), ["clips"], ("CASME2-coding-*.xlsx", "data/nowhere")),
        (lambda: None, ["train", "resnet"], ("'resnet'",)),
        (lambda: None, ["flow"], ("faces.json", "`dvc repro`")),
        (lambda: damage_frames(), ["faces"], ("reg_img", "clips.exclude")),
    ],
)
def test_a_wrong_input_gives_one_line_and_exit_code_2(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cause_fault: Callable[[], None],
    command: list[str],
    values: tuple[str, ...],
) -> None:
    run(monkeypatch, "clips")
    cause_fault()
    capsys.readouterr()
    assert run(monkeypatch, *command) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("microfacial: ")
    assert [value for value in values if value not in message] == []


def test_a_folder_that_cannot_be_written_gives_one_line_and_exit_code_2(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "results").touch()
    assert run(monkeypatch, "clips") == 2
    assert "microfacial: Not a directory: results" in capsys.readouterr().err


def test_the_help_lists_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    output = capsys.readouterr().out
    stages = ("code", "clips", "faces", "flow", "train", "report")
    models = ("register", "promote", "rollback", "lineage", "predict", "spot")
    others = ("compare", "ablate", "study", "init", "repro", "demo", "doctor", "ui", "sync")
    assert [name for name in (*stages, *models, *others) if f"  {name} " not in output] == []


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_command_works_without_an_output_stream(project: Path, monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    """Python has None for a stream that the caller closed, as a shell does with `2>&-`."""
    monkeypatch.setattr(sys, stream, None)
    assert run(monkeypatch, "clips") == 0
    assert len(read_rows(project / "results" / "tiny" / "clips.csv")) == 12
    getattr(sys, stream).close()
