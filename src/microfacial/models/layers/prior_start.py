"""A network that starts as the motion prior and is pulled back to it while it learns.

    (N, 2, s, s) ─▶ features of the prior ─▶ 392 ─▶ 256 ─▶ 256 ─▶ emotions (N, E) ─▶ classes (N, K)

Each layer is the layer of the prior plus a change, which starts at zero. Weight decay shrinks the changes, so it is an
anchor to the prior. Before training, its predictions are those of the model `motion_prior` for one orientation. They
are equal if s is below 14 or a multiple of 14, and approximate otherwise.

Source: decay towards the weights of the start, Li et al., ICML 2018, arXiv:1802.01483.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, linear

from microfacial.models.base import Task
from microfacial.models.layers.dropout import Dropout
from microfacial.models.prior import GREATEST, GRID_PX, SMALLEST, emotion_shares, load_prior

_LEAST_SHARE = 1e-12  # of an emotion that does not belong to a class


class AnchoredLinear(nn.Module):
    """A linear layer whose weights are a constant plus a change that starts at zero.

    Args:
        weight: constant weights, `(out, in)`.
        bias: constant biases, `(out,)`.
        trainable: whether there are changes to train. Without them, the layer is constant.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, trainable: bool = True) -> None:
        super().__init__()
        self.register_buffer("start_weight", weight.clone())
        self.register_buffer("start_bias", bias.clone())
        self.weight_change = nn.Parameter(torch.zeros_like(weight)) if trainable else None
        self.bias_change = nn.Parameter(torch.zeros_like(bias)) if trainable else None

    def forward(self, x: Tensor) -> Tensor:
        """Return `(N, out)` for `(N, in)`."""
        weight, bias = self.get_buffer("start_weight"), self.get_buffer("start_bias")
        if self.weight_change is not None and self.bias_change is not None:
            weight, bias = weight + self.weight_change, bias + self.bias_change
        return linear(x, weight, bias)


class PriorStart(nn.Module):
    """The motion prior with the classes of a task, ready for training.

    Args:
        task: names of the classes, and the action units among its outputs. Without names, as when a trained network is
            restored, the shares of emotions are 0 until they are replaced.
        dropout: share of hidden values to drop in training.
        trainable: whether the network learns. Otherwise its predictions stay those of the prior.

    Raises:
        ConfigError: a class is not an emotion or a group of emotions.
        StorageError: the weights of the prior are missing or damaged.
    """

    def __init__(self, task: Task, dropout: float, *, trainable: bool = True) -> None:
        super().__init__()
        arrays = {name: torch.from_numpy(array.copy()) for name, array in load_prior().arrays.items()}
        emotions = len(arrays["prior"])
        self.first = AnchoredLinear(arrays["first.weight"], arrays["first.bias"], trainable=trainable)
        self.second = AnchoredLinear(arrays["second.weight"], arrays["second.bias"], trainable=trainable)
        heads = arrays["heads.weight"][:emotions], arrays["heads.bias"][:emotions]
        self.emotions = AnchoredLinear(*heads, trainable=trainable)
        self.dropout = Dropout(dropout)
        self.units = None
        if task.units:
            rows = emotions + torch.tensor([load_prior().units.index(unit) for unit in task.units])
            self.units = AnchoredLinear(arrays["heads.weight"][rows], arrays["heads.bias"][rows], trainable=trainable)
        shares = torch.zeros(task.classes - len(task.units), emotions)
        if task.names:
            shares = torch.from_numpy(emotion_shares(task.names)).float() / arrays["prior"]
        self.register_buffer("log_shares", shares.clamp(min=_LEAST_SHARE).log())

    def forward(self, x: Tensor) -> Tensor:
        """Return logits for motion `(N, C, s, s)` whose first channels are u and v, in any unit.

        Returns:
            `(N, K)`, or `(N, K + U)` if the task has U action units.
        """
        hidden = self.second(self.first(_features(x[:, :2]).flatten(1)).relu()).relu()  # (N, H)
        dropped = self.dropout(hidden)
        classes = (self.emotions(dropped)[:, None] + self.get_buffer("log_shares")).logsumexp(-1)  # (N, K)
        return classes if self.units is None else torch.cat([classes, self.units(dropped)], dim=1)


def _features(motion: Tensor) -> Tensor:
    """Return the features of `models.prior.prior_features`, `(N, 2, 14, 14)`, for motion `(N, 2, s, s)`."""
    if motion.shape[-1] < GRID_PX:  # as in `prior_features`
        small = interpolate(motion, size=(GRID_PX, GRID_PX), mode="bilinear")
    else:
        small = adaptive_avg_pool2d(motion, GRID_PX)
    ordered = small.flatten(2).sort(dim=2).values  # (N, 2, 196)
    middle = ordered.shape[2] // 2
    small = small - ordered[..., middle - 1 : middle + 1].mean(2)[..., None, None]
    size = small.abs().mean((2, 3), keepdim=True)
    return (small / size.clamp(min=SMALLEST)).clamp(-GREATEST, GREATEST)
