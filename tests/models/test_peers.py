"""Peers: estimators and published networks. Counts are for three classes, as published."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from microfacial.errors import ProtocolError
from microfacial.models import MODELS, Network, Task, logistic_regression
from microfacial.models.htnet import HtNet
from microfacial.models.inner_cv import Rows, choose_by_uf1
from microfacial.models.linear_svm import LinearSvmSettings
from microfacial.models.linear_svm import fit as fit_svm
from microfacial.models.logistic_regression import LogisticRegressionSettings
from microfacial.models.logistic_regression import fit as fit_regression
from microfacial.models.majority import MajoritySettings
from microfacial.models.majority import fit as fit_majority
from microfacial.models.off_apexnet import OffApexNet
from microfacial.models.rcn_a import RcnA
from microfacial.records import ONSET_APEX, FaceStore, Samples, TrainingData

PEERS = {  # shapes of one sample
    "mlp": (3, 14, 14),
    "ststnet": (3, 28, 28),
    "off_apexnet": (2, 28, 28),
    "sssnet": (3, 64, 64),
    "rcn_a": (3, 60, 60),
    "htnet": (3, 28, 28),
}


QUERIES_AND_KEYS = {
    f"levels.{level}.layers.{layer}.attention.1.{part}.weight"
    for level, depth in enumerate((2, 2, 10))
    for layer in range(depth)
    for part in ("query", "key")
}
UNTRAINED = {"htnet": {*QUERIES_AND_KEYS, "levels.2.position"}}


def htnet_count(width: int) -> int:
    """From the layers of Model.py, github.com/wangzhifengharrison/HTNet: neither it nor the paper states a count."""
    total, wide = 3 * 7 * 7 * width + width, width
    for level, depth in enumerate((2, 2, 10)):
        wide = width << level
        heads = 3 * 2**level
        inner = wide // heads * heads
        attention = 3 * wide * inner + inner * wide + wide
        feed_forward = wide * 4 * wide + 4 * wide + 4 * wide * wide + wide
        total += 1 + depth * (2 * wide + attention + 2 * wide + feed_forward)
        if level < 2:
            total += 9 * wide * 2 * wide + 2 * wide + 2 * 2 * wide
    return total + 2 * wide + wide * 3 + 3


COUNTS = {
    ("mlp", "default"): 3 * 14 * 14 * 64 + 64 + 64 * 3 + 3,
    # main.py of github.com/christy1206/STSTNet: convolutions, normalisations, 5·5·16 → 3
    ("ststnet", "default"): 27 * 16 + 16 + 2 * 16 + 400 * 3 + 3,
    # the 2.66 M of github.com/ECNU-Cross-Innovation-Lab/PRICAI2021-Off-TANet's table
    ("off_apexnet", "default"): 2 * (25 * 6 + 6 + 150 * 16 + 16)
    + 1568 * 1024
    + 1024
    + 1024 * 1024
    + 1024
    + 1024 * 3
    + 3,
    # from the layers of github.com/tvaranka/meb, me_networks.py, which states no count
    ("sssnet", "default"): 75 * 32 + 32 + 2 * 32 + 288 * 64 + 64 + 2 * 64 + 81 * 64 * 256 + 256 + 256 * 3 + 3,
    # from the layers of github.com/xiazhaoqiang/ParameterFreeRCNs-MicroExpressionRec, MeNets.py, with the 32 feature
    # maps and 5×5 pools of its README's example; it states no count
    ("rcn_a", "default"): 75 * 32 + 32 + 2 * 32 + 32 * 32 + 32 + 2 * 32 + 288 * 32 + 32 + 2 * 32 + 800 * 3 + 3,
    ("htnet", "default"): htnet_count(48),
    ("htnet", "published"): htnet_count(256),
}


def build(name: str, preset: str = "default", shape: tuple[int, ...] | None = None, **changes: Any) -> nn.Module:
    variant = MODELS[name]
    assert isinstance(variant, Network)
    settings = variant.settings.model_validate({**variant.presets[preset], **changes})
    nowhere = np.zeros((0, 0), dtype=np.float32)
    return variant.build(Task(shape=shape or PEERS[name], classes=3, co_occurrence=nowhere), settings)


def faces(name: str, count: int = 3) -> Tensor:
    return torch.randn(count, *PEERS[name], generator=torch.Generator().manual_seed(0))


def known(samples: Samples, rows: int = 24) -> TrainingData:
    return TrainingData(samples=samples.take(np.arange(rows)), validation_fold=np.zeros(rows, dtype=np.int64), seed=0)


def mirror(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.flip(inputs, axis=3) * np.array([-1, 1, 1], dtype=np.float32)[:, None, None]


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def samples() -> Samples:
    """Whole faces of six subjects, four clips each, and of one more with a single clip; class 2 is two subjects'."""
    labels = np.array([0, 1, 0, 1] * 4 + [0, 1, 2, 2] * 2 + [0])
    inputs = np.random.default_rng(0).normal(size=(25, 3, 16, 16)).astype(np.float32)
    inputs[:, 1] += 0.1 * labels[:, None, None]
    subjects = np.array([f"a/{row // 4}" for row in range(24)] + ["b/0"])
    return Samples(
        inputs=inputs,
        labels=labels,
        subjects=subjects,
        corpora=np.array([subject[0] for subject in subjects]),
        clips=np.array([f"{subject}/{row}" for row, subject in enumerate(subjects)]),
        active=np.zeros((25, 0), dtype=np.bool_),
        classes=("x", "y", "z"),
    )


@pytest.fixture
def store() -> FaceStore:
    random = np.random.default_rng(0)
    return FaceStore(
        clips=("a", "b", "c"),
        crops=np.zeros((3, 2, 112, 112, 3), dtype=np.uint8),
        flow=random.normal(size=(3, 1, 2, 112, 112)).astype(np.float16),
        windows=(ONSET_APEX,),
        unit="px",
        boxes=np.zeros((3, 0, 4), dtype=np.int64),
        regions=(),
    )


@pytest.mark.parametrize(("name", "preset"), COUNTS)
def test_parameters_are_as_many_as_published(name: str, preset: str) -> None:
    with torch.device("meta" if preset == "published" else "cpu"):  # 140 million take memory
        network = build(name, preset)
    assert sum(parameter.numel() for parameter in network.parameters()) == COUNTS[name, preset]


@pytest.mark.parametrize("name", [*PEERS, "logistic_regression", "linear_svm", "majority"])
def test_every_preset_is_valid(name: str) -> None:
    assert "default" in MODELS[name].presets
    for preset in MODELS[name].presets.values():
        MODELS[name].settings.model_validate(preset)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_gets_the_inputs_it_was_published_for_and_gives_logits(name: str, store: FaceStore) -> None:
    variant = MODELS[name]
    values = variant.make_inputs(store, variant.settings()).values
    assert values.shape == (3, *PEERS[name])
    assert build(name)(torch.from_numpy(np.ascontiguousarray(values))).shape == (3, 3)


def test_off_apexnet_is_shown_motion_to_the_right_and_down_and_no_strain(store: FaceStore) -> None:
    both = MODELS["off_apexnet"].make_inputs(store, MODELS["off_apexnet"].settings()).values
    three = MODELS["ststnet"].make_inputs(store, MODELS["ststnet"].settings()).values
    assert np.array_equal(both, three[:, :2])


@pytest.mark.parametrize("name", PEERS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = build(name)
    network(faces(name)).square().sum().backward()
    trained = {one: parameter for one, parameter in network.named_parameters() if one not in UNTRAINED.get(name, ())}
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in trained.values())


def test_htnet_never_trains_queries_and_keys_as_published() -> None:
    """A block is one token, so that whatever its scale, the softmax over tokens is 1, and its derivative 0."""
    network = build("htnet")
    network(faces("htnet")).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert all(gradients[name].abs().max() == 0 for name in QUERIES_AND_KEYS)
    first, last = (gradients[f"levels.{level}.position"].abs().item() for level in (0, 2))
    assert last < 1e-4 * first  # but for rounding, normalisation takes out what is added to all channels alike


def test_htnet_trains_queries_and_keys_where_a_block_has_four_tokens() -> None:
    network = build("htnet", shape=(3, 56, 56), input_px=56)
    network(torch.randn(2, 3, 56, 56)).square().sum().backward()
    asked = [parameter.grad for name, parameter in network.named_parameters() if name in QUERIES_AND_KEYS]
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in asked)


def test_htnet_attends_within_a_block_only() -> None:
    network = build("htnet", shape=(3, 56, 56), input_px=56).eval()
    assert isinstance(network, HtNet)
    tokens = torch.randn(1, 8, 8, 48)
    changed = tokens.clone()
    changed[0, 2, 5] += torch.randn(48)  # in the second row and third column of 4×4 blocks of 2×2 tokens
    difference = (network.levels[0](tokens) - network.levels[0](changed)).abs().sum(dim=3)[0]
    assert difference[2:4, 4:6].min() > 0
    difference[2:4, 4:6] = 0
    assert difference.max() == 0


def test_htnet_attends_as_torch_does() -> None:
    network = build("htnet")
    assert isinstance(network, HtNet)
    attention: Any = network.get_submodule("levels.1.layers.0.attention.1")
    tokens = torch.randn(2, 5, 96)
    parts = [getattr(attention, part)(tokens).view(2, 5, 6, 16).transpose(1, 2) for part in ("query", "key", "value")]
    expected = nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2).reshape(2, 5, 96)
    assert torch.allclose(attention(tokens), attention.out(expected), atol=1e-6)


def test_htnet_s_patches_tile_the_face() -> None:
    network = build("htnet")
    assert isinstance(network, HtNet)
    seen: list[Tensor] = []
    network.embed.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    maps = faces("htnet", 1)
    network(maps)
    assert torch.equal(seen[0][0, 1, 2].view(3, 7, 7), maps[0, :, 7:14, 14:21])


def test_rcn_a_attends_where_the_classifier_s_weights_find_evidence() -> None:
    network = build("rcn_a")
    assert isinstance(network, RcnA)
    maps = torch.randn(2, 32, 5, 5)
    weights = network.head.weight.detach().numpy().reshape(3, 32, 5, 5)
    for row in range(2):
        evidence = [(weights[k] * maps[row].numpy()).mean(0) for k in range(3)]
        expected = np.mean([(one - one.min()) / (one.max() - one.min()) for one in evidence], axis=0)
        assert np.allclose(network._attend(maps)[row, 0].detach().numpy(), expected, atol=1e-4)


def test_rcn_a_s_attention_is_finite_where_maps_are_empty() -> None:
    network = build("rcn_a")
    assert isinstance(network, RcnA)
    assert not network._attend(torch.zeros(1, 32, 5, 5)).any()


@pytest.mark.parametrize("name", PEERS)
def test_a_face_without_motion_gives_finite_logits_and_gradients(name: str) -> None:
    network = build(name)
    logits = network(torch.zeros(2, *PEERS[name]))
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", PEERS)
def test_logits_of_a_face_do_not_depend_on_the_others_of_its_batch(name: str) -> None:
    network = build(name).eval()
    maps = faces(name)
    assert torch.allclose(network(maps)[:1], network(maps[:1]), atol=1e-5)
    assert all(name.endswith("key") for name, _ in network.named_buffers())  # no running statistics


@pytest.mark.parametrize("name", PEERS)
def test_state_survives_a_round_trip(name: str) -> None:
    first, second = (build(name).eval() for _ in range(2))
    assert not torch.equal(first(faces(name)), second(faces(name)))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(faces(name)), second(faces(name)))


def test_off_apexnet_s_streams_have_weights_of_their_own() -> None:
    network = build("off_apexnet")
    assert isinstance(network, OffApexNet)
    assert not torch.equal(
        network.horizontal(faces("off_apexnet")[:, :1]), network.vertical(faces("off_apexnet")[:, :1])
    )


def test_the_mlp_runs_as_several_folds_at_once() -> None:
    networks = [build("mlp").eval() for _ in range(3)]
    weights, _ = stack_module_state(networks)
    maps = faces("mlp")
    together = vmap(lambda of_one: functional_call(networks[0], of_one, (maps,)))(weights)
    apart = torch.stack([network(maps) for network in networks])
    assert torch.allclose(together, apart, atol=1e-6)


def reference(samples: Samples, strength: float, components: int) -> Pipeline:
    """The same regression by a pipeline of scikit-learn's with other solvers."""
    both = np.concatenate([samples.inputs, mirror(samples.inputs)])
    machine = LogisticRegression(C=strength, class_weight="balanced", tol=1e-10, max_iter=10_000)
    pipeline = make_pipeline(StandardScaler(), PCA(components, svd_solver="arpack", random_state=0), machine)
    return pipeline.fit(both.reshape(len(both), -1).astype(np.float64), np.concatenate([samples.labels] * 2))


def expected_chances(pipeline: Pipeline, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    views = [pipeline.predict_proba(view.reshape(len(view), -1)) for view in (inputs, mirror(inputs))]
    return np.asarray((views[0] + views[1]) / 2)


def test_regression_is_scikit_learn_s_on_faces_and_their_mirror_images(samples: Samples) -> None:
    settings = LogisticRegressionSettings(c_values=(0.01,), components=10, inner_folds=2)
    fitted = fit_regression(known(samples), settings)
    expected = expected_chances(reference(samples.take(np.arange(24)), 0.01, 10), samples.inputs)
    assert np.allclose(fitted.predict(samples.inputs), expected, atol=1e-4)  # as far as solvers go


def test_regression_tells_two_classes_apart_and_gives_the_third_no_chance(samples: Samples) -> None:
    settings = LogisticRegressionSettings(c_values=(0.01,), components=8, inner_folds=2)
    fitted = fit_regression(known(samples, 16), settings)
    chances = fitted.predict(samples.inputs)
    expected = expected_chances(reference(samples.take(np.arange(16)), 0.01, 8), samples.inputs)
    assert np.allclose(chances[:, :2], expected, atol=1e-4)
    assert not chances[:, 2].any()


def test_regression_chooses_the_strength_that_is_best_over_groups_of_known_subjects(samples: Samples) -> None:
    samples = samples.take(np.arange(24))
    candidates = (1e-5, 1e-4, 1e-3, 1e-2, 1.0)

    def inner_score(strength: float) -> float:
        guesses = np.empty_like(samples.labels)
        for fit_on, asked in GroupKFold(3).split(samples.inputs, samples.labels, samples.subjects):
            pipeline = reference(samples.take(fit_on), strength, 10)
            columns = expected_chances(pipeline, samples.inputs[asked]).argmax(1)
            guesses[asked] = pipeline[-1].classes_[columns]
        return float(f1_score(samples.labels, guesses, average="macro"))

    settings = LogisticRegressionSettings(c_values=candidates, components=10, inner_folds=3)
    fitted = fit_regression(known(samples), settings)
    assert fitted.chosen == f"C={max(candidates, key=inner_score):g}"


def test_mirror_images_join_the_rows_that_are_fitted_and_no_others(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = samples.take(np.arange(24))
    seen: list[NDArray[np.float64]] = []

    class Recorder(StandardScaler):  # type: ignore[misc]
        def fit(self, rows: NDArray[np.float64]) -> StandardScaler:
            seen.append(rows)
            return super().fit(rows)

    monkeypatch.setattr(logistic_regression, "StandardScaler", Recorder)
    fit_regression(known(samples), LogisticRegressionSettings(c_values=(0.01,), inner_folds=3))
    folds = GroupKFold(3).split(samples.labels, samples.labels, samples.subjects)
    for rows, kept in zip(seen, [*(fit_on for fit_on, _ in folds), np.arange(24)], strict=True):
        part = samples.inputs[kept]
        assert np.array_equal(rows, np.concatenate([part, mirror(part)]).reshape(2 * len(part), -1))


def test_regression_sees_no_difference_between_a_face_and_its_mirror_image(samples: Samples) -> None:
    fitted = fit_regression(known(samples), LogisticRegressionSettings(inner_folds=2))
    assert np.allclose(fitted.predict(samples.inputs), fitted.predict(mirror(samples.inputs)), atol=1e-5)


def test_majority_s_checkpoint_is_what_it_predicts(samples: Samples) -> None:
    fitted = fit_majority(known(samples), MajoritySettings())
    assert np.array_equal(fitted.checkpoint()["frequencies"], fitted.predict(samples.inputs)[0])


def test_estimators_manage_where_an_inner_part_has_one_class_only(samples: Samples) -> None:
    rows = np.concatenate([np.flatnonzero(samples.labels == 0)[:6], np.flatnonzero(samples.labels == 1)[:6]])
    split = replace(samples.take(rows), subjects=np.repeat(["a", "b"], 6))
    everyone = TrainingData(samples=split, validation_fold=np.zeros(12, dtype=np.int64), seed=0)
    for chances in (
        fit_regression(everyone, LogisticRegressionSettings()).predict(samples.inputs),
        fit_svm(everyone, LinearSvmSettings()).predict(samples.inputs),
    ):
        assert np.allclose(chances.sum(axis=1), 1)


def test_estimators_refuse_known_rows_of_one_class(samples: Samples) -> None:
    rows = np.flatnonzero(samples.labels == 1)
    lone = TrainingData(samples=samples.take(rows), validation_fold=np.zeros(len(rows), dtype=np.int64), seed=0)
    with pytest.raises(ProtocolError, match="linear_svm: all training clips of a fold are y"):
        fit_svm(lone, LinearSvmSettings())
    with pytest.raises(ProtocolError, match="logistic_regression: all training clips of a fold are y"):
        fit_regression(lone, LogisticRegressionSettings())


def test_inner_choice_asks_about_other_people_than_it_fits_on_and_of_equals_takes_the_first(samples: Samples) -> None:
    asked_rows: list[int] = []

    def guess(rows: Rows, asked: Rows) -> list[NDArray[np.int64]]:
        assert not set(samples.subjects[rows]) & set(samples.subjects[asked])
        asked_rows.extend(asked)
        return [np.zeros(len(asked), dtype=np.int64), samples.labels[asked], samples.labels[asked]]

    assert choose_by_uf1((1.0, 2.0, 3.0), guess, samples, 4) == 2.0
    assert sorted(asked_rows) == list(range(25))
