"""Random numbers on one device."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomNumbers:
    """A source of random tensors. The same seed on the same kind of device gives the same numbers.

    Attributes:
        generator: generator of torch, whose device is that of the tensors.
    """

    generator: torch.Generator

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.generator.device

    def uniform(self, *shape: int) -> Tensor:
        """Return float32 numbers from 0 to 1."""
        return torch.rand(*shape, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        """Return float32 numbers with mean 0 and standard deviation 1."""
        return torch.randn(*shape, generator=self.generator, device=self.device)
