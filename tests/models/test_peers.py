"""Facts about the networks of the literature and the smallest network. Parameters are counted for three classes."""

import numpy as np
import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap
from variants import PEERS, build_peer, peer_inputs

from microfacial.models import MODELS
from microfacial.records import FaceStore

QUERIES_AND_KEYS = {
    f"levels.{level}.layers.{layer}.attention.1.{part}.weight"
    for level, depth in enumerate((2, 2, 10))
    for layer in range(depth)
    for part in ("query", "key")
}
UNTRAINED = {"htnet": {*QUERIES_AND_KEYS, "levels.2.position"}}  # see test_htnet.py


def htnet_count(width: int) -> int:
    """Count from the layers of Model.py, github.com/wangzhifengharrison/HTNet. It and the paper state no count."""
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
    # the 2.66 M in the table of github.com/ECNU-Cross-Innovation-Lab/PRICAI2021-Off-TANet
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
    # maps and 5×5 pools of the example in its README; it states no count
    ("rcn_a", "default"): 75 * 32 + 32 + 2 * 32 + 32 * 32 + 32 + 2 * 32 + 288 * 32 + 32 + 2 * 32 + 800 * 3 + 3,
    ("htnet", "default"): htnet_count(48),
    ("htnet", "published"): htnet_count(256),
}


@pytest.mark.parametrize(("name", "preset"), COUNTS)
def test_the_number_of_parameters_is_as_published(name: str, preset: str) -> None:
    with torch.device("meta" if preset == "published" else "cpu"):  # avoids memory for 140 million parameters
        network = build_peer(name, preset)
    assert sum(parameter.numel() for parameter in network.parameters()) == COUNTS[name, preset]


@pytest.mark.parametrize("name", PEERS)
def test_inputs_have_the_published_shape_and_give_logits(name: str, onset_apex_store: FaceStore) -> None:
    variant = MODELS[name]
    values = variant.make_inputs(onset_apex_store, variant.settings()).values
    assert values.shape == (3, *PEERS[name])
    assert build_peer(name)(torch.from_numpy(np.ascontiguousarray(values))).shape == (3, 3)


@pytest.mark.parametrize("name", PEERS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = build_peer(name)
    network(peer_inputs(name)).square().sum().backward()
    trained = {key: value for key, value in network.named_parameters() if key not in UNTRAINED.get(name, ())}
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in trained.values())


@pytest.mark.parametrize("name", PEERS)
def test_a_face_without_motion_gives_finite_logits_and_gradients(name: str) -> None:
    network = build_peer(name)
    logits = network(torch.zeros(2, *PEERS[name]))
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", PEERS)
def test_the_logits_of_a_face_do_not_depend_on_other_faces_of_its_batch(name: str) -> None:
    network = build_peer(name).eval()
    maps = peer_inputs(name)
    assert torch.allclose(network(maps)[:1], network(maps[:1]), atol=1e-5)
    assert all(name.endswith("key") for name, _ in network.named_buffers())  # no running statistics


@pytest.mark.parametrize("name", PEERS)
def test_a_saved_state_restores_a_network(name: str) -> None:
    first, second = (build_peer(name).eval() for _ in range(2))
    assert not torch.equal(first(peer_inputs(name)), second(peer_inputs(name)))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(peer_inputs(name)), second(peer_inputs(name)))


def test_several_mlps_run_as_one_batched_program() -> None:
    networks = [build_peer("mlp").eval() for _ in range(3)]
    weights, _ = stack_module_state(networks)
    maps = peer_inputs("mlp")
    together = vmap(lambda parameters: functional_call(networks[0], parameters, (maps,)))(weights)
    apart = torch.stack([network(maps) for network in networks])
    assert torch.allclose(together, apart, atol=1e-6)
