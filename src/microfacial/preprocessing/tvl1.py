"""TV-L1 optical flow of many pairs of frames at once, in PyTorch.

The energy is the total variation of the flow plus `lambda_` times the absolute difference between the first frame and
the warped second frame. It is minimised from coarse to fine. Each warp linearises the difference. Then two steps
alternate: a thresholding step, which has a closed form in each pixel, and a step on the dual variables.

Axes: N pairs · D directions, right and down · H, W pixels.

Source: Zach, Pock & Bischof, DAGM 2007, doi:10.1007/978-3-540-74936-3_22 (the method); Sánchez, Meinhardt-Llopis &
Facciolo, IPOL 2013, doi:10.5201/ipol.2013.26 (pyramid, warps, bicubic sampling of the gradient, stopping rule).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

from microfacial.preprocessing.devices import find_device
from microfacial.preprocessing.opencv_flow import Gray, Tvl1Settings

_FLAT = 1e-6  # squared grey levels per px; a gradient below this carries no information about motion


def tvl1(first: NDArray[np.float32], last: NDArray[np.float32], settings: Tvl1Settings) -> NDArray[np.float32]:
    """Compute the flow of pairs of frames.

    The flow of a pair depends neither on the other pairs nor on the number of threads.

    Args:
        first: first frame of each pair, `(N, H, W)`, grey levels of about 0–255.
        last: second frame of each pair, `(N, H, W)`.
        settings: settings of the method.

    Returns:
        `(N, H, W, 2)` in px, right and down.

    Raises:
        ConfigError: PyTorch does not find the device on this machine.
    """
    find_device(settings.device, "flow.tvl1.device")
    with threadpool_limits(1), torch.inference_mode():
        pyramids = [_pyramid(frames, settings) for frames in (first, last)]
        flow = torch.zeros_like(pyramids[0][-1]).repeat(1, 2, 1, 1)
        for level_first, level_last in zip(*map(reversed, pyramids), strict=True):
            flow = _refine(level_first, level_last, _enlarge(flow, level_first.shape[-2:]), settings)
        return flow.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _pyramid(frames: Gray, settings: Tvl1Settings) -> list[Tensor]:
    """Return frames `(N, 1, H, W)` of decreasing size."""
    levels = [torch.from_numpy(frames)[:, None].to(settings.device)]
    for _ in range(settings.scales - 1):
        size = [max(1, round(side * settings.scale_step)) for side in levels[-1].shape[-2:]]
        levels.append(interpolate(levels[-1], size, mode="bilinear", antialias=True))
    return levels


def _enlarge(flow: Tensor, size: torch.Size) -> Tensor:
    """Resample flow `(N, 2, H, W)` to a finer grid, and scale its vectors to the new pixels."""
    height, width = flow.shape[-2:]
    growth = flow.new_tensor([size[1] / width, size[0] / height])[:, None, None]
    return interpolate(flow, size, mode="bilinear") * growth


def _refine(first: Tensor, last: Tensor, flow: Tensor, settings: Tvl1Settings) -> Tensor:
    """Improve flow `(N, 2, H, W)` in one level. Frames are `(N, 1, H, W)`."""
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
    """Minimise the linearised energy. The flow of a pair stays fixed as soon as it has converged.

    Args:
        flow: `(N, 2, H, W)`.
        dual: dual variables, `(N, component of flow, D, H, W)`.
        gradient: gradient of the warped frame, `(N, 2, H, W)`.
        constant: difference of the frames minus the part that `gradient` explains, `(N, 1, H, W)`.
        settings: settings of the method.
    """
    steepness = gradient.square().sum(dim=1, keepdim=True).clamp_min(_FLAT)
    moving = torch.ones(len(flow), 1, 1, 1, dtype=torch.bool, device=flow.device)
    for _ in range(settings.outer_iterations):
        flow = torch.where(moving, _median(flow, settings.median_px), flow)
        for _ in range(settings.inner_iterations):
            next_flow = _threshold(flow, gradient, constant, steepness, settings) + settings.theta * _divergence(dual)
            change = (next_flow - flow).square().sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
            flow = torch.where(moving, next_flow, flow)
            dual = torch.where(moving[:, None], _ascend(dual, flow, settings), dual)
            moving = moving & (change > settings.epsilon**2)
            if not moving.any():
                return flow, dual
    return flow, dual


def _threshold(flow: Tensor, gradient: Tensor, constant: Tensor, steepness: Tensor, settings: Tvl1Settings) -> Tensor:
    """Change flow along the gradient until the frames agree, by at most lambda · theta · |gradient|."""
    difference = constant + (gradient * flow).sum(dim=1, keepdim=True)
    limit = settings.lambda_ * settings.theta
    return flow + (-difference / steepness).clamp(-limit, limit) * gradient


def _ascend(dual: Tensor, flow: Tensor, settings: Tvl1Settings) -> Tensor:
    """Update the dual variables by one step. Their length stays at most 1."""
    step = settings.tau / settings.theta
    slope = _forward_gradient(flow)
    length = torch.hypot(slope[:, :, 0], slope[:, :, 1])[:, :, None]
    return (dual + step * slope) / (1 + step * length)


def _central_gradient(image: Tensor) -> Tensor:
    """Return the gradient `(N, 2, H, W)` of images `(N, 1, H, W)` by central differences."""
    padded = pad(image, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return torch.cat([across, down], dim=1) / 2


def _forward_gradient(flow: Tensor) -> Tensor:
    """Return the gradient `(N, 2, D, H, W)` of flow `(N, 2, H, W)` by forward differences. It is 0 at the last edge."""
    slope = flow.new_zeros(len(flow), 2, 2, *flow.shape[-2:])
    torch.sub(flow[..., 1:], flow[..., :-1], out=slope[:, :, 0, :, :-1])
    torch.sub(flow[..., 1:, :], flow[..., :-1, :], out=slope[:, :, 1, :-1])
    return slope


def _divergence(dual: Tensor) -> Tensor:
    """Return the divergence `(N, 2, H, W)` of `(N, 2, D, H, W)`: minus the adjoint of the forward gradient."""
    total = dual[:, :, 0] + dual[:, :, 1]
    total[..., 1:] -= dual[:, :, 0, :, :-1]
    total[..., 1:, :] -= dual[:, :, 1, :-1]
    return total


def _warp(images: Tensor, flow: Tensor) -> Tensor:
    """Sample images `(N, C, H, W)` where flow `(N, 2, H, W)` points to, by bicubic interpolation."""
    height, width = flow.shape[-2:]
    columns = torch.arange(width, device=flow.device) + flow[:, 0]
    rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)


def _median(flow: Tensor, window_px: int) -> Tensor:
    """Return the median of each window of flow `(N, 2, H, W)`.

    Hold just over half of the window's values. Drop the smallest and the largest of them, since neither can be the
    median, and add the next value. Repeat until one value is left: it is the median. Every step compares whole images
    at once, which is faster than sorting each window.
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
    """Remove the smallest and the largest value of each pixel. The result has two images less."""
    largest, *rest = images
    for index, image in enumerate(rest):
        rest[index], largest = torch.minimum(image, largest), torch.maximum(image, largest)
    smallest, *rest = rest
    for index, image in enumerate(rest):
        rest[index], smallest = torch.maximum(image, smallest), torch.minimum(image, smallest)
    return rest
