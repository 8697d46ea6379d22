"""Building blocks that more than one variant uses."""

import torch
from torch import Tensor, nn

# Odd numbers with irregular bits: the golden ratio's, and the two of Steele et al., Fast Splittable Pseudorandom Number
# Generators, OOPSLA 2014, doi:10.1145/2660193.2660195; as int64.
_WEYL = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


class Dropout(nn.Module):
    """Dropout whose mask is a hash of `key` and of the position in one network's input, once `keyed` is set.

    Networks that train side by side then drop what each would drop alone. Without a key it is `nn.Dropout`.

    Convention: each place in a network has its own module, as one called twice in a pass would drop the same twice.
    """

    key: Tensor

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.keyed = False
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share of `x` and enlarge the rest while training; the same shape."""
        if not (self.training and self.keyed):
            return nn.functional.dropout(x, self.share, self.training)
        bits = torch.arange(x.numel(), device=x.device).mul_(_WEYL).view(x.shape) + self.key
        bits = (bits ^ (bits >> 32)) * _FIRST
        bits = (bits ^ (bits >> 29)) * _SECOND
        kept = bits >= int((self.share - 0.5) * 2**64)  # the highest bits are the most random
        return x * (kept.to(x.dtype) / (1 - self.share))
