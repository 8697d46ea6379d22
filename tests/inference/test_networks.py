"""Untrained networks, and the inputs of the hybrid network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from microfacial.errors import ConfigError
from microfacial.evaluation.experiment import Data
from microfacial.inference.networks import HybridInputs, create_model, hybrid_inputs
from microfacial.inference.read import read_clip
from microfacial.models import MODELS, Network
from microfacial.models.presets import resolve
from microfacial.records import Clip

NETWORKS = [name for name, variant in MODELS.items() if isinstance(variant, Network)]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_accepts_the_inputs_of_the_demo(name: str, data: Data) -> None:
    settings = MODELS[name].settings()
    inputs = torch.from_numpy(MODELS[name].make_inputs(data.store, settings).values[:2])
    logits = create_model(name, classes=3).eval()(inputs)
    assert logits.shape == (2, 3)


def test_settings_change_the_network() -> None:
    narrow = create_model("roi_cnn", widths=(8, 8, 8, 16), shape=(5, 3, 28, 28), classes=3)
    assert isinstance(narrow, nn.Module)
    assert narrow(torch.zeros(1, 5, 3, 28, 28)).shape == (1, 3)
    linear = [layer for layer in narrow.modules() if isinstance(layer, nn.Linear)]
    assert linear[-1].in_features == 5 * 16


def test_the_preset_mission_has_the_size_of_the_mission_s_network() -> None:
    assert sum(weights.numel() for weights in create_model("roi_cnn", preset="mission").parameters()) == 391_972


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("roi_cnm", {}, "'roi_cnm'.*roi_cnn"),
        ("majority", {}, "'majority'.*roi_cnn"),
        ("roi_cnn", {"dropuot": 0.1}, "^roi_cnn.dropuot: "),
        ("roi_cnn", {"dropout": 2.0}, "^roi_cnn.dropout: .*2.0"),
        ("roi_cnn", {"preset": "huge"}, "^roi_cnn.preset: .*'huge'.* default, mission"),
    ],
)
def test_a_wrong_name_or_setting_is_named_in_one_line(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        create_model(name, **settings)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


# --- inputs of the hybrid ---------------------------------------------------------------------------------------------


def test_join_puts_onset_to_apex_before_the_windows() -> None:
    apex, windows = torch.rand(1, 3, 2, 4, 4), torch.rand(1, 4, 3, 2, 4, 4)
    joined = HybridInputs(apex, windows).join()
    assert joined.shape == (1, 5, 3, 2, 4, 4)
    assert torch.equal(joined[:, 0], apex)
    assert torch.equal(joined[:, 1:], windows)


@pytest.mark.parametrize("others", [0, 1])
def test_join_does_not_add_onset_to_apex_twice(others: int) -> None:
    windows = torch.rand(1, 1 + others, 3, 2, 4, 4)
    assert torch.equal(HybridInputs(windows[:, 0], windows).join(), windows)


@pytest.mark.parametrize(
    ("per_phase", "count"),
    [({"windows_per_phase": 2}, 4), ({"windows_per_phase": 1}, 2), ({"windows_per_phase": 0}, 1)],
)
def test_hybrid_inputs_are_the_inputs_of_the_variant(
    per_phase: dict[str, Any], count: int, folder: Path, clip: Clip
) -> None:
    inputs = hybrid_inputs(folder, clip.onset, clip.apex, clip.offset, **per_phase)
    assert inputs.windows.shape[:2] == (1, count)
    store = read_clip(folder, clip.onset, clip.apex, clip.offset)
    expected = MODELS["hybrid"].make_inputs(store, resolve("hybrid", per_phase, "hybrid"))
    assert np.array_equal(inputs.join().numpy(), expected.values)
    assert np.array_equal(inputs.apex.numpy(), expected.values[:, 0])
    assert create_model("hybrid", **per_phase)(inputs.join()).shape == (1, 4)


def test_without_an_offset_the_only_window_is_onset_to_apex(folder: Path, clip: Clip) -> None:
    inputs = hybrid_inputs(folder, clip.onset, clip.apex)
    assert torch.equal(inputs.windows, inputs.apex[:, None])
    assert create_model("hybrid", windows_per_phase=0)(inputs.join()).shape == (1, 4)


def test_a_hybrid_without_a_graph_takes_only_the_windows(folder: Path, clip: Clip) -> None:
    inputs = hybrid_inputs(folder, clip.onset, clip.apex, clip.offset, graph=False)
    assert create_model("hybrid", graph=False)(inputs.windows).shape == (1, 4)


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("mlp", {"classes": 0}, "0"),
        ("mlp", {"classes": 10**9}, "1000000000"),
        ("mlp", {"shape": ()}, r"\(\)"),
        ("mlp", {"shape": (3, -1, 14)}, "-1"),
        ("mlp", {"shape": (10**6, 10**6)}, "1000000"),
        ("mlp", {"classes": "happiness"}, "'happiness'"),
        ("mlp", {"classes": ["a", "a"]}, "'a', 'a'"),
        ("mlp", {"classes": ["a", ""]}, "''"),
        ("mlp", {"classes": ["a", 1]}, "1"),
        ("mlp", {"classes": 2.5}, r"2\.5"),
        ("mlp", {"classes": True}, "True"),
        ("mlp", {"classes": np.array(3)}, "array"),
        ("mlp", {"shape": 28}, "28"),
        ("mlp", {"shape": np.array([2.0, 28.0])}, "array"),
        ("roi_cnn", {"shape": (3,)}, r"\(3,\)"),
        ("hybrid", {"shape": (3, 28)}, r"\(3, 28\)"),
    ],
)
def test_a_shape_or_number_of_classes_that_no_network_has_is_refused(
    name: str, arguments: dict[str, Any], value: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: .*{value}") as raised:
        create_model(name, **arguments)
    assert "\n" not in str(raised.value)


def test_numbers_of_numpy_are_accepted() -> None:
    arguments: dict[str, Any] = {"shape": np.array([2, 14, 14]), "classes": np.int64(3)}
    assert create_model("mlp", **arguments).eval()(torch.zeros(1, 2, 14, 14)).shape == (1, 3)


def test_a_network_that_starts_from_the_prior_needs_the_names_of_its_classes() -> None:
    maps = torch.randn(2, 2, 28, 28)
    names = ("happiness", "disgust", "surprise")
    named, counted = (create_model("mlp", preset="from_prior", classes=classes).eval() for classes in (names, 3))
    assert named(maps).std(dim=1).min() > 0.01
    assert counted(maps).std(dim=1).max() < 1e-6
