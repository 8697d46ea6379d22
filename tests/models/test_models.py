from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from microfacial.errors import ConfigError
from microfacial.models import MODELS, Network, Task
from microfacial.models.flow_cnn import FlowCnnSettings, PatchMixer
from microfacial.models.hybrid import Hybrid
from microfacial.models.layers.attention import GraphLayer, TransformerLayer
from microfacial.models.layers.encoders import doubling_widths
from microfacial.models.linear_svm import LinearSvmSettings
from microfacial.models.linear_svm import fit as fit_svm
from microfacial.models.rgb import RgbSettings
from microfacial.models.roi_cnn import RoiCnn, RoiCnnSettings
from microfacial.models.roi_graph import RoiGraph
from microfacial.models.roi_transformer import RoiTransformer
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, FaceStore, Samples, TrainingData
from microfacial.settings import check
from microfacial.training.fit import fit

MISSION = ("rgb", "flow_cnn", "roi_cnn", "roi_graph", "roi_transformer", "hybrid")
REGIONS = ("eyes", "eyebrows", "mouth")
K = 4
TOGETHER = np.array(
    [[0.5, 0.4, 0.0, 0.5], [0.4, 0.4, 0.0, 0.4], [0.0, 0.0, 0.2, 0.2], [0.5, 0.4, 0.2, 0.7]], np.float32
)
VARIATIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in MISSION),
    ("rgb", {"backbone": "resnet18", "input_px": 32}),
    ("flow_cnn", {"backbone": "resnet18", "input_px": 32}),
    ("flow_cnn", {"depth": 2, "skip": True}),
    ("roi_cnn", {"encoder": "linear", "shared_encoder": False}),
    ("roi_cnn", {"whole_face": False, "shared_encoder": False, "skip": True}),
    ("roi_graph", {"adjacency": "action-units", "depth": 2}),
    ("roi_graph", {"encoder": "conv", "skip": True}),
    ("roi_transformer", {"windows_per_phase": 0}),
    ("roi_transformer", {"windows_per_phase": 1, "encoder": "conv", "width": 40, "heads": 2}),
    ("hybrid", {"fusion": "weights", "windows_per_phase": 1, "shared_encoder": False}),
    ("hybrid", {"fusion": "fixed", "windows_per_phase": 0, "skip": True}),
    ("hybrid", {"roi_attention": False, "whole_face": False}),
    ("hybrid", {"graph": False, "encoder": "conv"}),
    ("hybrid", {"transformer": False, "adjacency": "action-units"}),
)


def store(clips: int = 3, side: int = 56, windows: tuple[str, ...] = (ONSET_APEX, *PHASE_WINDOWS)) -> FaceStore:
    random = np.random.default_rng(0)
    boxes = np.array([[4, 4, 20, 52], [2, 4, 18, 52], [30, 10, 54, 46]])
    return FaceStore(
        clips=tuple(map(str, range(clips))),
        crops=random.integers(0, 256, (clips, 2, side, side, 3), dtype=np.uint8),
        flow=random.normal(size=(clips, len(windows), 2, side, side)).astype(np.float16),
        windows=windows,
        unit="px",
        boxes=np.tile(boxes, (clips, 1, 1)),
        regions=REGIONS,
    )


def make(name: str, changes: dict[str, Any], faces: FaceStore | None = None, seed: int = 0) -> tuple[Any, Tensor]:
    """A network, ready to predict, and its inputs."""
    variant = network_variant(name)
    settings = variant.settings.model_validate(changes)
    inputs = variant.make_inputs(store() if faces is None else faces, settings).values
    regions = inputs.shape[-4] if inputs.ndim > 4 else 0
    task = Task(shape=inputs.shape[1:], classes=K, co_occurrence=TOGETHER[:regions, :regions])
    torch.manual_seed(seed)
    return variant.build(task, settings).eval(), torch.from_numpy(inputs)


def network_variant(name: str) -> Network[Any]:
    variant = MODELS[name]
    assert isinstance(variant, Network)
    return variant


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def convolutions(*channels: int) -> int:
    """Parameters of 3×3 convolutions without bias, each followed by a scale and a shift a channel."""
    return sum(9 * before * after + 2 * after for before, after in pairwise(channels))


def transformer_layer(d: int) -> int:
    """Query, key and value; their joining; the feed-forward net."""
    return 3 * d * d + linear(d, d) + linear(d, 2 * d) + linear(2 * d, d)


def graph_layer(d: int, heads: int, regions: int) -> int:
    """The projection; what listens and what speaks; interactions."""
    return d * d + 2 * d + heads * regions**2


def norms(d: int) -> int:
    return 2 * d


def hybrid(d: int, heads: int, depth: int, regions: int, windows: int) -> int:
    """All but the encoder."""
    graph = depth * graph_layer(d, heads, regions) + d + linear(regions * d, K)
    places = windows * d + regions * d
    transformer = places + depth * transformer_layer(d) + 2 * d + linear(windows * regions * d, K)
    return graph + transformer + 2


RESNET18 = 11_689_512 - linear(512, 1000) + linear(512, K)  # as published for 1000 classes; 3 channels as there
ENCODERS = 4 * linear(3 * 14 * 14, 32)  # one a region
WIDE = convolutions(3, 32, 64, 128, 256)
PARAMETERS = {  # 3 regions, and the whole face in the default presets
    ("rgb", "default"): convolutions(3, 16, 32, 64, 128) + linear(128, K),
    ("rgb", "mission"): RESNET18,
    # 49 patches of 4×4: embedding; a layer over all; head
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
    ("hybrid", "default"): ENCODERS + hybrid(32, 4, 1, 4, 2),
    ("hybrid", "mission"): WIDE + hybrid(256, 8, 2, 3, 4) + 2 * 3 * norms(256),
}


@pytest.mark.parametrize(("name", "preset"), PARAMETERS)
def test_parameters_are_counted_by_hand(name: str, preset: str) -> None:
    network, _ = make(name, dict(MODELS[name].presets[preset]), store(1))
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name, preset]


@pytest.mark.parametrize("name", MODELS)
def test_every_preset_is_valid(name: str) -> None:
    assert "default" in MODELS[name].presets
    for preset in MODELS[name].presets.values():
        MODELS[name].settings.model_validate(preset)


@pytest.mark.parametrize("windows", [(ONSET_APEX, *PHASE_WINDOWS), (ONSET_APEX,)], ids=["phases", "one window"])
@pytest.mark.parametrize(("name", "changes"), VARIATIONS)
def test_every_parameter_gets_a_gradient_and_logits_are_one_a_class(
    name: str, changes: dict[str, Any], windows: tuple[str, ...]
) -> None:
    network, inputs = make(name, changes, store(windows=windows))
    logits = network(inputs)
    assert logits.shape == (3, K)
    logits.square().sum().backward()
    idle = [name for name, one in network.named_parameters() if one.grad is None or not one.grad.any()]
    assert idle == []


@pytest.mark.parametrize(("name", "changes"), VARIATIONS)
def test_the_same_seed_gives_the_same_network_and_its_state_survives_a_round_trip(
    name: str, changes: dict[str, Any]
) -> None:
    (first, inputs), (again, _), (other, _) = (make(name, changes, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first(inputs), again(inputs))
    assert not torch.equal(first(inputs), other(inputs))
    other.load_state_dict(first.state_dict())
    assert torch.equal(first(inputs), other(inputs))


@pytest.mark.parametrize(("name", "changes"), VARIATIONS)
def test_networks_side_by_side_do_what_each_does_alone(name: str, changes: dict[str, Any]) -> None:
    networks, inputs = zip(*(make(name, changes, store(), seed) for seed in range(3)), strict=True)
    weights, buffers = stack_module_state(list(networks))
    skeleton = networks[0].to("meta")
    networks = (make(name, changes)[0], *networks[1:])

    def loss(weights: Any, buffers: Any, x: Tensor) -> Tensor:
        logits: Tensor = functional_call(skeleton, (weights, buffers), (x,))
        return logits.square().sum()

    faces = torch.stack(inputs) * torch.tensor([1.0, 2.0, 3.0]).reshape(-1, *[1] * inputs[0].ndim)
    together = vmap(grad(loss))(weights, buffers, faces)
    for number, network in enumerate(networks):
        network(faces[number]).square().sum().backward()
        for key, parameter in network.named_parameters():
            size = parameter.grad.abs().max()
            assert torch.allclose(together[key][number], parameter.grad, rtol=1e-3, atol=1e-4 * float(size)), key


@pytest.mark.parametrize("name", MISSION)
def test_lockstep_is_for_defaults_without_convolutions(name: str) -> None:
    network, _ = make(name, {})
    convolves = any(isinstance(module, nn.Conv2d) for module in network.modules())
    assert network_variant(name).lockstep(network_variant(name).settings()) != convolves


@pytest.mark.parametrize(("name", "tokens", "depth"), [("roi_graph", 4, 1), ("roi_transformer", 8, 2)])
def test_attention_says_what_each_token_took_from_each(name: str, tokens: int, depth: int) -> None:
    network, inputs = make(name, {"depth": depth})
    assert isinstance(network, RoiGraph | RoiTransformer)
    attention = network.attention(inputs)
    assert attention.shape == (3, depth, 4, tokens, tokens)
    assert torch.allclose(attention.sum(-1), torch.ones(3, depth, 4, tokens))


def scattered(network: Hybrid) -> Hybrid:
    """The network with learnable weights that are not all alike, as after training."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return network


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_fusion_begins_with_the_graphs_share_and_fixed_fusion_keeps_it(share: float) -> None:
    begins, inputs = make("hybrid", {"fusion": "weights", "graph_share": share})
    assert begins.importances(inputs).fusion.tolist() == pytest.approx(np.tile([share, 1 - share], (3, 1)), abs=1e-6)
    fixed, _ = make("hybrid", {"fusion": "fixed", "graph_share": share})
    assert fixed.importances(inputs).fusion.tolist() == pytest.approx(np.tile([share, 1 - share], (3, 1)), abs=1e-6)
    assert not [name for name, _ in fixed.named_parameters() if name.startswith("fusion")]


def test_a_share_of_one_half_changes_no_number_of_a_gate_and_another_leans_on_the_graph() -> None:
    (plain, inputs), (leaning, _) = (make("hybrid", {"fusion": "gate", "graph_share": share}) for share in (0.5, 0.9))
    assert torch.equal(plain.fusion.gate.weight, leaning.fusion.gate.weight)
    assert torch.equal(plain.fusion.gate.bias[1], leaning.fusion.gate.bias[1])
    assert (leaning.importances(inputs).fusion[:, 0] > plain.importances(inputs).fusion[:, 0]).all()


@pytest.mark.parametrize("fusion", ["gate", "weights", "fixed"])
def test_importances_of_a_hybrid_sum_to_one_a_sample(fusion: str) -> None:
    network, inputs = make("hybrid", {"fusion": fusion, "depth": 2, "windows_per_phase": 2})
    found = scattered(network).importances(inputs)
    assert found.attention.shape == (3, 2, 4, 4, 4)
    assert torch.allclose(found.attention.sum(-1), torch.ones(3, 2, 4, 4))
    for weights, parts in (
        (found.fusion, 2),
        (found.graph_regions, 4),
        (found.transformer_regions, 4),
        (found.windows, 5),
    ):
        assert weights.shape == (3, parts)
        assert torch.allclose(weights.sum(1), torch.ones(3))
    assert not found.windows[:, 0].any()  # onset>apex is the graph's alone
    assert torch.equal(found.fusion, torch.full((3, 2), 0.5)) == (fusion == "fixed")
    assert (found.graph_regions.std(1) > 0).all()


def test_regions_are_weighed_alike_without_a_readout() -> None:
    network, inputs = make("hybrid", {"roi_attention": False, "windows_per_phase": 2})
    found = scattered(network).importances(inputs)
    assert torch.equal(found.graph_regions, torch.full((3, 4), 0.25))
    assert torch.equal(found.windows, torch.tensor([[0, 0.25, 0.25, 0.25, 0.25]] * 3))


def test_a_missing_branch_has_no_importance() -> None:
    network, inputs = make("hybrid", {"transformer": False})
    found = network.importances(inputs)
    assert found.fusion.tolist() == [[1, 0]] * 3
    assert not found.windows.any()
    assert not found.transformer_regions.any()
    network, inputs = make("hybrid", {"graph": False})
    found = network.importances(inputs)
    assert found.fusion.tolist() == [[0, 1]] * 3
    assert found.attention.shape == (3, 0, 4, 4, 4)
    assert not found.graph_regions.any()


@pytest.mark.parametrize(
    ("changes", "windows"),
    [
        ({"windows_per_phase": 2}, (ONSET_APEX, *PHASE_WINDOWS)),
        ({}, (ONSET_APEX, "apex>offset")),
        ({"windows_per_phase": 0}, (ONSET_APEX,)),
        ({"graph": False}, (ONSET_APEX, "apex>offset")),
        ({"transformer": False}, (ONSET_APEX,)),
    ],
)
def test_a_hybrid_sees_each_window_once_and_none_in_vain(changes: dict[str, Any], windows: tuple[str, ...]) -> None:
    variant = MODELS["hybrid"]
    inputs = variant.make_inputs(store(), variant.settings.model_validate(changes))
    assert inputs.windows == windows
    assert inputs.values.shape == (3, len(windows), 4, 3, 14, 14)


@pytest.mark.parametrize(("per_phase", "seen"), [(2, [1, 2, 3, 4]), (1, [0, 1]), (0, [0])])
def test_the_transformer_of_a_hybrid_sees_its_own_windows_and_the_graph_the_first(
    per_phase: int, seen: list[int]
) -> None:
    network, inputs = make("hybrid", {"windows_per_phase": per_phase})
    found = scattered(network).importances(inputs.requires_grad_())
    for weights, windows in ((found.graph_regions, [0]), (found.transformer_regions, seen)):
        (touched,) = torch.autograd.grad(weights[:, 0].sum(), inputs, retain_graph=True)
        assert touched.flatten(2).any(dim=2).any(dim=0).nonzero()[:, 0].tolist() == windows


def test_interactions_start_at_how_often_action_units_move_regions_together() -> None:
    network, inputs = make("roi_graph", {"adjacency": "action-units", "depth": 2})
    with torch.no_grad():
        for layer in network.layers:
            layer.target.zero_()
            layer.source.zero_()
    floored = np.maximum(TOGETHER, 0.01)
    expected = floored / floored.sum(1, keepdims=True)
    assert np.allclose(network.attention(inputs).detach(), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["roi_graph", "hybrid"])
def test_action_units_that_no_training_clip_has_are_refused(name: str) -> None:
    variant = network_variant(name)
    task = Task(shape=(1, 3, 3, 14, 14)[name == "roi_graph" :], classes=K, co_occurrence=np.zeros((3, 3), np.float32))
    with pytest.raises(ConfigError, match="Set adjacency: learned"):
        variant.build(task, variant.settings.model_validate({"adjacency": "action-units"}))


def test_a_transformer_layer_attends_as_torch_s_does() -> None:
    torch.manual_seed(0)
    layer, x = TransformerLayer(16, 4, dropout=0.5, normalise=True).eval(), torch.randn(2, 5, 16)
    attention = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    feed_forward = layer.feed_forward.layers
    with torch.no_grad():
        attention.in_proj_weight.copy_(layer.project.weight)
        attention.out_proj.load_state_dict(layer.join.state_dict())
        normal = layer.before_attention(x)
        mixed, weights = attention(normal, normal, normal, average_attn_weights=False)
        found, found_weights = layer(x)
        expected = x + mixed
        expected = expected + feed_forward[3](nn.functional.gelu(feed_forward[1](feed_forward[0](expected))))
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(found_weights, weights, atol=1e-6)


def test_a_graph_layer_attends_as_its_paper_says() -> None:
    """Equations 1 to 5 of arXiv:1710.10903 pair by pair, and the interactions."""
    torch.manual_seed(0)
    layer, x = GraphLayer(8, 2, 0.5, torch.randn(3, 3), normalise=True).eval(), torch.randn(1, 3, 8)
    with torch.no_grad():
        found, attention = layer(x)
        nodes = layer.normalise(x[0]) @ layer.project.weight.T
        for head in range(2):
            h = nodes[:, 4 * head : 4 * head + 4]
            a = torch.cat([layer.target[head], layer.source[head]])
            for i in range(3):
                scores = [nn.functional.leaky_relu(a @ torch.cat([h[i], h[j]]), 0.2) for j in range(3)]
                weights = (torch.stack(scores) + layer.interactions[head, i]).softmax(0)
                assert torch.allclose(attention[0, head, i], weights, atol=1e-6)
                expected = x[0, i, 4 * head : 4 * head + 4] + nn.functional.elu(weights @ h)
                assert torch.allclose(found[0, i, 4 * head : 4 * head + 4], expected, atol=1e-6)


def test_patches_are_a_convolution_whose_stride_is_its_side() -> None:
    settings = FlowCnnSettings(patch_px=7, width=32)
    mixer, x = PatchMixer(3, 28, settings).eval(), torch.randn(2, 3, 28, 28)
    weight = mixer.embed.weight.reshape(32, 3, 7, 7)
    convolved = nn.functional.conv2d(x, weight, mixer.embed.bias, stride=7)  # (N, D, 4, 4)
    patches = nn.functional.gelu(convolved).flatten(2).transpose(1, 2).flatten(1)
    assert torch.allclose(mixer(x), nn.functional.gelu(mixer.gather(patches)), atol=1e-5)


def test_encoders_of_their_own_see_their_own_region_only() -> None:
    network, inputs = make("roi_cnn", {"shared_encoder": False, "encoder": "linear"})
    alone = network.encoder.encoders[2](inputs[:, 2])
    assert torch.allclose(network.encoder(inputs)[:, 2], alone, atol=1e-6)


def test_channels_double_up_to_the_width_in_whole_groups() -> None:
    assert doubling_widths(256) == (32, 64, 128, 256)
    assert doubling_widths(40) == (8, 8, 16, 40)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("roi_graph", {"width": 40, "heads": 3}, r"^here\.heads: must divide the width 40, found 3$"),
        ("roi_transformer", {"heads": 5}, r"here\.heads: must divide the width 32, found 5"),
        ("roi_transformer", {"windows_per_phase": 3}, r"here\.windows_per_phase"),
        ("hybrid", {"graph": False, "transformer": False}, r"here\.transformer: must be true where graph is false"),
        ("hybrid", {"width": 20}, r"^here\.width: .*multiple of 8, found 20$"),
        ("flow_cnn", {"input_px": 30}, r"here\.patch_px: must divide input_px 30, found 4"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_by_name(
    name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check(changes, MODELS[name].settings, "here")


def test_pictures_are_refused_for_published_maps_and_nowhere_else() -> None:
    maps = FaceStore(**{**vars(store()), "unit": "stretched"})
    with pytest.raises(ConfigError, match=r"models\.rgb looks at the frame of the apex"):
        MODELS["rgb"].make_inputs(maps, RgbSettings())
    assert MODELS["rgb"].make_inputs(store(), RgbSettings()).values.shape == (3, 3, 48, 48)


def test_only_pictures_show_appearance() -> None:
    assert [name for name in MISSION if network_variant(name).shows == "appearance"] == ["rgb"]


def test_mission_shapes_are_224_maps_and_a_256_vector_per_region() -> None:
    network, inputs = make("roi_cnn", dict(MODELS["roi_cnn"].presets["mission"]), store(1, 224))
    assert isinstance(network, RoiCnn)
    assert inputs.shape == (1, 3, 3, 224, 224)
    assert network.encoder(inputs).shape == (1, 3, 256)


def rows(name: str, changes: dict[str, Any], side: int = 56) -> tuple[Samples, Any]:
    """Eight clips of two subjects and four classes, and settings."""
    variant = network_variant(name)
    settings = variant.settings.model_validate(changes)
    faces = store(8, side)
    inputs = variant.make_inputs(faces, settings)
    samples = Samples(
        inputs=inputs.values,
        labels=np.arange(8) % 4,
        subjects=np.repeat(["a", "b"], 4),
        corpora=np.repeat("c", 8),
        clips=np.array(faces.clips),
        active=np.zeros((8, len(inputs.mirror)), dtype=np.bool_),
        classes=tuple("wxyz"),
        windows=inputs.windows,
        mirror=inputs.mirror,
    )
    return samples, settings


@pytest.mark.parametrize("name", MISSION)
def test_a_short_fold_trains_and_predicts_without_dropout(name: str) -> None:
    samples, settings = rows(name, {"dropout": 0.9, "epochs": 1})
    (fitted,) = fit(
        [TrainingData(samples=samples, validation_fold=np.repeat([0, 1], 4), seed=0)], model=name, settings=settings
    )
    probabilities = fitted.predict(samples.inputs)
    assert np.allclose(probabilities.sum(1), 1)
    assert np.array_equal(probabilities, fitted.predict(samples.inputs))


def test_a_short_fold_of_the_mission_preset_trains() -> None:
    samples, settings = rows("roi_cnn", {**MODELS["roi_cnn"].presets["mission"], "epochs": 1}, 224)
    (fitted,) = fit(
        [TrainingData(samples=samples, validation_fold=np.repeat([0, 1], 4), seed=0)],
        model="roi_cnn",
        settings=settings,
    )
    assert fitted.predict(samples.inputs).shape == (8, K)


def learnable(name: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of noise with a class that one place in the inputs gives away."""
    generator = torch.Generator().manual_seed(0)
    _, inputs = make(name, {})
    while True:
        labels = torch.randint(0, K, (32,), generator=generator)
        x = torch.randn((32, *inputs.shape[1:]), generator=generator)
        corner = x.reshape(32, -1, *x.shape[-3:])[:, 0]  # one region of one window
        corner[:, 0, : x.shape[-1] // 2] += (labels % 2 * 2 - 1)[:, None, None]
        corner[:, 1, x.shape[-1] // 2 :] += (labels // 2 * 2 - 1)[:, None, None]
        yield x, labels


@pytest.mark.parametrize("name", MISSION)
def test_a_default_network_learns_what_one_place_gives_away(name: str) -> None:
    network, _ = make(name, {})
    criterion: Any = nn.CrossEntropyLoss()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    batches = learnable(name)
    for _ in range(60):
        x, labels = next(batches)
        optimiser.zero_grad()
        criterion(network(x), labels).backward()
        optimiser.step()
    x, labels = next(batches)
    assert (network(x).argmax(1) == labels).float().mean() > 0.9


def known_parts(samples: Samples) -> TrainingData:
    """The fixture's first 24 rows, three subjects a part."""
    return TrainingData(samples=samples.take(np.arange(24)), validation_fold=np.repeat([1, 0], 12), seed=0)


@pytest.mark.parametrize("present", [(0, 1, 2), (0, 2), (1, 2)])
def test_svm_predicts_what_scikit_learn_s_machine_does(samples: Samples, present: tuple[int, ...]) -> None:
    known = samples.take(np.flatnonzero(np.isin(samples.labels, present)))
    part = np.zeros(len(known.labels), dtype=np.int64)
    fitted = fit_svm(
        TrainingData(samples=known, validation_fold=part, seed=0), LinearSvmSettings(c_values=(0.01,), inner_folds=2)
    )
    machine = make_pipeline(
        StandardScaler(), SVC(kernel="linear", C=0.01, class_weight="balanced", break_ties=len(present) > 2)
    )
    machine.fit(known.inputs.reshape(len(known.labels), -1), known.labels)
    flat = samples.inputs.reshape(len(samples.inputs), -1)
    margins = machine.decision_function(flat)
    expected = np.zeros((len(flat), 3))
    expected[:, present] = softmax(margins if margins.ndim == 2 else np.stack([-margins, margins], axis=1), axis=1)
    assert fitted.predict(samples.inputs) == pytest.approx(expected, abs=1e-6)  # its scaler computes in float32
    assert np.array_equal(fitted.predict(samples.inputs).argmax(1), machine.predict(flat))


def test_svm_chooses_the_strength_that_is_best_over_groups_of_known_subjects(samples: Samples) -> None:
    candidates = (1e-4, 1e-3, 1e-2, 1e-1)
    known = samples.take(np.arange(24))
    flat = known.inputs.reshape(24, -1)

    def inner_score(strength: float) -> float:
        machine = make_pipeline(StandardScaler(), SVC(kernel="linear", C=strength, class_weight="balanced"))
        guesses = cross_val_predict(machine, flat, known.labels, groups=known.subjects, cv=GroupKFold(2))
        return float(f1_score(known.labels, guesses, average="macro"))

    fitted = fit_svm(known_parts(samples), LinearSvmSettings(c_values=candidates, inner_folds=2))
    assert fitted.chosen == f"C={max(candidates, key=inner_score):g}"


def test_a_group_of_channels_is_not_normalised_to_nothing_on_one_pixel() -> None:
    settings = RoiCnnSettings(input_px=16, widths=(8, 8, 8, 8))
    network = RoiCnn(Task(shape=(1, 3, 16, 16), classes=K, co_occurrence=np.zeros((1, 1), np.float32)), settings).eval()
    first, second = network.encoder(torch.randn(2, 1, 3, 16, 16))
    assert not torch.allclose(first, second)
