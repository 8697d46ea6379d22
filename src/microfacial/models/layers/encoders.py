"""Layers that turn maps into vectors, and the head that turns vectors into logits.

Source: residual networks, He et al., CVPR 2016, doi:10.1109/CVPR.2016.90; group normalisation, which suits small
batches, Wu & He, ECCV 2018, doi:10.1007/978-3-030-01261-8_1.
"""

from collections.abc import Iterable
from math import prod

import torch
from torch import Tensor, nn

from microfacial.models.base import Task
from microfacial.models.layers.dropout import Dropout
from microfacial.models.layers.pooling import MaxPool2d
from microfacial.models.settings import CHANNELS_PER_GROUP, RegionSettings


class RegionEncoder(nn.Module):
    """Encode maps `(N, …, R, C, s, s)` as vectors `(N, …, R, D)`, with one encoder for all regions or one per region.

    Args:
        shape: shape of the maps of all regions, `(R, C, s, s)`.
        widths: channels of the four convolution blocks. The last one is D. A linear encoder uses only D.
        settings: kind of encoder, and whether the regions share it.
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
        """Return vectors `(N, …, R, D)` for maps `(N, …, R, C, s, s)`."""
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
    """Create convolution blocks that each halve the side, followed by a global average: `(n, C, s, s)` → `(n, D)`.

    Args:
        channels: channels of the inputs, C.
        widths: channels of each block. The last one is D.

    Returns:
        The untrained layers.
    """
    blocks = []
    for width in widths:
        blocks += [*_convolution(channels, width, side=3, stride=2), nn.ReLU()]
        channels = width
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def doubling_widths(width: int) -> tuple[int, int, int, int]:
    """Return the channels of four blocks that double up to a width, in whole groups: 256 gives 32, 64, 128, 256.

    Args:
        width: channels of the last block, a multiple of `CHANNELS_PER_GROUP`.

    Returns:
        Channels of the four blocks. The smallest possible number is `CHANNELS_PER_GROUP`.
    """
    group = CHANNELS_PER_GROUP
    first, second, third = (max(group, width // n // group * group) for n in (8, 4, 2))
    return first, second, third, width


def _convolution(before: int, after: int, *, side: int, stride: int) -> tuple[nn.Conv2d, nn.GroupNorm]:
    """A convolution and its normalisation: `(n, before, s, s)` → `(n, after, s / stride, s / stride)`."""
    convolution = nn.Conv2d(before, after, side, stride, padding=side // 2, bias=False)
    return convolution, nn.GroupNorm(after // CHANNELS_PER_GROUP, after)


class ResNet18(nn.Module):
    """ResNet-18 without its classifier: eight residual blocks of two convolutions, `(N, C, s, s)` → `(N, 512)`.

    Args:
        channels: channels of the inputs, C.
    """

    WIDTH = 512

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(channels, 64, side=7, stride=2), nn.ReLU(), MaxPool2d(3, 2, 1))
        sides = ((64, 64), (64, 128), (128, 256), (256, 512))
        pairs = ((_Residual(before, after), _Residual(after, after)) for before, after in sides)
        self.blocks = nn.Sequential(*(block for pair in pairs for block in pair))
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors `(N, 512)` for images `(N, C, s, s)`."""
        small = self.stem(x)  # (N, 64, s/4, s/4)
        vectors: Tensor = self.mean(self.blocks(small))  # (N, 512, s/32, s/32) → (N, 512)
        return vectors


class _Residual(nn.Module):
    """Two convolutions with a shortcut. The side halves where the number of channels grows."""

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


class FeedForward(nn.Module):
    """Two linear layers on the last axis, optionally with a normalisation before them: `(…, D)` → `(…, D)`.

    Args:
        width: length of the last axis, D.
        hidden: units between the two layers.
        normalise: whether to normalise the last axis first.
    """

    def __init__(self, width: int, hidden: int, *, normalise: bool) -> None:
        super().__init__()
        normalisation = optional_norm(width, normalise=normalise)
        self.layers = nn.Sequential(normalisation, nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return `(…, D)` for `(…, D)`."""
        changed: Tensor = self.layers(x)
        return changed


def optional_norm(width: int, *, normalise: bool) -> nn.Module:
    """Create a layer normalisation of the last axis, or a layer that changes nothing.

    Args:
        width: length of the last axis.
        normalise: whether to normalise.

    Returns:
        A layer `(…, width)` → `(…, width)`.
    """
    return nn.LayerNorm(width) if normalise else nn.Identity()


class Head(nn.Module):
    """Turn features into logits. Optionally add the logits of a linear classifier of the inputs.

    Args:
        features: number of features, F.
        task: shape of the inputs, and number of classes.
        dropout: share of features to drop in training.
        skip: whether to add the classifier of the inputs.
    """

    def __init__(self, features: int, task: Task, *, dropout: float, skip: bool) -> None:
        super().__init__()
        self.classify = nn.Sequential(Dropout(dropout), nn.Linear(features, task.classes))
        self.skip = nn.Linear(prod(task.shape), task.classes, bias=False) if skip else None

    def forward(self, features: Tensor, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for features `(N, F)` and the inputs `(N, …)` that they were computed from."""
        logits: Tensor = self.classify(features)
        return logits if self.skip is None else logits + self.skip(x.flatten(1))
