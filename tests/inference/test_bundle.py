"""Bundles: they predict as the written model did, and contain no executable code."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from microfacial.errors import StorageError
from microfacial.evaluation.experiment import Data
from microfacial.inference.bundle import BUNDLE, find_bundle, measure_weights, read_bundle, write_bundle
from microfacial.inference.cost import measure_costs
from microfacial.inference.example_input import make_example_map
from microfacial.inference.request import open_requested_clip
from microfacial.models import MODELS, Network
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.preprocessing.faces import FacesConfig
from microfacial.preprocessing.flow import FlowConfig
from microfacial.records import FloatArray, Samples, TrainingData
from microfacial.training.fit import fit

Settings = tuple[FacesConfig, FlowConfig]


def write(
    folder: Path, model: str, data: Data, settings: Settings, seeds: tuple[int, ...] = (0,)
) -> tuple[Samples, list[FloatArray]]:
    """Fit a model on all clips with each seed and write the bundle. Return the samples and each seed's predictions."""
    quick = {"epochs": 1} if isinstance(MODELS[model], Network) else {}
    section = resolve(model, quick, model)
    samples = make_samples(MODELS[model].make_inputs(data.store, section), data.store, data.clips, data.classes)
    training = [TrainingData(samples=samples, validation_fold=np.arange(12) % 2, seed=seed) for seed in seeds]
    models = fit(training, model=model, settings=section)
    sections = {
        "faces": settings[0].model_dump(mode="json"),
        "flow": settings[1].model_dump(mode="json"),
        "models": {model: section.model_dump(mode="json")},
    }
    write_bundle(folder, sections, data.classes, [fitted.checkpoint() for fitted in models])
    return samples, [fitted.predict(samples.inputs) for fitted in models]


@pytest.mark.parametrize("model", MODELS)
def test_a_bundle_predicts_as_the_written_model_to_the_last_bit(
    model: str, data: Data, settings: Settings, tmp_path: Path
) -> None:
    samples, (expected,) = write(tmp_path / "bundle", model, data, settings)
    restored = read_bundle(tmp_path / "bundle")
    assert (restored.model, restored.classes, restored.shape) == (model, data.classes, samples.inputs.shape[1:])
    assert np.array_equal(restored.fitted[0].predict(samples.inputs), expected)


def test_a_bundle_is_json_and_arrays_and_equal_models_give_equal_bytes(
    data: Data, settings: Settings, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        write(tmp_path / name, "roi_cnn", data, settings)
    first, second = tmp_path / "first", tmp_path / "second"
    assert sorted(path.name for path in first.iterdir()) == ["bundle.json", "weights.safetensors"]
    for file in ("bundle.json", "weights.safetensors"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    arrays = load_file(first / "weights.safetensors")
    assert all(array.dtype.kind in "fi" for array in arrays.values())
    assert measure_weights(first) > sum(array.nbytes for array in arrays.values())
    assert json.loads((first / "bundle.json").read_text())["classes"] == list(data.classes)


def test_several_models_in_a_bundle_predict_their_mean(
    data: Data, settings: Settings, tmp_path: Path, folder: Path
) -> None:
    _, expected = write(tmp_path / "bundle", "roi_cnn", data, settings, seeds=(1, 2))
    clip = data.clips[0]
    probabilities = read_bundle(tmp_path / "bundle").predict_clip(folder, clip.onset, clip.apex, clip.offset)
    assert list(probabilities.values()) == pytest.approx(np.mean(expected, axis=0)[0].tolist(), abs=1e-6)
    assert not np.allclose(expected[0][0], expected[1][0])


def test_a_model_of_published_maps_predicts_a_map(tmp_path: Path, data: Data, settings: Settings) -> None:
    write(tmp_path / "bundle", "majority", data, settings)
    facts = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    facts["trained_with"] |= {
        "faces": {"method": "whole", "regions": "grid-28", "size_px": 28},
        "flow": {"method": "published"},
    }
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps(facts))
    with open_requested_clip(make_example_map()["clip"]) as path:
        probabilities = read_bundle(tmp_path / "bundle").predict_clip(path)
    assert sum(probabilities.values()) == pytest.approx(1.0)


def test_a_damaged_bundle_is_named(data: Data, settings: Settings, tmp_path: Path) -> None:
    write(tmp_path / "bundle", "majority", data, settings)
    (tmp_path / "bundle" / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(StorageError, match=r"weights\.safetensors"):
        read_bundle(tmp_path / "bundle")


def test_a_bundle_with_its_former_name_and_former_keys_is_still_readable(
    data: Data, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "artifacts" / "pack"
    samples, (expected,) = write(folder, "roi_cnn", data, settings)
    facts = json.loads((folder / "bundle.json").read_text())
    section = facts["trained_with"]["models"]["roi_cnn"]
    section["hold_back"] = section.pop("early_stopping")
    facts["trained_with"]["faces"]["rois"] = facts["trained_with"]["faces"].pop("regions")
    (folder / "pack.json").write_text(json.dumps(facts))
    (folder / "bundle.json").unlink()
    assert find_bundle(tmp_path) == folder
    restored = read_bundle(folder)
    assert restored.faces == settings[0]
    assert np.array_equal(restored.fitted[0].predict(samples.inputs), expected)


def test_a_version_without_a_folder_of_the_former_name_has_the_present_one(tmp_path: Path) -> None:
    assert find_bundle(tmp_path) == tmp_path / BUNDLE


def test_costs_are_measured_for_each_bundle_in_order(data: Data, settings: Settings, tmp_path: Path) -> None:
    models = ("majority", "linear_svm")
    for model in models:
        write(tmp_path / model, model, data, settings)
    small, large = measure_costs([tmp_path / model for model in models])
    assert (small.size, large.size) == tuple(measure_weights(tmp_path / model) for model in models)
    assert small.size < large.size
    assert min(small.seconds, large.seconds) > 0
