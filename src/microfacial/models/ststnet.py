"""STSTNet: three shallow convolution streams over the whole face's motion, in parallel.

    (N, 3, 28, 28) ─▶ 3, 5 and 8 filters 3×3 ─▶ max pool to 10×10 ─▶ (N, 16, 10, 10) ─▶ average pool to 5×5 ─▶ (N, K)

The published network uses batch normalisation. This one uses group normalisation with one group, which has the same
number of parameters. With running statistics, folds that train together would depend on the order of each other's
batches. Group normalisation removes the strength of a face's motion. Published training feeds raw 8-bit levels to Adam.
Here the inputs are scaled first, as for every network.

Source: Liong et al., Shallow Triple Stream Three-dimensional CNN, FG 2019, doi:10.1109/FG.2019.8756567; order of
layers, padding and training, github.com/christy1206/STSTNet, main.py.
"""

from pydantic import Field
from torch import Tensor, cat, nn

from microfacial.models.base import PLAIN_TRAINING, Network, Task
from microfacial.models.inputs import full_face
from microfacial.models.layers.dropout import Dropout
from microfacial.models.layers.pooling import MaxPool2d
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs

_INPUT_PX = 28
_FILTERS = (3, 5, 8)  # of each stream


class StstNetSettings(OptimiserSettings):
    """`models.ststnet` in params.yaml."""

    dropout: float = Field(0.5, ge=0, lt=1)  # share of units that are dropped in training


class StstNet(nn.Module):
    """Three streams that differ only in their number of filters, then one linear layer.

    Args:
        task: shape `(C, 28, 28)` of one sample, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: StstNetSettings) -> None:
        super().__init__()
        self.streams = nn.ModuleList(_stream(task.shape[0], filters) for filters in _FILTERS)
        self.shrink = MaxPool2d(3, padding=1)
        self.dropouts = nn.ModuleList(Dropout(settings.dropout) for _ in _FILTERS)
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(sum(_FILTERS) * 5 * 5, task.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps `(N, C, 28, 28)`."""
        shrunk = self.shrink(cat([stream(x) for stream in self.streams], dim=1))  # all at once, which is faster
        parts = zip(self.dropouts, shrunk.split(_FILTERS, dim=1), strict=True)
        maps = cat([dropout(part) for dropout, part in parts], dim=1)  # (N, 16, 10, 10)
        logits: Tensor = self.head(self.pool(maps).flatten(1))  # (N, K)
        return logits


def _stream(channels: int, filters: int) -> nn.Sequential:
    """`(N, channels, 28, 28)` → `(N, filters, 30, 30)`."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, kernel_size=3, padding=2),
        nn.ReLU(),
        nn.GroupNorm(1, filters),
    )


def _make_inputs(store: FaceStore, settings: StstNetSettings) -> Inputs:
    """Return u, v and strain of the whole face from onset to apex, `(N, 3, 28, 28)`."""
    return full_face(store, _INPUT_PX)


STSTNET = Network(
    settings=StstNetSettings,
    presets={
        "default": {},
        "published": {
            **PLAIN_TRAINING,
            "epochs": 800,
            "early_stopping": False,
            "batch_size": 256,
            "learning_rate": 5e-5,
            "weight_decay": 0.0,
            "class_weights": "none",
        },
    },
    make_inputs=_make_inputs,
    build=StstNet,
    lockstep=lambda _: False,
)
