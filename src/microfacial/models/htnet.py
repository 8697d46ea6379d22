"""HTNet: transformer blocks over small blocks of the face, then over larger blocks, then over the whole face.

    (N, 3, 28, 28) ─▶ 7×7 patches ─▶ (N, 4, 4, D) ─▶ level 1: attention within each of 4×4 blocks ─▶ merge
                                     (N, 2, 2, 2D) ─▶ level 2: within each of 2×2 blocks ─▶ merge
                                     (N, 1, 1, 4D) ─▶ level 3: over the whole face ─▶ mean ─▶ (N, K)

With the published input of 28 px, each block is one token at every level. The softmax over one token is always 1, so
attention only passes the values on, and its queries and keys are never trained. Tokens exchange information only in the
merging convolutions. The position of the last level is one number for all channels, and the normalisations after it
remove it. With `input_px: 56`, a block has four tokens, and the attention weights are trained.

The published system cuts its four quarters around eyes and lip corners that a detector finds on images of 28×28. Here
faces are aligned, so the quarters of the aligned face contain them. The published width of 256 gives 140 million
parameters for about a hundred clips, so the default is narrower, D = 48.

Source: Wang et al., HTNet for micro-expression recognition, Neurocomputing 2024, arXiv:2307.14637; layers and training,
github.com/wangzhifengharrison/HTNet, Model.py and main_HTNet.py. That code chooses the epoch on the test subject. This
implementation does not.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from microfacial.models.base import PLAIN_TRAINING, Network, Task
from microfacial.models.inputs import full_face
from microfacial.models.layers.attention import dot_product_weights, mix_heads
from microfacial.models.layers.encoders import FeedForward
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs

_PATCH_PX = 7
_HEADS = 3  # of level 1; each level has twice as many as the one before
_DEPTHS = (2, 2, 10)  # transformer layers of each level
_BLOCKS = (4, 2, 1)  # blocks along a side, of each level


class HtNetSettings(OptimiserSettings):
    """`models.htnet` in params.yaml."""

    input_px: int = Field(28, ge=28, le=448, multiple_of=28)  # side of the map
    width: int = Field(48, ge=_HEADS, le=1024)  # D of level 1; each level is twice as wide as the one before


class HtNet(nn.Module):
    """Patches as tokens, three levels of transformer layers, and one linear layer over the mean token.

    A level attends within each of its square blocks of tokens. After each of the first two levels, a merge halves the
    number of tokens along a side and doubles their width.

    Args:
        task: shape `(C, s, s)` of one sample, with C channels and s px along a side, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: HtNetSettings) -> None:
        super().__init__()
        channels, side_px, _ = task.shape
        widths = [settings.width * 2**level for level in range(len(_DEPTHS))]
        tokens = (side_px // _PATCH_PX // _BLOCKS[0]) ** 2  # of a block
        self.embed = nn.Linear(channels * _PATCH_PX**2, widths[0])
        self.levels = nn.ModuleList(
            _Level(width, tokens, blocks, _HEADS * 2**level, depth)
            for level, (width, blocks, depth) in enumerate(zip(widths, _BLOCKS, _DEPTHS, strict=True))
        )
        self.merges = nn.ModuleList([*map(_Merge, widths[:-1], widths[1:]), nn.Identity()])
        self.head = nn.Sequential(nn.LayerNorm(widths[-1]), nn.Flatten(1, 2))
        self.classify = nn.Linear(widths[-1], task.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps `(N, C, s, s)`."""
        patches = x.unfold(2, _PATCH_PX, _PATCH_PX).unfold(3, _PATCH_PX, _PATCH_PX)  # (N, C, g, g, 7, 7)
        tokens = self.embed(patches.permute(0, 2, 3, 1, 4, 5).flatten(3))  # (N, g, g, D)
        for level, merge in zip(self.levels, self.merges, strict=True):
            tokens = merge(level(tokens))
        logits: Tensor = self.classify(self.head(tokens).mean(dim=1))  # (N, K)
        return logits


class _Level(nn.Module):
    """Transformer layers that attend within each block of tokens."""

    def __init__(self, width: int, tokens: int, blocks: int, heads: int, depth: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.position = nn.Parameter(torch.randn(tokens))
        self.layers = nn.Sequential(*(_Layer(width, heads) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens `(N, g, g, D)` for tokens `(N, g, g, D)`."""
        count, grid, _, width = x.shape
        blocks, side = self.blocks, grid // self.blocks
        cut = x.reshape(count, blocks, side, blocks, side, width).transpose(2, 3)  # (N, b, b, h, h, D)
        tokens = self.layers(cut.flatten(3, 4) + self.position[:, None])  # (N, b, b, h·h, D)
        joined: Tensor = tokens.reshape(cut.shape).transpose(2, 3).reshape(x.shape)
        return joined


class _Layer(nn.Module):
    """Attention and a feed-forward network. The input of each is normalised, and its result is added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), _Attention(width, heads))
        self.feed_forward = FeedForward(width, 4 * width, normalise=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens `(…, t, D)` for tokens `(…, t, D)`."""
        attended = x + self.attention(x)
        result: Tensor = attended + self.feed_forward(attended)
        return result


class _Attention(nn.Module):
    """Self-attention with heads of equal width.

    As published, it has one matrix each for queries, keys and values, and the heads need not divide the width.
    `layers.attention.TransformerLayer` has one matrix for all three, whose gradients differ in the last bits.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = width // heads * heads
        self.query, self.key, self.value = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.out = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens `(…, t, D)` for tokens `(…, t, D)`."""
        query, key, value = (self._split(layer(x)) for layer in (self.query, self.key, self.value))  # (…, heads, t, d)
        joined: Tensor = self.out(mix_heads(dot_product_weights(query, key), value))
        return joined

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(-3, -2)


class _Merge(nn.Module):
    """Halve the number of tokens along a side and double their width: `(N, g, g, D)` → `(N, g/2, g/2, 2D)`."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(before, after, kernel_size=3, padding=1)
        self.normalise = nn.LayerNorm(after)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.normalise(self.mix(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))  # (N, g, g, 2D)
        merged: Tensor = self.pool(mixed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return merged


def _make_inputs(store: FaceStore, settings: HtNetSettings) -> Inputs:
    """Return u, v and strain of the whole face from onset to apex, `(N, 3, input_px, input_px)`, for N clips."""
    return full_face(store, settings.input_px)


HTNET = Network(
    settings=HtNetSettings,
    presets={
        "default": {"learning_rate": 3e-4},
        "published": {
            **PLAIN_TRAINING,
            "width": 256,
            "epochs": 800,
            "early_stopping": False,
            "batch_size": 256,
            "learning_rate": 5e-5,
            "weight_decay": 0.0,
            "class_weights": "none",
        },
    },
    make_inputs=_make_inputs,
    build=HtNet,
    lockstep=lambda _: False,
)
