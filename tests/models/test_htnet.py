from typing import Any

import torch
from torch import Tensor, nn
from variants import build_peer, peer_inputs

from microfacial.models.htnet import HtNet


def is_query_or_key(name: str) -> bool:
    return name.endswith(("query.weight", "key.weight"))


def test_queries_and_keys_are_never_trained_with_the_published_input() -> None:
    """A block is one token. The softmax over one token is always 1, so its derivative is 0."""
    network = build_peer("htnet")
    network(peer_inputs("htnet")).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}
    queries_and_keys = [gradient for name, gradient in gradients.items() if is_query_or_key(name)]
    assert len(queries_and_keys) == 2 * (2 + 2 + 10)
    assert all(gradient.abs().max() == 0 for gradient in queries_and_keys)
    first, last = (gradients[f"levels.{level}.position"].abs().item() for level in (0, 2))
    assert last < 1e-4 * first  # normalisation removes a constant in all channels, except for rounding


def test_queries_and_keys_are_trained_where_a_block_has_four_tokens() -> None:
    network = build_peer("htnet", shape=(3, 56, 56), input_px=56)
    network(torch.randn(2, 3, 56, 56)).square().sum().backward()
    gradients = [parameter.grad for name, parameter in network.named_parameters() if is_query_or_key(name)]
    assert len(gradients) == 2 * (2 + 2 + 10)
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


def test_attention_stays_within_a_block() -> None:
    network = build_peer("htnet", shape=(3, 56, 56), input_px=56).eval()
    assert isinstance(network, HtNet)
    tokens = torch.randn(1, 8, 8, 48)
    changed = tokens.clone()
    changed[0, 2, 5] += torch.randn(48)  # in the second row and third column of 4×4 blocks of 2×2 tokens
    difference = (network.levels[0](tokens) - network.levels[0](changed)).abs().sum(dim=3)[0]
    assert difference[2:4, 4:6].min() > 0
    difference[2:4, 4:6] = 0
    assert difference.max() == 0


def test_attention_computes_the_same_as_torch() -> None:
    network = build_peer("htnet")
    attention: Any = network.get_submodule("levels.1.layers.0.attention.1")
    tokens = torch.randn(2, 5, 96)
    parts = [getattr(attention, part)(tokens).view(2, 5, 6, 16).transpose(1, 2) for part in ("query", "key", "value")]
    expected = nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2).reshape(2, 5, 96)
    assert torch.allclose(attention(tokens), attention.out(expected), atol=1e-6)


def test_patches_tile_the_face() -> None:
    network = build_peer("htnet")
    assert isinstance(network, HtNet)
    embedded: list[Tensor] = []
    network.embed.register_forward_hook(lambda _module, inputs, _output: embedded.append(inputs[0]))
    maps = peer_inputs("htnet", 1)
    network(maps)
    assert torch.equal(embedded[0][0, 1, 2].view(3, 7, 7), maps[0, :, 7:14, 14:21])
