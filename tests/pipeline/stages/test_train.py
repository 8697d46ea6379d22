import json
from pathlib import Path

import numpy as np
import pytest
import torch

from command_line import read_rows, run, set_params, train
from microfacial.evaluation import fold_cache
from microfacial.evaluation.result_files import read_evaluation
from microfacial.models.prior import PRIOR_SHA256
from microfacial.records import ORACLE
from microfacial.tracking.run_records import read_identity


def test_runs_carry_the_digest_of_the_motion_prior_if_the_model_uses_it(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params("models", majority={}, motion_prior={})
    train(monkeypatch, "majority", "motion_prior")
    results = project_with_flow / "results" / "tiny" / "train"
    digests = [read_identity(results / model).motion_prior for model in ("majority", "motion_prior")]
    assert digests == ["", PRIOR_SHA256]


def test_an_added_repetition_does_not_train_finished_folds_again(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(monkeypatch, "roi_cnn")
    cache = project_with_flow / ".microfacial" / "tiny" / "folds" / "roi_cnn"
    first = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")}
    set_params("train", repeats=2, bootstrap_draws=200)
    train(monkeypatch, "roi_cnn")
    assert len(list(cache.rglob("*.npz"))) == 8
    assert {path: path.stat().st_mtime_ns for path in first} == first
    predictions = read_rows(project_with_flow / "results/tiny/train/roi_cnn/predictions.csv")
    assert [row["repeat"] for row in predictions] == ["0"] * 12 + ["1"] * 12


@pytest.mark.parametrize("model", ["majority", "linear_svm", "logistic_regression"])
def test_a_model_that_ignores_the_seed_is_fitted_and_counted_once(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    set_params("models", logistic_regression={})
    folder = project_with_flow / "results/tiny/train" / model
    train(monkeypatch, model)
    assert "1 repetition" not in capsys.readouterr().out
    cache = project_with_flow / ".microfacial" / "tiny" / "folds" / model
    stored = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")}
    once = {path.name: path.read_bytes() for path in folder.iterdir()}
    set_params("train", repeats=5)
    train(monkeypatch, model)
    assert f"train {model}: 1 repetition, not 5" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")} == stored
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == once
    evaluation = read_evaluation(folder)
    assert (evaluation.repeats, evaluation.uf1_sd, np.sum(evaluation.overall.confusion)) == (1, 0, 12)


def test_folds_of_another_torch_or_precision_are_not_reused(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arithmetic in ({"torch": "1"}, {"torch": "2"}, {"torch": "2", "precision": "bfloat16"}, {"torch": "2"}):
        monkeypatch.setattr(fold_cache, "arithmetic", lambda *_, value=arithmetic: value)
        train(monkeypatch, "majority")
    assert len(list((project_with_flow / ".microfacial" / "tiny" / "folds" / "majority").iterdir())) == 3


def test_finished_folds_are_not_trained_again_but_changed_settings_are(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With this encoder, each fold is a chunk of its own.
    set_params("models", roi_cnn={"input_px": 16, "widths": [8, 8, 8, 8], "encoder": "conv", "epochs": 3})
    train(monkeypatch, "roi_cnn")
    cache = project_with_flow / ".microfacial" / "tiny" / "folds" / "roi_cnn"
    folds = sorted(cache.rglob("*.npz"))
    first = [path.stat().st_mtime_ns for path in folds]
    predictions = project_with_flow / "results/tiny/train/roi_cnn/predictions.csv"
    before = predictions.read_bytes()

    folds[0].unlink()
    train(monkeypatch, "roi_cnn")
    assert [path.stat().st_mtime_ns for path in folds[1:]] == first[1:]
    assert predictions.read_bytes() == before

    set_params("train", validation_folds=2)
    train(monkeypatch, "roi_cnn")
    assert sorted(len(list(folder.iterdir())) for folder in cache.iterdir()) == [4, 4]
    assert [path.stat().st_mtime_ns for path in folds[1:]] == first[1:]


def test_checkpoints_and_the_oracle_leave_the_results_unchanged(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project_with_flow / "results/tiny/train/roi_cnn"
    train(monkeypatch, "roi_cnn")
    # run.json contains the settings, so it changes with them.
    results = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.json"}
    set_params("train", oracle=True, checkpoints=True)
    train(monkeypatch, "majority", "linear_svm", "roi_cnn")
    extra = {path.name for path in folder.iterdir()} - results.keys() - {"run.json"}
    assert extra == {"oracle.json", "checkpoints"}
    assert {name: (folder / name).read_bytes() for name in results} == results
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
        f"demo-sub0{number}#0.npz" for number in (1, 2, 3, 4)
    ]
    oracle = json.loads((folder / "oracle.json").read_text())
    assert oracle["note"] == ORACLE
    assert not (project_with_flow / "results/tiny/train/majority/oracle.json").exists()
    assert run(monkeypatch, "report") == 0
    page = (project_with_flow / "results/tiny/reports/index.html").read_text()
    assert page.count(ORACLE) == 1
    assert f"UF1 {oracle['oracle_uf1']:.3f}" in page
    for name in ("metrics.json", "scores.json"):
        assert "oracle" not in (project_with_flow / "results/tiny/reports" / name).read_text()


def test_a_list_of_held_out_subjects_that_the_protocol_ignores_is_named(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params("train", protocol="holdout", holdout=["demo/sub01"], validation_folds=2)
    train(monkeypatch, "majority")
    assert "train.holdout" not in capsys.readouterr().err
    set_params("train", protocol="loso")
    train(monkeypatch, "majority")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "train.holdout" in line]
    assert "loso" in line


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ({"protocol": "leave-one-dataset-out"}, ("leave-one-dataset-out", "at least 2", "only demo")),
        ({"protocol": "holdout"}, ("train.holdout",)),
        ({"protocol": "holdout", "holdout": ["demo/sub99"]}, ("train.holdout", "demo/sub99")),
    ],
)
def test_a_protocol_that_does_not_fit_the_data_gives_one_line_and_exit_code_2(
    project_with_flow: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, object],
    values: tuple[str, ...],
) -> None:
    set_params("train", **settings)
    assert run(monkeypatch, "train", "majority", "--processes", "1") == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("microfacial: ")
    assert [value for value in values if value not in message] == []


@pytest.mark.parametrize("model", ["majority", "roi_cnn"])
@pytest.mark.parametrize("device", ["cuda", "mps", "tpu"])
def test_a_device_that_the_machine_lacks_ends_in_one_line(
    project_with_flow: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: str,
    device: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    set_params("train", device=device)
    assert run(monkeypatch, "train", model) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "train.device" in error
    assert device in error


def test_the_device_auto_gives_the_files_of_the_processor(
    project_with_flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    folder = project_with_flow / "results/tiny/train/roi_cnn"
    train(monkeypatch, "roi_cnn")
    names = ("predictions.csv", "folds.csv", "history.csv", "evaluation.json")
    before = {name: (folder / name).read_bytes() for name in names}
    cache = project_with_flow / ".microfacial" / "tiny" / "folds" / "roi_cnn"
    stored = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")}
    set_params("train", device="auto")
    train(monkeypatch, "roi_cnn")
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.npz")} == stored


@pytest.mark.parametrize("command", [("predict", "a.avi", "--model", "bundle"), ("pretrain",)])
def test_the_option_device_is_checked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *command, "--device", "cuda") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--device" in error
    assert list(tmp_path.iterdir()) == []
