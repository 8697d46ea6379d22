"""Trained models that predict clips."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import take_clips
from microfacial.errors import ConfigError, DatasetError, StorageError
from microfacial.evaluation.experiment import Data
from microfacial.files import read_csv
from microfacial.inference.predict import load_fold, restore_model
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import train
from microfacial.preprocessing.faces import FacesConfig
from microfacial.records import Clip


def test_a_loaded_fold_predicts_a_clip_as_it_did_in_the_protocol(
    trained: tuple[Path, NDArray[np.float64]], data: Data, clip: Clip, folder: Path
) -> None:
    path, expected = trained
    fold = load_fold(path)
    probabilities = fold.predict_clip(folder, clip.onset, clip.apex, clip.offset)
    assert tuple(probabilities) == data.classes
    assert list(probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert fold.model == "roi_cnn"


def test_the_train_stage_writes_the_files_that_a_fold_is_loaded_from(
    project: Path, computed: Path, clip: Clip, folder: Path
) -> None:
    shutil.copytree(computed / "results", project / "results")
    params = Path("params.yaml").read_text().replace("protocol: loso", "protocol: loso, checkpoints: true")
    Path("params.yaml").write_text(params)
    train.run_train(open_project(), "roi_cnn", processes=1)
    out = Path("results/tiny/train/roi_cnn")
    row = next(row for row in read_csv(out / "predictions.csv") if row["clip"] == clip.id)
    fold = load_fold(out / "checkpoints" / "demo-sub01#0.npz")
    probabilities = fold.predict_clip(folder, clip.onset, clip.apex, clip.offset)
    assert probabilities == pytest.approx({label: float(row[f"p_{label}"]) for label in probabilities}, abs=1e-6)


def test_inputs_of_another_shape_are_refused(
    trained: tuple[Path, NDArray[np.float64]], clip: Clip, folder: Path
) -> None:
    fold = replace(load_fold(trained[0]), faces=FacesConfig(regions="facs-8", size_px=56))
    with pytest.raises(DatasetError, match=r"\(\d, 3, 16, 16\).* roi_cnn .*\(\d, 3, 16, 16\)"):
        fold.predict_clip(folder, clip.onset, clip.apex)


@pytest.mark.parametrize("count", [0, 2])
def test_a_store_without_exactly_one_clip_is_refused(
    trained: tuple[Path, NDArray[np.float64]], data: Data, count: int
) -> None:
    with pytest.raises(DatasetError, match=rf"predict_store .*found {count}\b"):
        load_fold(trained[0]).predict_store(take_clips(data.store, count))


@pytest.mark.parametrize("device", ["x", "mps", "cuda:999"])
def test_a_device_that_is_missing_is_refused(
    trained: tuple[Path, NDArray[np.float64]], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ConfigError, match=f"device: .*{device}"):
        load_fold(trained[0]).to(device)


def test_a_missing_fold_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"evaluation\.json"):
        load_fold(tmp_path / "checkpoints" / "fold.npz")


def test_an_unknown_variant_is_named_with_its_file() -> None:
    with pytest.raises(ConfigError, match=r"bundle\.json: models\.roi_cnm .*roi_cnn"):
        restore_model({"models": {"roi_cnm": {}}}, ("x",), [], Path("bundle.json"))
