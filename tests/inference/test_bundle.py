"""Bundles: they predict as the written model did, and contain no executable code."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from fake_bundles import Settings, write_fitted_bundle
from fakes import take_clips
from microfacial.errors import MicrofacialError, StorageError
from microfacial.evaluation.experiment import Data
from microfacial.inference.bundle import BUNDLE, find_bundle, measure_weights, read_bundle, write_bundle
from microfacial.inference.cost import measure_costs
from microfacial.inference.example_input import make_example_map
from microfacial.inference.request import open_requested_clip
from microfacial.models import MODELS
from microfacial.records import FloatArray, History


def write_without_digests(folder: Path, facts: dict[str, Any]) -> None:
    """Write the facts of a bundle as earlier releases did, which stored no digests."""
    (folder / "SHA256SUMS").unlink()
    (folder / "bundle.json").write_text(json.dumps({name: facts[name] for name in facts if name != "digests"}))


@pytest.mark.parametrize("model", MODELS)
def test_a_bundle_predicts_as_the_written_model_to_the_last_bit(
    model: str, data: Data, settings: Settings, tmp_path: Path
) -> None:
    samples, (expected,) = write_fitted_bundle(tmp_path / "bundle", model, data, settings)
    restored = read_bundle(tmp_path / "bundle")
    assert (restored.model, restored.classes, restored.shape) == (model, data.classes, samples.inputs.shape[1:])
    assert np.array_equal(restored.fitted[0].predict(samples.inputs), expected)


@pytest.mark.parametrize("model", ["hybrid", "roi_graph"])
def test_a_bundle_weighs_all_regions_that_its_model_reads(
    model: str, data: Data, settings: Settings, tmp_path: Path
) -> None:
    write_fitted_bundle(tmp_path / "bundle", model, data, settings)
    restored = read_bundle(tmp_path / "bundle")
    weights = restored.weigh_regions(take_clips(data.store, 1))
    assert tuple(weights) == MODELS[model].make_inputs(data.store, restored.settings).regions
    assert sum(weights.values()) == pytest.approx(1.0)


def test_a_bundle_is_json_and_arrays_and_equal_models_give_equal_bytes(
    data: Data, settings: Settings, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        write_fitted_bundle(tmp_path / name, "roi_cnn", data, settings)
    first, second = tmp_path / "first", tmp_path / "second"
    assert sorted(path.name for path in first.iterdir()) == ["SHA256SUMS", "bundle.json", "weights.safetensors"]
    for file in ("bundle.json", "weights.safetensors", "SHA256SUMS"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    arrays = load_file(first / "weights.safetensors")
    assert all(array.dtype.kind in "fi" for array in arrays.values())
    assert measure_weights(first) > sum(array.nbytes for array in arrays.values())
    assert json.loads((first / "bundle.json").read_text())["classes"] == list(data.classes)


def test_several_models_in_a_bundle_predict_their_mean(
    data: Data, settings: Settings, tmp_path: Path, folder: Path
) -> None:
    _, expected = write_fitted_bundle(tmp_path / "bundle", "roi_cnn", data, settings, seeds=(1, 2))
    clip = data.clips[0]
    probabilities = read_bundle(tmp_path / "bundle").predict_clip(folder, clip.onset, clip.apex, clip.offset)
    assert list(probabilities.values()) == pytest.approx(np.mean(expected, axis=0)[0].tolist(), abs=1e-6)
    assert not np.allclose(expected[0][0], expected[1][0])


def test_a_model_of_published_maps_predicts_a_map(tmp_path: Path, data: Data, settings: Settings) -> None:
    write_fitted_bundle(tmp_path / "bundle", "majority", data, settings)
    facts = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    facts["trained_with"] |= {
        "faces": {"method": "whole", "regions": "grid-28", "size_px": 28},
        "flow": {"method": "published"},
    }
    write_without_digests(tmp_path / "bundle", facts)
    with open_requested_clip(make_example_map()["clip"]) as path:
        probabilities = read_bundle(tmp_path / "bundle").predict_clip(path)
    assert sum(probabilities.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["bundle.json", "weights.safetensors", "SHA256SUMS"])
@pytest.mark.parametrize("place", [0, 7, 0.5, -1])
def test_one_flipped_bit_anywhere_is_refused_with_the_file(
    bundle: Path, tmp_path: Path, name: str, place: float
) -> None:
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(StorageError, match=r"SHA256SUMS.*microfacial register MODEL") as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["bundle.json", "weights.safetensors", "SHA256SUMS"])
@pytest.mark.parametrize("content", [None, b"", b"cut", b"[]", b"{}", b"\xe9"])
def test_a_missing_or_replaced_file_is_refused_by_its_name(
    bundle: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(StorageError, match=name):
        read_bundle(folder)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_without_digests_too(
    bundle: Path, tmp_path: Path, value: float
) -> None:
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    write_without_digests(folder, json.loads((folder / "bundle.json").read_text()))
    assert read_bundle(folder).model == "linear_svm"
    arrays = load_file(folder / "weights.safetensors")
    name = next(name for name, array in arrays.items() if array.dtype.kind == "f")
    arrays[name].flat[0] = value
    save_file(arrays, folder / "weights.safetensors")
    with pytest.raises(StorageError, match=rf"weights\.safetensors is damaged \({name}"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "1"}, "count"),
        ({"classes": "xy"}, "classes"),
        ({"text": []}, "text"),
        ({"trained_with": {}}, "models"),
        ({"trained_with": {"models": {"linear_svm": {}}}}, "faces"),
        ({"trained_with": {"faces": {}, "flow": {}, "models": []}}, "models"),
        ({"trained_with": {"faces": {}, "flow": {}, "models": {"a": {}, "b": {}}}}, "models"),
        ({"trained_with": {"faces": [], "flow": {}, "models": {"linear_svm": {}}}}, "faces"),
        ({"trained_with": {"faces": {}, "flow": {}, "models": {"mlp": {}}}}, "weights do not fit"),
        ({"count": 0}, "1 checkpoints"),
        ({"count": 10**12}, "1 checkpoints"),
        ({"surplus": 1}, "surplus"),
        ({"classes": []}, "classes"),
        ({"classes": ["x", "x", "y", "z"]}, "x, x, y, z"),
        ({"classes": list("abcdefg")}, "7 classes"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": -1.5}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
    ],
)
def test_facts_that_do_not_describe_the_weights_are_refused(
    bundle: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    write_without_digests(folder, {**json.loads((folder / "bundle.json").read_text()), **change})
    with pytest.raises(MicrofacialError, match=rf"bundle\.json.*{message}"):
        read_bundle(folder)


def test_a_bundle_whose_predictions_are_no_probabilities_is_damaged(
    tmp_path: Path,
) -> None:
    checkpoint = {"frequencies": np.array([0.3, -70.0]), "shape": np.array([0])}
    sections: dict[str, Any] = {"faces": {}, "flow": {}, "models": {"majority": {}}}
    write_bundle(tmp_path / "bundle", sections, ("x", "y"), [checkpoint])
    with pytest.raises(StorageError, match="no probabilities"):
        read_bundle(tmp_path / "bundle")


@pytest.mark.parametrize("values", [[np.nan, np.nan], [0.5, np.inf], [0.3, -70.0], [3.0, 7.0], [-5.0, 6.0]])
def test_predictions_that_are_no_probabilities_are_refused(
    bundle: Path, data: Data, folder: Path, values: list[float]
) -> None:
    model = read_bundle(bundle)

    class Broken:
        chosen, history = "", History()

        def predict(self, inputs: NDArray[np.float32]) -> FloatArray:
            return np.array([values] * len(inputs))

        def checkpoint(self) -> dict[str, NDArray[Any]]:
            return {}

    clip = data.clips[0]
    with pytest.raises(StorageError, match="linear_svm"):
        replace(model, fitted=(Broken(),)).predict_clip(folder, clip.onset, clip.apex, clip.offset)


def test_a_bundle_with_its_former_name_and_former_keys_is_still_readable(
    data: Data, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "artifacts" / "pack"
    samples, (expected,) = write_fitted_bundle(folder, "roi_cnn", data, settings)
    facts = json.loads((folder / "bundle.json").read_text())
    section = facts["trained_with"]["models"]["roi_cnn"]
    section["hold_back"] = section.pop("early_stopping")
    facts["trained_with"]["faces"]["rois"] = facts["trained_with"]["faces"].pop("regions")
    write_without_digests(folder, facts)
    (folder / "bundle.json").rename(folder / "pack.json")
    assert find_bundle(tmp_path) == folder
    restored = read_bundle(folder)
    assert restored.faces == settings[0]
    assert np.array_equal(restored.fitted[0].predict(samples.inputs), expected)


def test_a_version_without_a_folder_of_the_former_name_has_the_present_one(tmp_path: Path) -> None:
    assert find_bundle(tmp_path) == tmp_path / BUNDLE


def test_costs_are_measured_for_each_bundle_in_order(data: Data, settings: Settings, tmp_path: Path) -> None:
    models = ("majority", "linear_svm")
    for model in models:
        write_fitted_bundle(tmp_path / model, model, data, settings)
    small, large = measure_costs([tmp_path / model for model in models])
    assert (small.size, large.size) == tuple(measure_weights(tmp_path / model) for model in models)
    assert small.size < large.size
    assert min(small.seconds, large.seconds) > 0
