"""Self-attention, graph attention, and attention pooling.

Source: attention, Vaswani et al., NeurIPS 2017, arXiv:1706.03762; normalisation before each step, Xiong et al., ICML
2020, arXiv:2002.04745; graph attention, Veličković et al., ICLR 2018, arXiv:1710.10903.
"""

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor, nn

from microfacial.errors import ConfigError
from microfacial.models.base import Task
from microfacial.models.layers.dropout import Dropout
from microfacial.models.layers.encoders import FeedForward, optional_norm
from microfacial.models.settings import Adjacency

_LEAST_SHARE = 0.01  # of training clips; the logarithm of a smaller share would dominate all scores
_EMBEDDING_SCALE = 0.02


class AttentionLayer(Protocol):
    """A layer that returns its attention weights together with its tokens."""

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return new tokens and attention weights.

        Args:
            x: tokens, `(N, L, D)`.

        Returns:
            Tokens `(N, L, D)`, and weights `(N, heads, L, L)`. Row i has the weights with which token i
            reads each token.
        """
        ...


def run_layers(layers: Iterable[AttentionLayer], x: Tensor) -> tuple[Tensor, Tensor]:
    """Pass tokens through several layers.

    Args:
        layers: the layers, in order.
        x: tokens, `(N, L, D)`.

    Returns:
        Tokens `(N, L, D)`, and the attention weights of all layers, `(N, depth, heads, L, L)`.
    """
    attention = []
    for layer in layers:
        x, weights = layer(x)
        attention.append(weights)
    return x, torch.stack(attention, dim=1)


def dot_product_weights(query: Tensor, key: Tensor) -> Tensor:
    """Return the weights of scaled dot-product attention.

    Args:
        query: queries of each head, `(…, heads, L, d)`.
        key: keys of each head, the same shape.

    Returns:
        Weights `(…, heads, L, L)`. Each row sums to 1.
    """
    return (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(-1)


def mix_heads(weights: Tensor, values: Tensor) -> Tensor:
    """Average the values of each head by attention weights, and join the heads.

    Args:
        weights: attention weights, `(…, heads, L, L)`.
        values: values of each head, `(…, heads, L, d)`.

    Returns:
        Tokens `(…, L, heads·d)`.
    """
    return (weights @ values).transpose(-3, -2).flatten(-2)


class TransformerLayer(nn.Module):
    """Self-attention and a feed-forward network. The result of each is added to its input.

    Args:
        width: length of a token, D.
        heads: number of attention heads. It divides the width.
        dropout: share of values to drop in training, after attention and after the feed-forward network.
        normalise: whether to normalise tokens before both steps.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, normalise: bool) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = optional_norm(width, normalise=normalise)
        self.project = nn.Linear(width, 3 * width, bias=False)  # a bias of the keys would change nothing
        self.join = nn.Linear(width, width)
        self.drop_attention = Dropout(dropout)
        self.feed_forward = FeedForward(width, 2 * width, normalise=normalise)
        self.drop_feed_forward = Dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens and attention weights; see `AttentionLayer`."""
        projected = self.project(self.before_attention(x)).unflatten(-1, (3, self.heads, -1))  # (N, L, 3, heads, d)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)  # (N, heads, L, d) each
        weights = dot_product_weights(query, key)  # (N, heads, L, L)
        x = x + self.drop_attention(self.join(mix_heads(weights, value)))  # (N, L, D)
        return x + self.drop_feed_forward(self.feed_forward(x)), weights


class GraphLayer(nn.Module):
    """Graph attention among R regions, each connected to every region.

    The score of a pair of regions depends on both regions. A learnable number per pair and head, `interactions`
    `(heads, R, R)`, is added to the score before the softmax. It does not depend on the input.

    Args:
        width: length of a region's vector, D.
        heads: number of attention heads. It divides the width.
        dropout: share of values to drop in training.
        adjacency: initial interactions, `(R, R)`.
        normalise: whether to normalise vectors first.
    """

    def __init__(self, width: int, heads: int, dropout: float, adjacency: Tensor, *, normalise: bool) -> None:
        super().__init__()
        self.normalise = optional_norm(width, normalise=normalise)
        self.project = nn.Linear(width, width, bias=False)
        bound = (heads / width) ** 0.5
        self.target = nn.Parameter(torch.empty(heads, width // heads).uniform_(-bound, bound))
        self.source = nn.Parameter(torch.empty(heads, width // heads).uniform_(-bound, bound))
        self.interactions = nn.Parameter(adjacency.repeat(heads, 1, 1))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors and attention weights; see `AttentionLayer`. L is R."""
        nodes = self.project(self.normalise(x)).unflatten(-1, self.target.shape)  # (N, R, heads, d)
        target = (nodes * self.target).sum(-1).transpose(1, 2)  # (N, heads, R): score as the region that reads
        source = (nodes * self.source).sum(-1).transpose(1, 2)  # (N, heads, R): score as the region that is read
        scores = nn.functional.leaky_relu(target[..., :, None] + source[..., None, :], 0.2)  # (N, heads, R, R)
        weights = (scores + self.interactions).softmax(-1)
        mixed = mix_heads(weights, nodes.transpose(1, 2))  # (N, R, D)
        return x + self.dropout(nn.functional.elu(mixed)), weights


def initial_interactions(task: Task, regions: int, adjacency: Adjacency) -> Tensor:
    """Return the initial interactions of a graph layer.

    With scores of zero, the interactions from action units make each region read every region in proportion to how
    often the two move together.

    Args:
        task: co-occurrence of the regions' motion in the training clips.
        regions: number of regions, R.
        adjacency: `learned` for zeros; `action-units` for the logarithm of the co-occurrence.

    Returns:
        `(R, R)` float32.

    Raises:
        ConfigError: `action-units` is set, but no training clip has annotated action units.
    """
    if adjacency == "learned":
        return torch.zeros(regions, regions)
    if not task.co_occurrence.any():
        raise ConfigError(
            "params.yaml: adjacency: action-units needs annotated action units, and the training clips of these "
            "corpora have none. Set adjacency: learned"
        )
    return torch.from_numpy(task.co_occurrence).clamp(min=_LEAST_SHARE).log()


class AttentionPooling(nn.Module):
    """Weights of P parts: a softmax over the products of their vectors with a learnable query, or equal weights.

    A single part has the weight 1 and needs no query.

    Args:
        width: length of a vector, D.
        parts: number of parts, P.
        learnable: whether to learn a query. False gives equal weights.
    """

    def __init__(self, width: int, parts: int, *, learnable: bool) -> None:
        super().__init__()
        # A query of zeros gives equal weights at the start of training.
        self.query = nn.Parameter(torch.zeros(width)) if learnable and parts > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Return weights `(N, P)` for vectors `(N, P, D)`. The weights of a sample sum to 1."""
        if self.query is None:
            return x.new_full(x.shape[:2], 1 / x.shape[1])
        scores: Tensor = x @ self.query * x.shape[-1] ** -0.5
        return scores.softmax(-1)


def embedding(*shape: int) -> nn.Parameter:
    """Create a learnable position embedding, which is added to tokens.

    Args:
        *shape: shape of the embedding.

    Returns:
        A parameter with small random values.
    """
    return nn.Parameter(torch.randn(shape) * _EMBEDDING_SCALE)
