import numpy as np
import pytest
import torch
from torch import nn
from variants import CO_OCCURRENCE, K, make_network, network_variant

from microfacial.errors import ConfigError
from microfacial.models import Task
from microfacial.models.layers.attention import GraphLayer, TransformerLayer
from microfacial.models.roi_graph import RoiGraph
from microfacial.models.roi_transformer import RoiTransformer


@pytest.mark.parametrize(("name", "tokens", "depth"), [("roi_graph", 4, 1), ("roi_transformer", 8, 2)])
def test_attention_has_a_row_of_weights_per_token_and_each_row_sums_to_one(name: str, tokens: int, depth: int) -> None:
    network, inputs = make_network(name, {"depth": depth})
    assert isinstance(network, RoiGraph | RoiTransformer)
    attention = network.attention(inputs)
    assert attention.shape == (3, depth, 4, tokens, tokens)
    assert torch.allclose(attention.sum(-1), torch.ones(3, depth, 4, tokens))


def test_interactions_start_at_the_co_occurrence_of_action_units() -> None:
    network, inputs = make_network("roi_graph", {"adjacency": "action-units", "depth": 2})
    with torch.no_grad():
        for layer in network.layers:
            layer.target.zero_()
            layer.source.zero_()
    floored = np.maximum(CO_OCCURRENCE, 0.01)
    expected = floored / floored.sum(1, keepdims=True)
    assert np.allclose(network.attention(inputs).detach(), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["roi_graph", "hybrid"])
def test_action_units_are_refused_if_no_training_clip_has_any(name: str) -> None:
    variant = network_variant(name)
    task = Task(shape=(1, 3, 3, 14, 14)[name == "roi_graph" :], classes=K, co_occurrence=np.zeros((3, 3), np.float32))
    with pytest.raises(ConfigError, match="adjacency: learned"):
        variant.build(task, variant.settings.model_validate({"adjacency": "action-units"}))


def test_a_transformer_layer_computes_the_same_as_multihead_attention_of_torch() -> None:
    torch.manual_seed(0)
    layer, x = TransformerLayer(16, 4, dropout=0.5, normalise=True).eval(), torch.randn(2, 5, 16)
    attention = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    feed_forward = layer.feed_forward.layers
    with torch.no_grad():
        attention.in_proj_weight.copy_(layer.project.weight)
        attention.out_proj.load_state_dict(layer.join.state_dict())
        normal = layer.before_attention(x)
        mixed, weights = attention(normal, normal, normal, average_attn_weights=False)
        tokens, layer_weights = layer(x)
        expected = x + mixed
        expected = expected + feed_forward[3](nn.functional.gelu(feed_forward[1](feed_forward[0](expected))))
    assert torch.allclose(tokens, expected, atol=1e-6)
    assert torch.allclose(layer_weights, weights, atol=1e-6)


def test_a_graph_layer_follows_the_equations_of_its_paper() -> None:
    """Equations 1 to 5 of arXiv:1710.10903, pair by pair, plus the interactions."""
    torch.manual_seed(0)
    layer, x = GraphLayer(8, 2, 0.5, torch.randn(3, 3), normalise=True).eval(), torch.randn(1, 3, 8)
    with torch.no_grad():
        vectors, attention = layer(x)
        nodes = layer.normalise(x[0]) @ layer.project.weight.T
        for head in range(2):
            h = nodes[:, 4 * head : 4 * head + 4]
            a = torch.cat([layer.target[head], layer.source[head]])
            for i in range(3):
                scores = [nn.functional.leaky_relu(a @ torch.cat([h[i], h[j]]), 0.2) for j in range(3)]
                weights = (torch.stack(scores) + layer.interactions[head, i]).softmax(0)
                assert torch.allclose(attention[0, head, i], weights, atol=1e-6)
                expected = x[0, i, 4 * head : 4 * head + 4] + nn.functional.elu(weights @ h)
                assert torch.allclose(vectors[0, i, 4 * head : 4 * head + 4], expected, atol=1e-6)
