"""Networks of several parts, each of which has a loss of its own."""

from math import prod

from torch import Tensor, nn

from microfacial.models.base import Task
from microfacial.models.layers.encoders import Head


class PartNetwork(nn.Module):
    """A network that can return the logits of its parts instead of their sum.

    Attributes:
        returns_parts: whether `forward` returns the logits of P parts, `(N, P, K)`, instead of logits `(N, K)`. The
            training of this package switches it on, and gives each part its own loss.
    """

    returns_parts = False


class FacePart(nn.Module):
    """One hidden layer over the motion of the whole face.

    Args:
        task: shape `(W, R, C, s, s)` of one sample, and number of classes.
        hidden: units of the hidden layer.
        dropout: share of hidden units to drop in training.
    """

    def __init__(self, task: Task, hidden: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(prod(task.shape[-3:]), hidden)
        self.activation = nn.GELU()
        self.head = Head(hidden, task, dropout=dropout, skip=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps of the whole face `(N, C, s, s)`."""
        logits: Tensor = self.head(self.activation(self.hidden(x.flatten(1))), x)
        return logits
