"""What several variants share: region encoders, attention, graph attention, a residual network, heads.

Matrix products wherever they do, so that several folds train as one batched program.

Axes: N samples · W windows · R regions · C channels · s pixels · L tokens · D width · K classes.

Source: attention and pre-norm layers, Vaswani et al., arXiv:1706.03762, and Xiong et al., arXiv:2002.04745; graph
attention, Veličković et al., arXiv:1710.10903; residual networks, He et al., doi:10.1109/CVPR.2016.90; group
normalisation, because batches are small, Wu & He, doi:10.1007/978-3-030-01261-8_1.
"""

from collections.abc import Iterable
from math import prod
from types import MappingProxyType
from typing import Annotated, Literal, Protocol

import torch
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from microfacial.errors import ConfigError
from microfacial.models.base import MISSION_TRAINING, Preset, Task
from microfacial.models.settings import OptimiserSettings

CHANNELS_A_GROUP = 8  # more than one, or a map of one pixel would be normalised to nothing
_LEAST_SHARE = 0.01  # of training clips, in the logarithm of how often two regions move together
_EMBEDDING_SCALE = 0.02

# Odd numbers with irregular bits: the golden ratio's, and the two of Steele et al., Fast Splittable Pseudorandom Number
# Generators, OOPSLA 2014, doi:10.1145/2660193.2660195; as int64.
_WEYL = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64

Width = Annotated[int, Field(gt=0, multiple_of=CHANNELS_A_GROUP)]
EncoderKind = Literal["linear", "conv"]
Adjacency = Literal["learned", "action-units"]


class Dropout(nn.Module):
    """Dropout whose mask is a hash of `key` and of the position in one network's input, once `keyed` is set.

    Networks that train side by side then drop what each would drop alone. Without a key it is `nn.Dropout`.

    Convention: each place in a network has its own module, as one called twice in a pass would drop the same twice.
    """

    key: Tensor

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.keyed = False
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share of `x` and enlarge the rest while training; the same shape."""
        if not (self.training and self.keyed):
            return nn.functional.dropout(x, self.share, self.training)
        bits = torch.arange(x.numel(), device=x.device).mul_(_WEYL).view(x.shape) + self.key
        bits = (bits ^ (bits >> 32)) * _FIRST
        bits = (bits ^ (bits >> 29)) * _SECOND
        kept = bits >= int((self.share - 0.5) * 2**64)  # the highest bits are the most random
        return x * (kept.to(x.dtype) / (1 - self.share))


class RegionSettings(OptimiserSettings):
    """What all models of regions can set."""

    input_px: int = Field(14, ge=4)  # side of a region's map
    whole_face: bool = True  # the whole face is one more region
    encoder: EncoderKind = "linear"  # one linear layer over a map's pixels, or four convolution blocks
    shared_encoder: bool = False  # one encoder for all regions, or one for each
    dropout: float = Field(0.5, ge=0, lt=1)
    skip: bool = False  # add a linear classifier of the inputs


class AttentionSettings(RegionSettings):
    """What all models with attention can set."""

    width: Width = 32  # D
    depth: int = Field(1, ge=1)  # layers
    heads: int = Field(4, ge=1, validate_default=True)
    normalise: bool = False  # bring tokens to one length before each layer, which hides how strong a motion is

    @field_validator("heads")
    @classmethod
    def _divides_width(cls, heads: int, fields: ValidationInfo) -> int:
        width = fields.data.get("width", heads)  # a width that is itself wrong is refused by its own name
        if width % heads:
            raise PydanticCustomError("heads", "must divide the width {width}", {"width": width})
        return heads


MISSION_ATTENTION: Preset = MappingProxyType(
    {
        **MISSION_TRAINING,
        "input_px": 224,
        "whole_face": False,
        "encoder": "conv",
        "shared_encoder": True,
        "normalise": True,
        "width": 256,
        "depth": 2,
        "heads": 8,
    }
)


class RegionEncoder(nn.Module):
    """Maps `(N, …, R, C, s, s)` → vectors `(N, …, R, D)`: one encoder for all regions, or one for each.

    Args:
        shape: of the regions' maps, `(R, C, s, s)`.
        widths: channels of four convolution blocks; the last is D, all that a linear encoder takes of them.
    """

    def __init__(self, shape: tuple[int, ...], widths: tuple[int, ...], settings: RegionSettings) -> None:
        super().__init__()
        regions, channels, *pixels = shape
        make = {
            "linear": lambda: _linear(channels * prod(pixels), widths[-1]),
            "conv": lambda: convolutions(channels, widths),
        }
        self.encoders = nn.ModuleList(
            make[settings.encoder]() for _ in range(1 if settings.shared_encoder else regions)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Vectors `(N, …, R, D)` of maps `(N, …, R, C, s, s)`."""
        if len(self.encoders) == 1:
            vectors: Tensor = self.encoders[0](x.flatten(0, -4))  # (N·…·R, D)
            return vectors.reshape(*x.shape[:-3], -1)
        regions = zip(self.encoders, x.unbind(-4), strict=True)  # maps of one region: (N, …, C, s, s)
        each = [encoder(maps.flatten(0, -4)) for encoder, maps in regions]  # (N·…, D)
        return torch.stack(each, dim=1).reshape(*x.shape[:-3], -1)


def _linear(inputs: int, width: int) -> nn.Sequential:
    """`(n, C, s, s)` → `(n, D)`."""
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.GELU())


def convolutions(channels: int, widths: Iterable[int]) -> nn.Sequential:
    """Blocks that halve the side, then the mean: `(n, C, s, s)` → `(n, D)`."""
    blocks = []
    for width in widths:
        blocks += [*_convolution(channels, width, side=3, stride=2), nn.ReLU()]
        channels = width
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def doubling(width: int) -> tuple[int, int, int, int]:
    """Channels of four blocks that double up to a width: 256 gives 32, 64, 128, 256."""
    first, second, third = (max(CHANNELS_A_GROUP, width // n // CHANNELS_A_GROUP * CHANNELS_A_GROUP) for n in (8, 4, 2))
    return first, second, third, width


def _convolution(before: int, after: int, *, side: int, stride: int) -> tuple[nn.Conv2d, nn.GroupNorm]:
    """`(n, before, s, s)` → `(n, after, s / stride, s / stride)`, normalised."""
    convolution = nn.Conv2d(before, after, side, stride, padding=side // 2, bias=False)
    return convolution, nn.GroupNorm(after // CHANNELS_A_GROUP, after)


class ResNet18(nn.Module):
    """Eight residual blocks of two convolutions, `(N, C, s, s)` → `(N, 512)`."""

    WIDTH = 512

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(channels, 64, side=7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        sides = ((64, 64), (64, 128), (128, 256), (256, 512))
        pairs = ((_Residual(before, after), _Residual(after, after)) for before, after in sides)
        self.blocks = nn.Sequential(*(block for pair in pairs for block in pair))
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Vectors `(N, 512)` of pictures `(N, C, s, s)`."""
        small = self.stem(x)  # (N, 64, s/4, s/4)
        vectors: Tensor = self.mean(self.blocks(small))  # (N, 512, s/32, s/32) → (N, 512)
        return vectors


class _Residual(nn.Module):
    """Two convolutions beside a shortcut; the side halves where channels grow."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        grows = after != before
        self.body = nn.Sequential(
            *_convolution(before, after, side=3, stride=2 if grows else 1),
            nn.ReLU(),
            *_convolution(after, after, side=3, stride=1),
        )
        self.shortcut = nn.Sequential(*_convolution(before, after, side=1, stride=2)) if grows else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = self.body(x) + self.shortcut(x)
        return summed.relu()


class Layer(Protocol):
    """A layer that says what each token looked at."""

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `(N, L, D)`, and weights `(N, heads, L, L)`: row i is what token i took from each."""
        ...


def run_layers(layers: Iterable[Layer], x: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens `(N, L, D)` through all layers, and their attention, `(N, depth, heads, L, L)`."""
    attention = []
    for layer in layers:
        x, weights = layer(x)
        attention.append(weights)
    return x, torch.stack(attention, dim=1)


class TransformerLayer(nn.Module):
    """Self-attention, then a feed-forward net, each normalised first if wanted, and added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float, *, normalise: bool) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = _normalisation(width, normalise)
        self.project = nn.Linear(width, 3 * width, bias=False)  # a bias of keys would change nothing
        self.join = nn.Linear(width, width)
        self.drop_attention = Dropout(dropout)
        self.feed_forward = FeedForward(width, 2 * width, normalise=normalise)
        self.drop_feed_forward = Dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Layer`."""
        projected = self.project(self.before_attention(x)).unflatten(-1, (3, self.heads, -1))  # (N, L, 3, heads, d)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)  # (N, heads, L, d) each
        weights = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(-1)  # (N, heads, L, L)
        mixed = (weights @ value).transpose(1, 2).flatten(2)  # (N, L, D)
        x = x + self.drop_attention(self.join(mixed))
        return x + self.drop_feed_forward(self.feed_forward(x)), weights


def _normalisation(width: int, normalise: bool) -> nn.Module:
    """`(…, D)` → `(…, D)`."""
    return nn.LayerNorm(width) if normalise else nn.Identity()


class FeedForward(nn.Module):
    """Normalise the last axis if wanted, widen it, bring it back: `(…, D)` → `(…, D)`."""

    def __init__(self, width: int, hidden: int, *, normalise: bool) -> None:
        super().__init__()
        normalisation = _normalisation(width, normalise)
        self.layers = nn.Sequential(normalisation, nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """`(…, D)` → `(…, D)`."""
        changed: Tensor = self.layers(x)
        return changed


class GraphLayer(nn.Module):
    """Graph attention among R regions that are all joined, plus what each pair means to each other whatever the input.

    The learnable `interactions` `(heads, R, R)` are added to the scores before the softmax.

    Args:
        adjacency: `(R, R)`, where the interactions start.
    """

    def __init__(self, width: int, heads: int, dropout: float, adjacency: Tensor, *, normalise: bool) -> None:
        super().__init__()
        self.normalise = _normalisation(width, normalise)
        self.project = nn.Linear(width, width, bias=False)
        bound = (heads / width) ** 0.5
        self.listens = nn.Parameter(torch.empty(heads, width // heads).uniform_(-bound, bound))
        self.speaks = nn.Parameter(torch.empty(heads, width // heads).uniform_(-bound, bound))
        self.interactions = nn.Parameter(adjacency.repeat(heads, 1, 1))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Layer`; L is R."""
        nodes = self.project(self.normalise(x)).unflatten(-1, self.listens.shape)  # (N, R, heads, d)
        listens = (nodes * self.listens).sum(-1).transpose(1, 2)  # (N, heads, R)
        speaks = (nodes * self.speaks).sum(-1).transpose(1, 2)
        scores = nn.functional.leaky_relu(listens[..., :, None] + speaks[..., None, :], 0.2)  # (N, heads, R, R)
        weights = (scores + self.interactions).softmax(-1)
        mixed = (weights @ nodes.transpose(1, 2)).transpose(1, 2).flatten(2)  # (N, R, D)
        return x + self.dropout(nn.functional.elu(mixed)), weights


def start_adjacency(task: Task, regions: int, adjacency: Adjacency) -> Tensor:
    """Where a graph's interactions start, `(R, R)`: nothing known, or how often two regions move together.

    With scores of zero, a region then takes from each in proportion to that.

    Raises:
        ConfigError: action units are asked for, but no training clip has any.
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
    """How much each of P parts counts: a softmax over how well its vector fits a learnable query, or all alike.

    One part alone counts wholly, and needs no query.
    """

    def __init__(self, width: int, parts: int, *, learnable: bool) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(width)) if learnable and parts > 1 else None  # all alike at first

    def forward(self, x: Tensor) -> Tensor:
        """Weights `(N, P)` of vectors `(N, P, D)`; they sum to 1."""
        if self.query is None:
            return x.new_full(x.shape[:2], 1 / x.shape[1])
        fits: Tensor = x @ self.query * x.shape[-1] ** -0.5
        return fits.softmax(-1)


class Head(nn.Module):
    """Logits of features `(N, F)`; optionally a linear classifier of the inputs is added.

    Args:
        shape: of one input.
    """

    def __init__(self, features: int, task: Task, *, dropout: float, skip: bool) -> None:
        super().__init__()
        self.classify = nn.Sequential(Dropout(dropout), nn.Linear(features, task.classes))
        self.skip = nn.Linear(prod(task.shape), task.classes, bias=False) if skip else None

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        """Logits `(N, K)` of features `(N, F)` and the inputs `(N, …)` they came from."""
        logits: Tensor = self.classify(features)
        return logits if self.skip is None else logits + self.skip(x.flatten(1))


def embedding(*shape: int) -> nn.Parameter:
    """A learnable place to add to tokens."""
    return nn.Parameter(torch.randn(shape) * _EMBEDDING_SCALE)
