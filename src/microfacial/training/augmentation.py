"""Changes of training inputs that leave their classes as they are: pure functions of whole batches.

Axes: L lanes, which are networks that train side by side · B rows of a batch · then those of one sample:
`(C, H, W)`, `(R, C, H, W)` or `(T, R, C, H, W)`, with T windows.
Randomness comes in as uniform numbers from 0 to 1, so that each lane can bring its own.

Source: mixup, Zhang et al., arXiv:1710.09412.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from scipy.special import betaincinv
from torch import Tensor

from microfacial.models.settings import OptimiserSettings

_POINTS = ("onset", "rise", "apex", "fall", "offset")  # of windows' names, in the order of time


@dataclass(frozen=True, kw_only=True)
class InputLayout:
    """What the axes of a sample mean; `windows` and `mirror` are those of `Samples`, `shows` that of `Network`."""

    shows: Literal["motion", "appearance"]
    windows: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()


def draws(settings: OptimiserSettings, layout: InputLayout) -> int:
    """How many uniform numbers `augment` asks for a row."""
    return sum(_shares(settings, layout))


def augment(
    inputs: Tensor, targets: Tensor, uniform: Tensor, settings: OptimiserSettings, layout: InputLayout
) -> tuple[Tensor, Tensor]:
    """Inputs `(L, B, …)` and targets `(L, B, K)`, changed as the settings say.

    Args:
        uniform: random numbers, `(L, B, draws)`.
    """
    flips, moves, borders, mixes = torch.split(uniform, _shares(settings, layout), dim=2)
    if settings.flip:
        inputs = flip_rows(inputs, flips[..., 0] < 0.5, layout)
    if settings.shift_px:
        span = 2 * settings.shift_px + 1
        inputs = shift(inputs, (moves * span).long().clamp(max=span - 1) - settings.shift_px)
    if borders.shape[2]:
        inputs = move_borders(inputs, (2 * borders - 1) * settings.window_jitter, layout)
    if settings.mixup_alpha:
        alpha = settings.mixup_alpha
        inputs, targets = mix(inputs, targets, torch.from_numpy(betaincinv(alpha, alpha, mixes[..., 0].numpy())))
    return inputs, targets


def mirror(inputs: Tensor, layout: InputLayout) -> Tensor:
    """The mirror image of inputs `(…, C, H, W)`: left is right, and so are regions; motion to the left is to the right.

    Channel 0 of motion is the one to the right. Strain, a magnitude, stays.
    """
    mirrored = inputs.flip(-1)
    if layout.mirror:
        mirrored = mirrored.index_select(-4, torch.tensor(layout.mirror))
    if layout.shows == "motion":
        mirrored.select(-3, 0).neg_()
    return mirrored


def flip_rows(inputs: Tensor, chosen: Tensor, layout: InputLayout) -> Tensor:
    """Inputs `(L, B, …)` with the chosen rows, `(L, B)` bool, mirrored."""
    rows, numbers = inputs.flatten(0, 1), chosen.flatten().nonzero().squeeze(1)
    mirrored = mirror(rows.index_select(0, numbers), layout)
    return rows.index_copy(0, numbers, mirrored).view(inputs.shape)


def shift(inputs: Tensor, moves: Tensor) -> Tensor:
    """Inputs `(L, B, …, H, W)` moved down and right by whole pixels `(L, B, 2)`; edge pixels are repeated."""
    height, width = inputs.shape[-2:]
    rows = (torch.arange(height) - moves[..., 0, None]).clamp(0, height - 1)  # (L, B, H)
    columns = (torch.arange(width) - moves[..., 1, None]).clamp(0, width - 1)  # (L, B, W)
    pixels = rows[..., None] * width + columns[..., None, :]  # (L, B, H, W)
    maps = inputs.flatten(2, -3).flatten(-2)  # (L, B, maps of a sample, H·W)
    index = pixels.flatten(2)[:, :, None].expand(*maps.shape)
    return maps.gather(3, index).view(inputs.shape)


def move_borders(inputs: Tensor, shares: Tensor, layout: InputLayout) -> Tensor:
    """Inputs `(L, B, …)` as if the key frames between windows lay a little earlier or later.

    Motion is taken to be steady inside a window. Where windows a and b meet, moving their border by a share δ ≥ 0 of b
    hands δ·b from b to a; by δ < 0, it hands |δ|·a from a to b. Every window that ends at the border gains what every
    window that starts there loses, so that onset>apex stays the sum of its parts. Two borders of one window never
    cross while shares are at most a half. A window without neighbours, as onset>apex alone, is cut short to 1 − |δ|.
    Strain is mixed as motion is: it is exact for a part of a window, and for the sum of windows that deform the face
    the same way; where one undoes the other it is too large, by at most twice the strain that moved.

    Args:
        shares: δ of each border, `(L, B, borders)`.
    """
    pairs = _neighbours(layout.windows)
    if not pairs:
        return inputs * (1 - shares.abs()).view(*shares.shape[:2], *[1] * (inputs.ndim - 2))
    names = [window.split(">") for window in layout.windows]
    mixing = torch.eye(len(names)).expand(*shares.shape[:2], -1, -1).clone()  # (L, B, T, T)
    for number, (before, after) in enumerate(pairs):
        border = names[after][0]
        gains = torch.tensor([float(end == border) - float(start == border) for start, end in names])  # (T,)
        share = shares[..., number, None]
        mixing[..., after] += share.clamp(min=0) * gains
        mixing[..., before] += share.clamp(max=0) * gains
    return (mixing.to(inputs.dtype) @ inputs.flatten(3)).view(inputs.shape)


def mix(inputs: Tensor, targets: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Mixtures of each row with the one before it, of which a share `(L, B)` is its own."""
    kept = shares.to(inputs.dtype)
    own = kept.view(*kept.shape, *[1] * (inputs.ndim - 2))
    mixed = inputs.roll(1, dims=1).lerp(inputs, own)
    return mixed, targets.roll(1, dims=1).lerp(targets, kept[..., None].to(targets.dtype))


def _shares(settings: OptimiserSettings, layout: InputLayout) -> list[int]:
    """How many uniform numbers a row wants for flips, shifts, borders and mixtures."""
    borders = len(_neighbours(layout.windows)) or 1
    return [
        int(settings.flip),
        2 * bool(settings.shift_px),
        borders * bool(settings.window_jitter and layout.shows == "motion"),
        int(settings.mixup_alpha > 0),
    ]


def _neighbours(windows: tuple[str, ...]) -> list[tuple[int, int]]:
    """Pairs of windows that meet at a border: of those that end there and those that start there, the shortest."""
    spans = [tuple(map(_POINTS.index, window.split(">"))) for window in windows]
    pairs = []
    for border in sorted({end for _, end in spans} & {start for start, _ in spans}):
        before = max((start, row) for row, (start, end) in enumerate(spans) if end == border)
        after = min((end, row) for row, (start, end) in enumerate(spans) if start == border)
        pairs.append((before[1], after[1]))
    return pairs
