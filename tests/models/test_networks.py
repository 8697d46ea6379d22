"""Facts about every network of the mission: parameters, gradients, seeds, batched training, and learning."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from variants import MISSION, VARIATIONS, K, make_network, make_store, network_variant

from microfacial.models import MODELS
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, Samples, TrainingData
from microfacial.training.fit import fit


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def convolutions(*channels: int) -> int:
    """Parameters of 3×3 convolutions without bias, each followed by a scale and a shift per channel."""
    return sum(9 * before * after + 2 * after for before, after in pairwise(channels))


def transformer_layer(d: int) -> int:
    """Parameters for query, key and value, for the joining of heads, and for the feed-forward network."""
    return 3 * d * d + linear(d, d) + linear(d, 2 * d) + linear(2 * d, d)


def graph_layer(d: int, heads: int, regions: int) -> int:
    """Parameters of the projection, of target and source, and of the interactions."""
    return d * d + 2 * d + heads * regions**2


def norms(d: int) -> int:
    return 2 * d


def hybrid(d: int, heads: int, depth: int, regions: int, windows: int) -> int:
    """Parameters of everything except the encoder."""
    graph = depth * graph_layer(d, heads, regions) + d + linear(regions * d, K)
    places = windows * d + regions * d
    transformer = places + depth * transformer_layer(d) + 2 * d + linear(windows * regions * d, K)
    return graph + transformer + 2


RESNET18 = 11_689_512 - linear(512, 1000) + linear(512, K)  # published for 1000 classes and 3 channels
ENCODERS = 4 * linear(3 * 14 * 14, 32)  # one per region
WIDE = convolutions(3, 32, 64, 128, 256)
PARAMETERS = {  # of 3 regions, and the whole face in the default presets
    ("rgb", "default"): convolutions(3, 16, 32, 64, 128) + linear(128, K),
    ("rgb", "mission"): RESNET18,
    # 49 patches of 4×4: embedding, layer over all patches, head
    ("flow_cnn", "default"): linear(48, 16) + linear(49 * 16, 64) + linear(64, K),
    ("flow_cnn", "mission"): RESNET18,
    ("roi_cnn", "default"): ENCODERS + linear(4 * 32, K),
    ("roi_cnn", "mission"): WIDE + linear(3 * 256, K),
    ("roi_graph", "default"): ENCODERS + graph_layer(32, 4, 4) + linear(4 * 32, K),
    ("roi_graph", "mission"): WIDE + 2 * (graph_layer(256, 8, 3) + norms(256)) + linear(3 * 256, K),
    ("roi_transformer", "default"): ENCODERS + (2 + 4) * 32 + transformer_layer(32) + linear(2 * 4 * 32, K),
    ("roi_transformer", "mission"): WIDE
    + (4 + 3) * 256
    + 2 * (transformer_layer(256) + 2 * norms(256))
    + linear(4 * 3 * 256, K),
    ("hybrid", "default"): ENCODERS + hybrid(32, 4, 1, 4, 2) + linear(3 * 14 * 14, 64) + linear(64, K),
    ("hybrid", "mission"): WIDE + hybrid(256, 8, 2, 3, 4) + 2 * 3 * norms(256),
}


@pytest.mark.parametrize(("name", "preset"), PARAMETERS)
def test_the_number_of_parameters_matches_a_count_by_hand(name: str, preset: str) -> None:
    network, _ = make_network(name, dict(MODELS[name].presets[preset]), make_store(1))
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name, preset]


@pytest.mark.parametrize("windows", [(ONSET_APEX, *PHASE_WINDOWS), (ONSET_APEX,)], ids=["phases", "one window"])
@pytest.mark.parametrize(("name", "changes"), VARIATIONS)
def test_every_parameter_gets_a_gradient_and_each_class_one_logit(
    name: str, changes: dict[str, Any], windows: tuple[str, ...]
) -> None:
    network, inputs = make_network(name, changes, make_store(windows=windows))
    logits = network(inputs)
    assert logits.shape == (3, K)
    logits.square().sum().backward()
    without_gradient = [
        key for key, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert without_gradient == []


@pytest.mark.parametrize(("name", "changes"), VARIATIONS)
def test_the_same_seed_gives_the_same_network_and_a_saved_state_restores_it(name: str, changes: dict[str, Any]) -> None:
    (first, inputs), (same, _), (other, _) = (make_network(name, changes, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first(inputs), same(inputs))
    assert not torch.equal(first(inputs), other(inputs))
    other.load_state_dict(first.state_dict())
    assert torch.equal(first(inputs), other(inputs))


@pytest.mark.parametrize(("name", "changes"), VARIATIONS)
def test_networks_in_one_batched_program_get_the_gradients_of_each_alone(name: str, changes: dict[str, Any]) -> None:
    networks, inputs = zip(*(make_network(name, changes, make_store(2), seed) for seed in range(2)), strict=True)
    weights, buffers = stack_module_state(list(networks))
    skeleton = networks[0].to("meta")
    networks = (make_network(name, changes, make_store(2))[0], networks[1])

    def loss(weights: Any, buffers: Any, x: Tensor) -> Tensor:
        logits: Tensor = functional_call(skeleton, (weights, buffers), (x,))
        return logits.square().sum()

    faces = torch.stack(inputs) * torch.tensor([1.0, 2.0]).reshape(-1, *[1] * inputs[0].ndim)
    together = vmap(grad(loss))(weights, buffers, faces)
    for number, network in enumerate(networks):
        network(faces[number]).square().sum().backward()
        for key, parameter in network.named_parameters():
            size = parameter.grad.abs().max()
            assert torch.allclose(together[key][number], parameter.grad, rtol=1e-3, atol=1e-4 * float(size)), key


@pytest.mark.parametrize("name", MISSION)
def test_default_networks_train_in_lockstep_unless_they_have_convolutions(name: str) -> None:
    network, _ = make_network(name, {})
    convolves = any(isinstance(module, nn.Conv2d) for module in network.modules())
    assert network_variant(name).lockstep(network_variant(name).settings()) != convolves


def test_only_the_rgb_network_shows_appearance() -> None:
    assert [name for name in MISSION if network_variant(name).shows == "appearance"] == ["rgb"]


def make_rows(name: str, changes: dict[str, Any], side: int = 56) -> tuple[Samples, Any]:
    """Make eight clips of two subjects and four classes, and settings."""
    variant = network_variant(name)
    settings = variant.settings.model_validate(changes)
    store = make_store(8, side)
    inputs = variant.make_inputs(store, settings)
    samples = Samples(
        inputs=inputs.values,
        labels=np.arange(8) % 4,
        subjects=np.repeat(["a", "b"], 4),
        corpora=np.repeat("c", 8),
        clips=np.array(store.clips),
        active=np.zeros((8, len(inputs.mirror)), dtype=np.bool_),
        classes=tuple("wxyz"),
        windows=inputs.windows,
        mirror=inputs.mirror,
    )
    return samples, settings


@pytest.mark.parametrize("name", MISSION)
def test_a_short_fold_trains_and_predicts_without_dropout(name: str) -> None:
    samples, settings = make_rows(name, {"dropout": 0.9, "epochs": 1})
    (fitted,) = fit(
        [TrainingData(samples=samples, validation_fold=np.repeat([0, 1], 4), seed=0)], model=name, settings=settings
    )
    probabilities = fitted.predict(samples.inputs)
    assert np.allclose(probabilities.sum(1), 1)
    assert np.array_equal(probabilities, fitted.predict(samples.inputs))


def test_a_short_fold_of_the_mission_preset_trains() -> None:
    samples, settings = make_rows("roi_cnn", {**MODELS["roi_cnn"].presets["mission"], "epochs": 1}, 224)
    (fitted,) = fit(
        [TrainingData(samples=samples, validation_fold=np.repeat([0, 1], 4), seed=0)],
        model="roi_cnn",
        settings=settings,
    )
    assert fitted.predict(samples.inputs).shape == (8, K)


def learnable_batches(name: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of noise in which one place of the inputs determines the class."""
    generator = torch.Generator().manual_seed(0)
    _, inputs = make_network(name, {})
    while True:
        labels = torch.randint(0, K, (32,), generator=generator)
        x = torch.randn((32, *inputs.shape[1:]), generator=generator)
        corner = x.reshape(32, -1, *x.shape[-3:])[:, 0]  # one region of one window
        corner[:, 0, : x.shape[-1] // 2] += (labels % 2 * 2 - 1)[:, None, None]
        corner[:, 1, x.shape[-1] // 2 :] += (labels // 2 * 2 - 1)[:, None, None]
        yield x, labels


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "rgb" else name for name in MISSION]
)
def test_a_default_network_learns_a_class_that_one_place_determines(name: str) -> None:
    network, _ = make_network(name, {})
    criterion: Any = nn.CrossEntropyLoss()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    batches = learnable_batches(name)
    for _ in range(60):
        x, labels = next(batches)
        optimiser.zero_grad()
        criterion(network(x), labels).backward()
        optimiser.step()
    x, labels = next(batches)
    assert (network(x).argmax(1) == labels).float().mean() > 0.9
