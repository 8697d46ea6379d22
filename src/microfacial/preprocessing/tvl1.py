"""TV-L1 optical flow of many pairs of frames at once, in PyTorch.

The energy is the total variation of the flow plus `lambda_` times the absolute difference of the frames after the
second one is warped. It is minimised coarse to fine: the difference is linearised at each warp, then a thresholding
step, which has a closed form in each pixel, and a step on the dual variables take turns.

Axes: N pairs · D directions, right and down · H, W pixels.

Source: Zach, Pock & Bischof, DAGM 2007, doi:10.1007/978-3-540-74936-3_22 (the method); Sánchez, Meinhardt-Llopis &
Facciolo, IPOL 2013, doi:10.5201/ipol.2013.26 (pyramid, warps, bicubic sampling of the gradient, when to stop).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

from microfacial.errors import ConfigError
from microfacial.preprocessing.opencv_flow import Gray, Tvl1Settings

_FLAT = 1e-6  # squared grey levels per px: a gradient below this says nothing about motion


def tvl1(first: NDArray[np.float32], last: NDArray[np.float32], settings: Tvl1Settings) -> NDArray[np.float32]:
    """Flow `(N, H, W, 2)` in px of pairs of frames `(N, H, W)`, grey levels of about 0–255.

    A pair's flow does not depend on the others in its batch, nor on the number of threads.

    Raises:
        ConfigError: this machine has no such device.
    """
    _check_device(settings.device)
    with threadpool_limits(1), torch.inference_mode():
        pyramids = [_pyramid(frames, settings) for frames in (first, last)]
        flow = torch.zeros_like(pyramids[0][-1]).repeat(1, 2, 1, 1)
        for level_first, level_last in zip(*map(reversed, pyramids), strict=True):
            flow = _refine(level_first, level_last, _enlarge(flow, level_first.shape[-2:]), settings)
        return flow.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _check_device(device: str) -> None:
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present[device]:
        raise ConfigError(f"params.yaml: flow.tvl1.device: PyTorch finds no {device} here. Set it to cpu")


def _pyramid(frames: Gray, settings: Tvl1Settings) -> list[Tensor]:
    """Frames `(N, 1, H, W)`, fine to coarse."""
    levels = [torch.from_numpy(frames)[:, None].to(settings.device)]
    for _ in range(settings.scales - 1):
        size = [max(1, round(side * settings.scale_step)) for side in levels[-1].shape[-2:]]
        levels.append(interpolate(levels[-1], size, mode="bilinear", antialias=True))
    return levels


def _enlarge(flow: Tensor, size: torch.Size) -> Tensor:
    """Flow `(N, 2, H, W)` brought to a finer grid: positions and lengths both grow."""
    height, width = flow.shape[-2:]
    growth = flow.new_tensor([size[1] / width, size[0] / height])[:, None, None]
    return interpolate(flow, size, mode="bilinear") * growth


def _refine(first: Tensor, last: Tensor, flow: Tensor, settings: Tvl1Settings) -> Tensor:
    """Improve flow `(N, 2, H, W)` within one level, frames being `(N, 1, H, W)`."""
    sources = torch.cat([last, _central_gradient(last)], dim=1)  # (N, 3, H, W)
    dual = flow.new_zeros(len(flow), 2, 2, *flow.shape[-2:])  # (N, component of flow, D, H, W)
    for _ in range(settings.warps):
        warped = _warp(sources, flow)
        gradient = warped[:, 1:]
        constant = warped[:, :1] - (gradient * flow).sum(dim=1, keepdim=True) - first
        flow, dual = _minimise(flow, dual, gradient, constant, settings)
    return flow


def _minimise(
    flow: Tensor, dual: Tensor, gradient: Tensor, constant: Tensor, settings: Tvl1Settings
) -> tuple[Tensor, Tensor]:
    """Minimise the linearised energy; a pair rests as soon as its flow has stopped changing.

    Args:
        gradient: of the warped frame, `(N, 2, H, W)`.
        constant: difference of the frames less what `gradient` explains of it, `(N, 1, H, W)`.
    """
    steepness = gradient.square().sum(dim=1, keepdim=True).clamp_min(_FLAT)
    moving = torch.ones(len(flow), 1, 1, 1, dtype=torch.bool, device=flow.device)
    for _ in range(settings.outer_iterations):
        flow = torch.where(moving, _median(flow, settings.median_px), flow)
        for _ in range(settings.inner_iterations):
            next_flow = _explain(flow, gradient, constant, steepness, settings) + settings.theta * _divergence(dual)
            change = (next_flow - flow).square().sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
            flow = torch.where(moving, next_flow, flow)
            dual = torch.where(moving[:, None], _ascend(dual, flow, settings), dual)
            moving = moving & (change > settings.epsilon**2)
            if not moving.any():
                return flow, dual
    return flow, dual


def _explain(flow: Tensor, gradient: Tensor, constant: Tensor, steepness: Tensor, settings: Tvl1Settings) -> Tensor:
    """Move flow along the gradient until the frames agree, but at most by lambda · theta · |gradient|."""
    difference = constant + (gradient * flow).sum(dim=1, keepdim=True)
    most = settings.lambda_ * settings.theta
    return flow + (-difference / steepness).clamp(-most, most) * gradient


def _ascend(dual: Tensor, flow: Tensor, settings: Tvl1Settings) -> Tensor:
    """One step of the dual variables, which stay no longer than 1."""
    step = settings.tau / settings.theta
    slope = _forward_gradient(flow)
    length = torch.hypot(slope[:, :, 0], slope[:, :, 1])[:, :, None]
    return (dual + step * slope) / (1 + step * length)


def _central_gradient(image: Tensor) -> Tensor:
    """Gradient `(N, 2, H, W)` of images `(N, 1, H, W)`, by central differences."""
    padded = pad(image, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return torch.cat([across, down], dim=1) / 2


def _forward_gradient(flow: Tensor) -> Tensor:
    """Gradient `(N, 2, D, H, W)` of flow `(N, 2, H, W)`; nothing flows over the edge."""
    slope = flow.new_zeros(len(flow), 2, 2, *flow.shape[-2:])
    torch.sub(flow[..., 1:], flow[..., :-1], out=slope[:, :, 0, :, :-1])
    torch.sub(flow[..., 1:, :], flow[..., :-1, :], out=slope[:, :, 1, :-1])
    return slope


def _divergence(dual: Tensor) -> Tensor:
    """Divergence `(N, 2, H, W)` of `(N, 2, D, H, W)`: minus the adjoint of the forward gradient."""
    total = dual[:, :, 0] + dual[:, :, 1]
    total[..., 1:] -= dual[:, :, 0, :, :-1]
    total[..., 1:, :] -= dual[:, :, 1, :-1]
    return total


def _warp(images: Tensor, flow: Tensor) -> Tensor:
    """Images `(N, C, H, W)` looked up where flow `(N, 2, H, W)` points to, bicubic."""
    height, width = flow.shape[-2:]
    columns = torch.arange(width, device=flow.device) + flow[:, 0]
    rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)


def _median(flow: Tensor, window_px: int) -> Tensor:
    """Median of each window of flow `(N, 2, H, W)`.

    Hold just over half of the window's values, drop the smallest and the largest, take in the next value: neither can
    be the median. The last one left is. Whole images are compared at once, which sorting each window could not do.
    """
    if window_px == 1:
        return flow
    height, width = flow.shape[-2:]
    padded = pad(flow, (window_px // 2,) * 4, mode="replicate")
    places = [(row, column) for row in range(window_px) for column in range(window_px)]
    waiting = [padded[..., row : row + height, column : column + width] for row, column in places]
    held = [waiting.pop() for _ in range(len(places) // 2 + 2)]
    while len(held) > 1:
        held = _drop_extremes(held)
        if waiting:
            held.append(waiting.pop())
    return held[0]


def _drop_extremes(images: list[Tensor]) -> list[Tensor]:
    """The images less, in each pixel, the smallest and the largest value."""
    largest, *rest = images
    for index, image in enumerate(rest):
        rest[index], largest = torch.minimum(image, largest), torch.maximum(image, largest)
    smallest, *rest = rest
    for index, image in enumerate(rest):
        rest[index], smallest = torch.maximum(image, smallest), torch.minimum(image, smallest)
    return rest
