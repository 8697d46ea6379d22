"""Clips that users bring, and models to show them to."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from microfacial import (
    MODELS,
    FacesConfig,
    FlowConfig,
    create_model,
    files,
    hybrid_inputs,
    load_fold,
    read_clip,
)
from microfacial.errors import ConfigError, DatasetError, NoFaceError, StorageError
from microfacial.evaluation.experiment import Data, load_data
from microfacial.inference.predict import HybridInputs
from microfacial.models import Network
from microfacial.pipeline.config import load
from microfacial.pipeline.project import open_project
from microfacial.pipeline.stages import train
from microfacial.records import ONSET_APEX, Clip, FaceStore

NETWORKS = [name for name, variant in MODELS.items() if isinstance(variant, Network)]


@pytest.fixture(scope="module")
def data(computed: Path) -> Data:
    return load_data(computed)


@pytest.fixture(scope="module")
def clip(data: Data) -> Clip:
    return data.clips[0]


@pytest.fixture(scope="module")
def folder(computed: Path, clip: Clip) -> Path:
    return (computed / "data" / clip.frames).parent


@pytest.fixture
def settings(computed: Path) -> tuple[FacesConfig, FlowConfig]:
    config = load(computed / "params.yaml")
    return config.faces, config.flow


def read(folder: Path, settings: tuple[FacesConfig, FlowConfig], *moments: int, fps: float | None = None) -> FaceStore:
    return read_clip(folder, *moments, fps=fps, faces=settings[0], flow=settings[1])


def test_the_package_loads_nothing_before_it_is_used() -> None:
    heavy = "import sys, microfacial; print({'torch', 'cv2', 'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_name_of_the_package_is_there() -> None:
    import microfacial

    assert all(getattr(microfacial, name) is not None for name in microfacial.__all__)
    assert set(microfacial.__all__) <= set(dir(microfacial))
    with pytest.raises(AttributeError, match="no attribute 'creat_model'"):
        microfacial.creat_model  # type: ignore[attr-defined]  # noqa: B018


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_the_inputs_of_the_demo(name: str, data: Data) -> None:
    settings = MODELS[name].settings()
    seen = torch.from_numpy(MODELS[name].make_inputs(data.store, settings).values[:2])
    logits = create_model(name, classes=3).eval()(seen)
    assert logits.shape == (2, 3)


def test_settings_make_the_network() -> None:
    narrow = create_model("roi_cnn", widths=(8, 8, 8, 16), shape=(5, 3, 28, 28), classes=3)
    assert isinstance(narrow, nn.Module)
    assert narrow(torch.zeros(1, 5, 3, 28, 28)).shape == (1, 3)
    linear = [layer for layer in narrow.modules() if isinstance(layer, nn.Linear)]
    assert linear[-1].in_features == 5 * 16


def test_the_mission_s_network_is_a_preset() -> None:
    assert sum(weights.numel() for weights in create_model("roi_cnn", preset="mission").parameters()) == 391_972


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("roi_cnm", {}, "'roi_cnm' is no network; networks are .*roi_cnn"),
        ("majority", {}, "'majority' is no network; networks are .*roi_cnn"),
        ("roi_cnn", {"dropuot": 0.1}, "^roi_cnn.dropuot: no such key; check its spelling$"),
        ("roi_cnn", {"dropout": 2.0}, "^roi_cnn.dropout: input should be less than 1, found 2.0$"),
        ("roi_cnn", {"preset": "huge"}, "^roi_cnn.preset: no 'huge'; choose from default, mission$"),
    ],
)
def test_a_wrong_name_or_setting_is_one_line(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_model(name, **settings)  # type: ignore[arg-type]


# --- clips ------------------------------------------------------------------------------------------------------------


def test_a_clip_is_read_as_the_pipeline_reads_it(
    data: Data, clip: Clip, folder: Path, settings: tuple[FacesConfig, FlowConfig]
) -> None:
    read_alone = read(folder, settings, clip.onset, clip.apex, clip.offset)
    assert np.array_equal(read_alone.flow[0], data.store.flow[0])
    assert np.array_equal(read_alone.crops[0], data.store.crops[0])
    assert np.array_equal(read_alone.boxes[0], data.store.boxes[0])
    assert (read_alone.windows, read_alone.regions) == (data.store.windows, data.store.regions)


def test_without_an_offset_there_is_onset_to_apex_alone(
    data: Data, clip: Clip, folder: Path, settings: tuple[FacesConfig, FlowConfig]
) -> None:
    short = read(folder, settings, clip.onset, clip.apex)
    assert short.windows == (ONSET_APEX,)
    assert np.array_equal(short.flow[0, 0], data.store.flow[0, data.store.windows.index(ONSET_APEX)])


def test_an_apex_is_spotted_between_onset_and_offset(
    clip: Clip, folder: Path, settings: tuple[FacesConfig, FlowConfig]
) -> None:
    spotted = read_clip(folder, clip.onset, None, clip.offset, fps=200.0, faces=settings[0], flow=settings[1])
    assert len(spotted.windows) == 5


def test_all_moments_are_spotted_where_none_is_given(
    folder: Path, settings: tuple[FacesConfig, FlowConfig], monkeypatch: pytest.MonkeyPatch, clip: Clip
) -> None:
    """What spotting finds has its own tests; that all frames get there, and its answer is used, is shown here."""
    asked = []

    def spot(frames: dict[int, object], fps: float, **skin: object) -> Clip:
        asked.append((tuple(frames), fps))
        return clip  # which has an onset, an apex and an offset

    monkeypatch.setattr("microfacial.inference.predict.spot_interval", spot)
    found = read(folder, settings, fps=100.0)
    assert asked == [(clip.numbers, 100.0)]
    assert np.array_equal(found.flow, read(folder, settings, clip.onset, clip.apex, clip.offset).flow)


@pytest.mark.parametrize(
    ("moments", "fps", "message"),
    [
        ((), None, "frame rate is unknown, and spotting needs it. Give fps"),
        ((1,), 200.0, "Give onset and apex, onset and offset, or none of them"),
        ((1, 2), None, "has no frame 1: it has"),
        ((-1, -2), None, "must follow one another"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    folder: Path, clip: Clip, moments: tuple[int, ...], fps: float | None, message: str
) -> None:
    existing = tuple(clip.numbers[n] if n < 0 else n for n in moments)
    with pytest.raises(DatasetError, match=message):
        read_clip(folder, *existing, fps=fps)


def test_a_clip_without_a_face_is_refused(folder: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microfacial.preprocessing.alignment.find_landmarks", lambda _: None)
    with pytest.raises(NoFaceError, match=f"no face was found in frame {clip.onset}"):
        read_clip(folder, clip.onset, clip.apex)


# --- the hybrid's inputs ----------------------------------------------------------------------------------------------


def test_the_apex_is_joined_before_the_windows() -> None:
    apex, windows = torch.rand(1, 3, 2, 4, 4), torch.rand(1, 4, 3, 2, 4, 4)
    joined = HybridInputs(apex, windows).join()
    assert joined.shape == (1, 5, 3, 2, 4, 4)
    assert torch.equal(joined[:, 0], apex)
    assert torch.equal(joined[:, 1:], windows)


@pytest.mark.parametrize("others", [0, 1])
def test_onset_to_apex_is_not_joined_twice(others: int) -> None:
    windows = torch.rand(1, 1 + others, 3, 2, 4, 4)
    assert torch.equal(HybridInputs(windows[:, 0], windows).join(), windows)


@pytest.mark.parametrize(
    ("per_phase", "count"),
    [({"windows_per_phase": 2}, 4), ({"windows_per_phase": 1}, 2), ({"windows_per_phase": 0}, 1)],
)
def test_the_hybrid_takes_a_clip_in_one_call(per_phase: dict[str, Any], count: int, folder: Path, clip: Clip) -> None:
    seen = hybrid_inputs(folder, clip.onset, clip.apex, clip.offset, **per_phase)
    assert seen.windows.shape[:2] == (1, count)
    store = read_clip(folder, clip.onset, clip.apex, clip.offset)
    inputs = MODELS["hybrid"].make_inputs(store, MODELS["hybrid"].settings(**per_phase))
    assert np.array_equal(seen.join().numpy(), inputs.values)
    assert np.array_equal(seen.apex.numpy(), inputs.values[:, 0])
    assert create_model("hybrid", **per_phase)(seen.join()).shape == (1, 4)


def test_without_an_offset_the_only_window_is_onset_to_apex(folder: Path, clip: Clip) -> None:
    seen = hybrid_inputs(folder, clip.onset, clip.apex)
    assert torch.equal(seen.windows, seen.apex[:, None])
    assert create_model("hybrid", windows_per_phase=0)(seen.join()).shape == (1, 4)


def test_a_hybrid_without_a_graph_takes_the_windows_alone(folder: Path, clip: Clip) -> None:
    seen = hybrid_inputs(folder, clip.onset, clip.apex, clip.offset, graph=False)
    assert create_model("hybrid", graph=False)(seen.windows).shape == (1, 4)


# --- trained folds ----------------------------------------------------------------------------------------------------


def test_a_trained_fold_predicts_a_clip_as_it_did_in_the_protocol(
    trained: tuple[Path, NDArray[np.float64]], data: Data, clip: Clip, folder: Path
) -> None:
    path, expected = trained
    fold = load_fold(path)
    found = fold.predict_clip(folder, clip.onset, clip.apex, clip.offset)
    assert tuple(found) == data.classes
    assert list(found.values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert fold.model == "roi_cnn"


def test_the_stage_keeps_what_a_fold_is_loaded_from(project: Path, computed: Path, clip: Clip, folder: Path) -> None:
    shutil.copytree(computed / "results", project / "results")
    params = Path("params.yaml").read_text().replace("protocol: loso", "protocol: loso, checkpoints: true")
    Path("params.yaml").write_text(params)
    train.run_train(open_project(), "roi_cnn", processes=1)
    out = Path("results/tiny/train/roi_cnn")
    written = next(row for row in files.read_csv(out / "predictions.csv") if row["clip"] == clip.id)
    found = load_fold(out / "checkpoints" / "demo-sub01#0.npz").predict_clip(folder, clip.onset, clip.apex, clip.offset)
    assert found == pytest.approx({label: float(written[f"p_{label}"]) for label in found}, abs=1e-6)


def test_a_clip_of_other_regions_is_refused(
    trained: tuple[Path, NDArray[np.float64]], clip: Clip, folder: Path
) -> None:
    fold = replace(load_fold(trained[0]), faces=FacesConfig(regions="facs-8", size_px=56))
    with pytest.raises(DatasetError, match=r"inputs are \(\d, 3, 16, 16\), but roi_cnn was trained on"):
        fold.predict_clip(folder, clip.onset, clip.apex)


def test_a_fold_that_was_not_kept_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"settings\.json is missing"):
        load_fold(tmp_path / "checkpoints" / "fold.npz")


def test_a_clip_is_not_read_as_a_map(folder: Path) -> None:
    with pytest.raises(ConfigError, match="for maps"):
        read_clip(folder, flow=FlowConfig(method="published"))
