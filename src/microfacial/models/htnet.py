"""HTNet: transformer blocks over quarters of the face, then over pairs of quarters' parts, then over all of it.

    (N, 3, 28, 28) ─▶ 7×7 patches ─▶ (N, 4, 4, D) ─▶ level 1: attention within each of 4×4 blocks ─▶ merge
                                     (N, 2, 2, 2D) ─▶ level 2: within each of 2×2 blocks ─▶ merge
                                     (N, 1, 1, 4D) ─▶ level 3: over all ─▶ mean ─▶ (N, K)

As published, each block is one token at every level. The softmax over one token is 1 whatever its query and key are, so
that attention passes values on and its queries and keys are never trained; tokens meet in the merging convolutions
only. The position of the last level, one number for all channels, is undone by the normalisations that follow. With
`input_px: 56` a block has four tokens, and attention attends.

The published system cuts its four quarters around eyes and lip corners that a detector finds on 28×28 pictures; faces
are aligned here, and the quarters of the aligned face hold them. `default` is narrower, D = 48: the published 256 makes
140 million parameters, for some hundred clips.

Source: Wang et al., HTNet for micro-expression recognition, Neurocomputing 2024, arXiv:2307.14637; layers and training,
github.com/wangzhifengharrison/HTNet, Model.py and main_HTNet.py, less its choice of the epoch on the test subject.
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from microfacial.models.base import PLAIN_TRAINING, Network, Task
from microfacial.models.inputs import full_face
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs

_PATCH_PX = 7
_HEADS = 3  # of level 1; twice as many each level
_DEPTHS = (2, 2, 10)  # transformer blocks of each level
_BLOCKS = (4, 2, 1)  # blocks along a side, of each level


class HtNetSettings(OptimiserSettings):
    """`models.htnet` of params.yaml."""

    input_px: int = Field(28, ge=28, multiple_of=28)
    width: int = Field(48, ge=_HEADS)  # D; twice as much each level


class HtNet(nn.Module):
    """Patches, three levels with a merge after the first two, and one linear layer over the mean token."""

    def __init__(self, channels: int, side_px: int, classes: int, settings: HtNetSettings) -> None:
        super().__init__()
        widths = [settings.width * 2**level for level in range(len(_DEPTHS))]
        tokens = (side_px // _PATCH_PX // _BLOCKS[0]) ** 2  # of a block
        self.embed = nn.Linear(channels * _PATCH_PX**2, widths[0])
        self.levels = nn.ModuleList(
            _Level(width, tokens, blocks, _HEADS * 2**level, depth)
            for level, (width, blocks, depth) in enumerate(zip(widths, _BLOCKS, _DEPTHS, strict=True))
        )
        self.merges = nn.ModuleList([*map(_Merge, widths[:-1], widths[1:]), nn.Identity()])
        self.head = nn.Sequential(nn.LayerNorm(widths[-1]), nn.Flatten(1, 2))
        self.classify = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of maps `(N, C, s, s)`."""
        patches = x.unfold(2, _PATCH_PX, _PATCH_PX).unfold(3, _PATCH_PX, _PATCH_PX)  # (N, C, g, g, 7, 7)
        tokens = self.embed(patches.permute(0, 2, 3, 1, 4, 5).flatten(3))  # (N, g, g, D)
        for level, merge in zip(self.levels, self.merges, strict=True):
            tokens = merge(level(tokens))
        logits: Tensor = self.classify(self.head(tokens).mean(dim=1))  # (N, K)
        return logits


class _Level(nn.Module):
    """Transformer blocks that attend within each block of tokens."""

    def __init__(self, width: int, tokens: int, blocks: int, heads: int, depth: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.position = nn.Parameter(torch.randn(tokens))
        self.layers = nn.Sequential(*(_Transformer(width, heads) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens `(N, g, g, D)`, as many as before."""
        count, grid, _, width = x.shape
        blocks, side = self.blocks, grid // self.blocks
        cut = x.reshape(count, blocks, side, blocks, side, width).transpose(2, 3)  # (N, b, b, h, h, D)
        tokens = self.layers(cut.flatten(3, 4) + self.position[:, None])  # (N, b, b, h·h, D)
        joined: Tensor = tokens.reshape(cut.shape).transpose(2, 3).reshape(x.shape)
        return joined


class _Transformer(nn.Module):
    """Attention and feed-forward, each normalised before and added after."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), _Attention(width, heads))
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Tokens `(…, t, D)`."""
        attended = x + self.attention(x)
        result: Tensor = attended + self.feed_forward(attended)
        return result


class _Attention(nn.Module):
    """Self-attention over tokens, in heads of equal width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = width // heads * heads
        self.query, self.key, self.value = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.out = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens `(…, t, D)`."""
        query, key, value = (self._split(layer(x)) for layer in (self.query, self.key, self.value))  # (…, heads, t, d)
        weights = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1)  # (…, heads, t, t)
        joined: Tensor = self.out((weights @ value).transpose(-3, -2).flatten(-2))
        return joined

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(-3, -2)


class _Merge(nn.Module):
    """Half as many tokens along a side, each twice as wide: `(N, g, g, D)` → `(N, g/2, g/2, 2D)`."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(before, after, kernel_size=3, padding=1)
        self.normalise = nn.LayerNorm(after)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.normalise(self.mix(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))  # (N, g, g, 2D)
        merged: Tensor = self.pool(mixed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return merged


def make_inputs(store: FaceStore, settings: HtNetSettings) -> Inputs:
    """Whole-face motion, `(N, 3, input_px, input_px)`."""
    return full_face(store, settings.input_px)


def build(task: Task, settings: HtNetSettings) -> HtNet:
    """An untrained network for samples of shape `(C, s, s)`."""
    channels, side_px, _ = task.shape
    return HtNet(channels, side_px, task.classes, settings)


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
    make_inputs=make_inputs,
    build=build,
    lockstep=lambda _: False,
)
