"""Models in folders: the same predictions come back, and nothing that could run goes in."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from microfacial.errors import DatasetError, StorageError
from microfacial.evaluation.experiment import Data, load_data
from microfacial.inference.bundle import open_brought, pack_bytes, read_pack, write_pack
from microfacial.inference.example_input import example_clip, example_map
from microfacial.inference.predict import read_clip
from microfacial.models import MODELS, Network
from microfacial.models.inputs import make_samples
from microfacial.models.presets import resolve
from microfacial.pipeline.config import load
from microfacial.records import Samples, TrainingData
from microfacial.training import fit as training


@pytest.fixture(scope="module")
def data(computed: Path) -> Data:
    return load_data(computed)


def pack(
    folder: Path, model: str, data: Data, computed: Path, seeds: tuple[int, ...] = (0,)
) -> tuple[Samples, list[NDArray[np.float64]]]:
    """A model fitted on all clips with each seed, packed; what it saw, and what each predicts."""
    quick = {"epochs": 1} if isinstance(MODELS[model], Network) else {}
    settings = resolve(model, quick, model)
    samples = make_samples(MODELS[model].make_inputs(data.store, settings), data.store, data.clips, data.classes)
    known = [TrainingData(samples=samples, validation_fold=np.arange(12) % 2, seed=seed) for seed in seeds]
    fitted = training.fit(known, model=model, settings=settings)
    config = load(computed / "params.yaml")
    sections = {"faces": config.faces.model_dump(mode="json"), "flow": config.flow.model_dump(mode="json")}
    trained_with = {**sections, "models": {model: settings.model_dump(mode="json")}}
    write_pack(folder, trained_with, data.classes, [one.checkpoint() for one in fitted])
    return samples, [one.predict(samples.inputs) for one in fitted]


@pytest.mark.parametrize("model", MODELS)
def test_a_packed_model_predicts_the_same_to_the_last_bit(
    model: str, data: Data, computed: Path, tmp_path: Path
) -> None:
    samples, (expected,) = pack(tmp_path / "pack", model, data, computed)
    found = read_pack(tmp_path / "pack")
    assert (found.model, found.classes, found.shape) == (model, data.classes, samples.inputs.shape[1:])
    assert np.array_equal(found.fitted[0].predict(samples.inputs), expected)


def test_a_pack_is_json_and_arrays_and_the_same_model_is_the_same_bytes(
    data: Data, computed: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        pack(tmp_path / name, "roi_cnn", data, computed)
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["pack.json", "weights.safetensors"]
    for file in ("pack.json", "weights.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    arrays = load_file(tmp_path / "one" / "weights.safetensors")
    assert all(array.dtype.kind in "fi" for array in arrays.values())
    assert pack_bytes(tmp_path / "one") > sum(array.nbytes for array in arrays.values())
    assert json.loads((tmp_path / "one" / "pack.json").read_text())["classes"] == list(data.classes)


def test_several_models_in_a_pack_predict_their_mean(data: Data, computed: Path, tmp_path: Path) -> None:
    _, expected = pack(tmp_path / "pack", "roi_cnn", data, computed, seeds=(1, 2))
    clip = data.clips[0]
    folder = (computed / "data" / clip.frames).parent
    found = read_pack(tmp_path / "pack").predict_clip(folder, clip.onset, clip.apex, clip.offset)
    assert list(found.values()) == pytest.approx(np.mean(expected, axis=0)[0].tolist(), abs=1e-6)
    assert not np.allclose(expected[0][0], expected[1][0])


def test_a_model_of_published_maps_predicts_a_map(tmp_path: Path, data: Data, computed: Path) -> None:
    pack(tmp_path / "pack", "majority", data, computed)
    facts = json.loads((tmp_path / "pack" / "pack.json").read_text())
    facts["trained_with"] |= {
        "faces": {"method": "whole", "regions": "grid-28", "size_px": 28},
        "flow": {"method": "published"},
    }
    (tmp_path / "pack" / "pack.json").write_text(json.dumps(facts))
    with open_brought(example_map()["clip"]) as path:
        found = read_pack(tmp_path / "pack").predict_clip(path)
    assert sum(found.values()) == pytest.approx(1.0)


def test_a_damaged_pack_is_named(data: Data, computed: Path, tmp_path: Path) -> None:
    pack(tmp_path / "pack", "majority", data, computed)
    (tmp_path / "pack" / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(StorageError, match=r"weights\.safetensors is missing or damaged"):
        read_pack(tmp_path / "pack")


# --- what clients send ------------------------------------------------------------------------------------------------


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    with open_brought(str(tmp_path)) as path:
        assert path == tmp_path


def test_the_example_is_a_synthetic_video_that_can_be_read() -> None:
    example = example_clip()
    with open_brought(example.pop("clip")) as path:
        assert path.suffix == ".avi"
        assert read_clip(path, **example).flow.shape[:2] == (1, 5)
    assert not path.exists()


@pytest.mark.parametrize("sent", ["no/such.avi", base64.b64encode(b"text" * 40).decode(), "", "\0", "x" * 5000])
def test_what_is_neither_a_path_nor_a_video_is_refused_in_a_short_line(sent: str) -> None:
    message = "no path that exists here and no base64 of a video"
    with pytest.raises(DatasetError, match=message) as refused, open_brought(sent):
        pass
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("content", "ending"), [(b"\0\0\0\x18ftypisom", ".mp4"), (b"GIF89a", ".gif"), (b"RIFF....AVI ", ".avi")]
)
def test_a_video_is_known_by_its_content(content: bytes, ending: str) -> None:
    with open_brought(base64.b64encode(content).decode()) as path:
        assert path.suffix == ending
        assert path.read_bytes() == content
