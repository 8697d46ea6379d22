"""Changes of training inputs that keep their classes: pure functions of whole batches.

Axes: L lanes, which are networks that train side by side · B rows of a batch · then the axes of one sample:
`(C, H, W)`, `(R, C, H, W)` or `(T, R, C, H, W)`, with T windows and R regions.
Random numbers are arguments, uniform from 0 to 1, so that each lane can use its own.

Source: mixup, Zhang et al., arXiv:1710.09412.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from scipy.special import betaincinv
from torch import Tensor

from microfacial.models.mirror import mirror_image
from microfacial.models.settings import OptimiserSettings

_POINTS = ("onset", "rise", "apex", "fall", "offset")  # in window names, in the order of time


@dataclass(frozen=True, kw_only=True)
class InputLayout:
    """The meaning of the axes of a sample.

    Attributes:
        shows: content of the inputs; see `Network.shows`.
        windows: names of the T windows; see `Inputs.windows`.
        mirror: order of the R regions in a mirror image; see `Inputs.mirror`.
    """

    shows: Literal["motion", "appearance"]
    windows: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()


def numbers_per_row(settings: OptimiserSettings, layout: InputLayout) -> int:
    """Return how many uniform numbers `augment` needs for one row.

    Args:
        settings: settings of the network.
        layout: meaning of the axes of a sample.
    """
    return sum(_numbers_per_change(settings, layout))


def augment(
    inputs: Tensor, targets: Tensor, uniform: Tensor, settings: OptimiserSettings, layout: InputLayout
) -> tuple[Tensor, Tensor]:
    """Change inputs at random: mirror, shift, move the borders of windows, and mix, as the settings say.

    Args:
        inputs: `(L, B, …)`.
        targets: shares of the classes, `(L, B, K)`.
        uniform: random numbers from 0 to 1, `(L, B, numbers_per_row)`, on the processor, so that all devices use the
            same ones.
        settings: settings of the network.
        layout: meaning of the axes of a sample.

    Returns:
        Inputs and targets with the same shapes.
    """
    flips, moves, borders, mixes = torch.split(uniform, _numbers_per_change(settings, layout), dim=2)
    if settings.flip:
        inputs = flip_rows(inputs, flips[..., 0] < 0.5, layout)
    if settings.shift_px:
        span = 2 * settings.shift_px + 1
        inputs = shift(inputs, ((moves * span).long().clamp(max=span - 1) - settings.shift_px).to(inputs.device))
    if borders.shape[2]:
        inputs = move_borders(inputs, ((2 * borders - 1) * settings.window_jitter).to(inputs.device), layout)
    if settings.mixup_alpha:
        alpha = settings.mixup_alpha
        shares = torch.from_numpy(betaincinv(alpha, alpha, mixes[..., 0].numpy()))
        inputs, targets = mix(inputs, targets, shares.to(inputs.dtype).to(inputs.device))
    return inputs, targets


def flip_rows(inputs: Tensor, chosen: Tensor, layout: InputLayout) -> Tensor:
    """Mirror some of the rows.

    Args:
        inputs: `(L, B, …)`.
        chosen: rows to mirror, `(L, B)` bool.
        layout: meaning of the axes of a sample.
    """
    rows, numbers = inputs.flatten(0, 1), chosen.flatten().nonzero().squeeze(1).to(inputs.device)
    mirrored = mirror_image(rows.index_select(0, numbers), layout.mirror, layout.shows)
    return rows.index_copy(0, numbers, mirrored).view(inputs.shape)


def shift(inputs: Tensor, moves: Tensor) -> Tensor:
    """Shift each row by whole pixels, and repeat the pixels at the edge.

    Args:
        inputs: `(L, B, …, H, W)`.
        moves: pixels down and right, `(L, B, 2)` int64.
    """
    height, width = inputs.shape[-2:]
    rows = (torch.arange(height, device=moves.device) - moves[..., 0, None]).clamp(0, height - 1)  # (L, B, H)
    columns = (torch.arange(width, device=moves.device) - moves[..., 1, None]).clamp(0, width - 1)  # (L, B, W)
    pixels = rows[..., None] * width + columns[..., None, :]  # (L, B, H, W)
    maps = inputs.flatten(2, -3).flatten(-2)  # (L, B, maps of a sample, H·W)
    index = pixels.flatten(2)[:, :, None].expand(*maps.shape)
    return maps.gather(3, index).view(inputs.shape)


def move_borders(inputs: Tensor, shares: Tensor, layout: InputLayout) -> Tensor:
    """Change the motion of windows as if the key frames between them were a little earlier or later.

    The motion inside a window is assumed to be steady. Let windows a and b meet at a border. To move the border by a
    share δ ≥ 0 of b, δ·b is taken from b and added to a. For δ < 0, |δ|·a is taken from a and added to b. Every window
    that ends at the border gains the amount that every window that starts there loses, so onset>apex remains the sum of
    its parts. The two borders of a window do not cross as long as shares are at most one half. A window without
    neighbours, such as onset>apex alone, is shortened to 1 − |δ|.

    Strain is treated like motion. This is exact for a part of a window, and for the sum of windows that deform the face
    in the same way. If one window undoes the other one, the strain is too large by at most twice the strain that moved.

    Args:
        inputs: `(L, B, T, R, C, H, W)`; without neighbours any `(L, B, …)`.
        shares: δ of each border, `(L, B, borders)`.
        layout: meaning of the axes of a sample.
    """
    pairs = _neighbours(layout.windows)
    if not pairs:
        return inputs * (1 - shares.abs()).view(*shares.shape[:2], *[1] * (inputs.ndim - 2))
    names = [window.split(">") for window in layout.windows]
    mixing = torch.eye(len(names), device=shares.device).expand(*shares.shape[:2], -1, -1).clone()  # (L, B, T, T)
    for number, (before, after) in enumerate(pairs):
        border = names[after][0]
        signs = [float(end == border) - float(start == border) for start, end in names]
        gains = torch.tensor(signs, device=shares.device)  # (T,)
        share = shares[..., number, None]
        mixing[..., after] += share.clamp(min=0) * gains
        mixing[..., before] += share.clamp(max=0) * gains
    return (mixing.to(inputs.dtype) @ inputs.flatten(3)).view(inputs.shape)


def mix(inputs: Tensor, targets: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Mix each row with the previous row of its batch.

    Args:
        inputs: `(L, B, …)`.
        targets: shares of the classes, `(L, B, K)`.
        shares: share of the row itself in each mixture, `(L, B)`.

    Returns:
        Mixed inputs and targets with the same shapes.
    """
    shares = shares.to(inputs.dtype)
    mixed = inputs.roll(1, dims=1).lerp(inputs, shares.view(*shares.shape, *[1] * (inputs.ndim - 2)))
    return mixed, targets.roll(1, dims=1).lerp(targets, shares[..., None].to(targets.dtype))


def _numbers_per_change(settings: OptimiserSettings, layout: InputLayout) -> list[int]:
    """How many uniform numbers one row needs for the flip, the shift, the borders and the mixture."""
    borders = len(_neighbours(layout.windows)) or 1
    return [
        int(settings.flip),
        2 * bool(settings.shift_px),
        borders * bool(settings.window_jitter and layout.shows == "motion"),
        int(settings.mixup_alpha > 0),
    ]


def _neighbours(windows: tuple[str, ...]) -> list[tuple[int, int]]:
    """Pairs of windows that meet at a border: the shortest one that ends there, and the shortest that starts there."""
    spans = [tuple(map(_POINTS.index, window.split(">"))) for window in windows]
    pairs = []
    for border in sorted({end for _, end in spans} & {start for start, _ in spans}):
        before = max((start, row) for row, (start, end) in enumerate(spans) if end == border)
        after = min((end, row) for row, (start, end) in enumerate(spans) if start == border)
        pairs.append((before[1], after[1]))
    return pairs
