import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from microfacial.datasets.drawn_motion.draw import draw_motion
from microfacial.datasets.drawn_motion.emotions import EMOTIONS
from microfacial.errors import ConfigError, StorageError
from microfacial.models.lookup import uses_prior
from microfacial.models.presets import resolve
from microfacial.models.prior import (
    PRIOR_SHA256,
    PRIOR_WEIGHTS,
    MotionPrior,
    emotion_shares,
    load_prior,
    prior_features,
)

NAMES = list(EMOTIONS)
THREE = ("negative", "positive", "surprise")


def drawn_maps(emotion: str, count: int = 200, size: int = 28) -> np.ndarray:
    rows = torch.full((count,), NAMES.index(emotion))
    return draw_motion(rows, torch.Generator().manual_seed(7), size).flow[:, 0].numpy()


def random_maps(count: int = 5, size: int = 28) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 3, size, size)).astype(np.float32)


def test_features_have_no_zero_and_no_scale() -> None:
    maps = random_maps()
    features = prior_features(maps)
    assert features.shape == (5, 2, 14, 14)
    assert np.median(features, axis=(2, 3)) == pytest.approx(np.zeros((5, 2)), abs=1e-6)
    assert np.abs(features).mean(axis=(2, 3)) == pytest.approx(np.ones((5, 2)), abs=1e-5)
    moved = (
        maps * np.array([250.0, 0.001, 1.0], np.float32)[:, None, None] + 100 * np.array([1, -1e-3, 0])[:, None, None]
    )
    assert prior_features(moved.astype(np.float32)) == pytest.approx(features, abs=1e-3)


def test_features_are_means_of_blocks() -> None:
    maps = np.zeros((1, 2, 28, 28), np.float32)
    maps[0, :, 4:6, 8:10] = [[[0, 1], [2, 5]], [[0, 0], [0, -8]]]  # means 2 and −2 of one block
    features = prior_features(maps)
    expected = np.zeros((2, 14, 14))
    expected[:, 2, 4] = [6, -6]  # the mean magnitude is 2 / 196, and longer motion is cut to six times the mean
    assert features[0] == pytest.approx(expected)


def test_a_map_without_motion_is_finite() -> None:
    maps = np.zeros((2, 2, 28, 28), np.float32)
    assert (prior_features(maps) == 0).all()
    probabilities = load_prior().class_probabilities(maps, emotion_shares(THREE))
    assert probabilities.sum(axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize("size", [7, 14, 28, 50, 224])
def test_any_resolution_is_accepted(size: int) -> None:
    probabilities = load_prior().class_probabilities(random_maps(size=size), emotion_shares(THREE))
    assert probabilities.shape == (5, 3)
    assert np.isfinite(probabilities).all()


def test_no_maps_give_no_probabilities() -> None:
    assert load_prior().class_probabilities(random_maps(0), emotion_shares(THREE)).shape == (0, 3)
    assert load_prior().unit_probabilities(random_maps(0)).shape == (0, len(load_prior().units))


def test_the_prior_has_at_least_fourteen_units() -> None:
    units = load_prior().units
    assert len(set(units)) == len(units) >= 14
    assert set(units) >= {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 24}


def test_a_mirror_image_has_the_same_probabilities() -> None:
    maps = random_maps()
    mirrored = maps[..., ::-1] * np.array([-1, 1, 1], np.float32)[:, None, None]
    prior = load_prior()
    assert prior.unit_probabilities(mirrored) == pytest.approx(prior.unit_probabilities(maps))
    shares = emotion_shares(THREE)
    assert prior.class_probabilities(mirrored, shares) == pytest.approx(prior.class_probabilities(maps, shares))


@pytest.mark.parametrize(
    ("emotion", "label"), [("happiness", 1), ("surprise", 2), ("disgust", 0), ("anger", 0), ("repression", 0)]
)
def test_the_shipped_prior_recognises_drawn_emotions(emotion: str, label: int) -> None:
    probabilities = load_prior().class_probabilities(drawn_maps(emotion), emotion_shares(THREE))
    assert (probabilities.argmax(axis=1) == label).mean() > 0.6


def test_the_shipped_prior_recognises_drawn_units() -> None:
    prior = load_prior()
    smile, frown = (prior.unit_probabilities(drawn_maps(name)).mean(axis=0) for name in ("happiness", "anger"))
    assert smile[prior.units.index(12)] > 0.6 > frown[prior.units.index(12)]
    assert frown[prior.units.index(4)] > 0.4 > smile[prior.units.index(4)]


def make_prior(**arrays: np.ndarray) -> MotionPrior:
    """A network without hidden influence: its scores are the biases of the heads."""
    outputs = len(EMOTIONS) + 2
    zeros = {
        "first.weight": np.zeros((4, 392), np.float32),
        "first.bias": np.zeros(4, np.float32),
        "second.weight": np.zeros((4, 4), np.float32),
        "second.bias": np.zeros(4, np.float32),
        "heads.weight": np.zeros((outputs, 4), np.float32),
        "heads.bias": np.zeros(outputs, np.float32),
        "units": np.array([1, 2]),
        "prior": np.full(len(EMOTIONS), 1 / len(EMOTIONS), np.float32),
    }
    return MotionPrior(arrays={**zeros, **arrays})


def test_classes_are_equally_frequent_beforehand() -> None:
    """If the network is as sure as the shares of the drawn clips, it has seen nothing: each class has 1/K."""
    shares = np.arange(1, len(EMOTIONS) + 1, dtype=np.float32) / sum(range(len(EMOTIONS) + 1))
    prior = make_prior(prior=shares, **{"heads.bias": np.concatenate([np.log(shares), [0, 0]]).astype(np.float32)})
    for classes in (THREE, ("happiness", "disgust", "surprise", "repression"), ("positive", "negative")):
        probabilities = prior.class_probabilities(random_maps(), emotion_shares(classes))
        assert probabilities == pytest.approx(np.full((5, len(classes)), 1 / len(classes)), abs=1e-6)


def test_unit_probabilities_are_the_logistic_function_of_their_scores() -> None:
    bias = np.zeros(len(EMOTIONS) + 2, np.float32)
    bias[-2:] = [0, np.log(3)]
    assert make_prior(**{"heads.bias": bias}).unit_probabilities(random_maps(1))[0] == pytest.approx([0.5, 0.75])


def test_shares_follow_the_names_of_classes() -> None:
    shares = emotion_shares(("sad", "negative"))
    assert shares[0].tolist() == [float(name == "sadness") for name in NAMES]
    assert shares[1, NAMES.index("happiness")] == 0
    assert shares.sum(axis=1) == pytest.approx([1, 1])


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(ConfigError, match="'boredom'"):
        emotion_shares(("happiness", "boredom"))


def test_the_shipped_weights_have_the_recorded_digest_and_are_small() -> None:
    content = PRIOR_WEIGHTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == PRIOR_SHA256
    assert PRIOR_SHA256 in PRIOR_WEIGHTS.with_suffix(".md").read_text()
    assert len(content) <= 2_000_000


@pytest.mark.parametrize("damage", ["missing", "cut", "digest", "nan", "arrays", "emotions"])
def test_damaged_weights_are_refused(damage: str, tmp_path: Path) -> None:
    path, sha256, arrays = tmp_path / "prior.safetensors", "", dict(make_prior().arrays)
    if damage == "nan":
        arrays["first.bias"] = np.full(4, np.nan, np.float32)
    if damage == "arrays":
        del arrays["units"]
    if damage == "emotions":
        arrays["heads.bias"] = np.zeros(3, np.float32)
    content = save(arrays)
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    if damage == "digest":
        sha256 = "0" * 64
    with pytest.raises(StorageError, match=r"prior\.safetensors"):
        MotionPrior.read(path, sha256)


def test_weights_can_be_written_and_read(tmp_path: Path) -> None:
    path, prior = tmp_path / "prior.safetensors", make_prior()
    path.write_bytes(save(dict(prior.arrays)))
    read = MotionPrior.read(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert all(np.array_equal(read.arrays[name], array) for name, array in prior.arrays.items())


@pytest.mark.parametrize(
    ("model", "keys", "used"),
    [
        ("motion_prior", {}, True),
        ("mlp", {}, False),
        ("mlp", {"preset": "from_prior"}, True),
        ("hybrid", {"prior_share": 0.0}, False),
        ("hybrid", {"prior_share": 0.0, "start": "motion_prior"}, True),
        ("roi_graph", {}, False),
        ("roi_graph", {"start": "motion_prior"}, True),
        ("hybrid", {"prior_share": 0.5}, True),
        ("linear_svm", {}, False),
    ],
)
def test_models_that_use_the_prior_are_known(model: str, keys: dict[str, object], used: bool) -> None:
    assert uses_prior(model, resolve(model, keys, model)) == used
