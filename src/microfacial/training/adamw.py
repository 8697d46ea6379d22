"""AdamW for several networks side by side.

It calls the kernel of `torch.optim.AdamW`, so its results are the same to the last bit. The first optimiser of
`torch.optim` in a process also imports torch's compiler, which nothing here uses. That takes almost as long as the
import of torch.

Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019, arXiv:1711.05101.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # the defaults of `torch.optim.AdamW`


class AdamW:
    """The state of the optimiser: two moments and a count of steps for each network.

    Args:
        weights: weights of each network, `(P,)`. They are changed in place.
        gradients: gradients of each network, `(P,)`, which the caller writes before each step.
        weight_decay: decoupled weight decay.
    """

    def __init__(self, weights: Sequence[Tensor], gradients: Sequence[Tensor], weight_decay: float) -> None:
        self._weights, self._gradients, self._weight_decay = weights, gradients, weight_decay
        self._means = [torch.zeros_like(row) for row in weights]
        self._squares = [torch.zeros_like(row) for row in weights]
        self._steps = [torch.zeros((), dtype=torch.float32, device=row.device) for row in weights]

    @torch.no_grad()
    def step(self, networks: Sequence[int], learning_rate: float) -> None:
        """Take one step with some networks.

        Args:
            networks: their numbers in `weights`.
            learning_rate: learning rate.
        """
        states = (self._weights, self._gradients, self._means, self._squares, self._steps)
        weights, gradients, means, squares, steps = ([state[number] for number in networks] for state in states)
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            weights,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=learning_rate,
            beta1=_BETA_1,
            beta2=_BETA_2,
            weight_decay=self._weight_decay,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )
