"""Dropout that gives the same result whether a network trains alone or in a batch of networks."""

import torch
from torch import Tensor, nn

# Odd numbers with irregular bits as int64: the golden ratio, and the two constants of Steele et al., Fast Splittable
# Pseudorandom Number Generators, OOPSLA 2014, doi:10.1145/2660193.2660195.
_WEYL = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


class Dropout(nn.Module):
    """Dropout with a mask that depends only on `key` and on the position in the input of one network.

    Networks that train side by side therefore drop the same values as each network would drop alone. The mask is a hash
    of the key and the position. While `keyed` is false, the layer works like `nn.Dropout`.

    Each place in a network needs its own module. A module that is called twice in one pass drops the same values twice.

    Args:
        share: probability that a value becomes zero.
    """

    key: Tensor

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.keyed = False
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """In training, set a share of `x` to zero and scale up the rest. Return the same shape."""
        if not (self.training and self.keyed):
            return nn.functional.dropout(x, self.share, self.training)
        bits = torch.arange(x.numel(), device=x.device).mul_(_WEYL).view(x.shape) + self.key
        bits = (bits ^ (bits >> 32)) * _FIRST
        bits = (bits ^ (bits >> 29)) * _SECOND
        mask = bits >= int((self.share - 0.5) * 2**64)  # the highest bits are the most random
        return x * (mask.to(x.dtype) / (1 - self.share))
