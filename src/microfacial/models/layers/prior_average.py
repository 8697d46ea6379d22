"""The mean of a network and of the motion prior, whatever the architecture of the network.

    inputs (N, …) ─▶ network ─▶ (N, K) ─┬▶ weighted mean (N, K)
    whole face, onset→apex ─▶ motion prior, constant ─▶ (N, K) ─┘

The network is trained with a loss of its own, as if the prior did not exist. In predictions, the prior is an anchor: a
network that was trained on few clips cannot move far from it. On real maps, a network that learned a correction of the
prior, with the loss of the sum, was worse with three subjects. At a low learning rate, it hardly moved away from the
prior, even with all subjects.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from torch import Tensor, nn

from microfacial.models.base import Task
from microfacial.models.layers.parts import PartNetwork
from microfacial.models.layers.prior_start import PriorStart
from microfacial.models.settings import StartSettings
from microfacial.records import PHASE_WINDOWS

AnyStart = TypeVar("AnyStart", bound=StartSettings)
AnyModule = TypeVar("AnyModule", bound=nn.Module)


class PriorAverage(PartNetwork, Generic[AnyModule]):
    """The weighted mean of the logits of a network and of the motion prior, which is not trained.

    Args:
        network: network that returns logits `(N, K)` for inputs that show the whole face; see `apex_motion`.
        task: number of classes, and their names.
        prior_weight: weight of the prior, above 0 and below 1.

    Attributes:
        network: as above.

    Raises:
        ConfigError: a class is not an emotion or a group of emotions.
        StorageError: the weights of the prior are missing or damaged.
    """

    def __init__(self, network: AnyModule, task: Task, prior_weight: float) -> None:
        super().__init__()
        self.network: AnyModule = network
        self.prior = PriorStart(task, 0.0, trainable=False)
        self.prior_weight = prior_weight

    def forward(self, x: Tensor) -> Tensor:
        """Return logits for inputs `(N, …)`.

        Returns:
            `(N, K)`. With `returns_parts`, the logits of the network alone, `(N, 1, K)`.
        """
        logits: Tensor = self.network(x)
        if self.returns_parts:
            return logits[:, None]
        return (1 - self.prior_weight) * logits + self.prior_weight * self.prior(apex_motion(x))


def average_with_prior(build: Callable[[Task, AnyStart], nn.Module]) -> Callable[[Task, AnyStart], nn.Module]:
    """Return a function that builds a network, and averages it with the motion prior if its settings say so.

    Args:
        build: function that builds the network alone.
    """

    def build_average(task: Task, settings: AnyStart) -> nn.Module:
        network = build(task, settings)
        return PriorAverage(network, task, settings.prior_weight) if settings.prior_weight else network

    return build_average


def apex_motion(x: Tensor) -> Tensor:
    """Return the motion of the whole face from onset to apex.

    Args:
        x: maps of the whole face `(N, C, s, s)`, of regions `(N, R, C, s, s)`, or of regions in several windows
            `(N, W, R, C, s, s)`. The whole face is the last region. Its first channels are u and v.

    Returns:
        `(N, C, s, s)`. If the windows are those of `PHASE_WINDOWS`, the motion of the two windows before the apex is
        added. Otherwise, the first window is onset→apex.
    """
    if x.ndim == 4:
        return x
    faces = x[..., -1, :, :, :]  # (N, C, s, s) or (N, W, C, s, s)
    if faces.ndim == 4:
        return faces
    before = len(PHASE_WINDOWS) // 2
    return faces[:, :before].sum(1) if faces.shape[1] == len(PHASE_WINDOWS) else faces[:, 0]
