"""Max pooling that is faster on processors than that of torch, with the same results."""

from typing import Any

import torch
from torch import Tensor, nn


class MaxPool2d(nn.MaxPool2d):
    """`nn.MaxPool2d` for maps `(N, C, h, w)`.

    On processors, torch takes the maxima of one map value by value, but those of neighbouring channels at once. So the
    maps are pooled in the order `(N, h, w, C)`. The result is in the usual order again.

    Args:
        side: side of the windows.
        stride: distance of the windows. None means the side.
        padding: width of the border that counts as −∞.
    """

    def __init__(self, side: int, stride: int | None = None, padding: int = 0) -> None:
        super().__init__(side, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, h, w)` → `(N, C, h', w')`."""
        if x.device.type != "cpu":
            return super().forward(x)
        pooled, _ = _PoolChannelsLast.apply(x, self.kernel_size, self.stride, self.padding)  # type: ignore[no-untyped-call]
        return torch.as_tensor(pooled)


class _PoolChannelsLast(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, kernel: int, stride: int, padding: int) -> tuple[Tensor, Tensor]:
        last = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        values, places = torch.ops.aten.max_pool2d_with_indices(last, [kernel] * 2, [stride] * 2, [padding] * 2)
        return values.contiguous(), places.contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, *ctx.sides = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Any) -> tuple[Tensor, None, None, None]:
        x, places = ctx.saved_tensors
        kernel, stride, padding = ([side] * 2 for side in ctx.sides)
        back = torch.ops.aten.max_pool2d_with_indices_backward
        return back(gradient.contiguous(), x, kernel, stride, padding, [1, 1], False, places), None, None, None
