"""STSTNet: three shallow streams over the whole face's motion, side by side.

    (N, 3, 28, 28) ─▶ 3, 5 and 8 filters 3×3 ─▶ max pool to 10×10 ─▶ (N, 16, 10, 10) ─▶ average pool to 5×5 ─▶ (N, K)

Its batch normalisation is group normalisation with one group here, with as many parameters: running statistics would
tie the folds that train together to the order of their batches. It takes out how strong a face's motion is. Published
training feeds raw 8-bit levels to Adam; here inputs are scaled first, as for every network.

Source: Liong et al., Shallow Triple Stream Three-dimensional CNN, FG 2019, doi:10.1109/FG.2019.8756567; order of
layers, padding and training, github.com/christy1206/STSTNet, main.py.
"""

from pydantic import Field
from torch import Tensor, cat, nn

from microfacial.models.base import PLAIN_TRAINING, Network, Task
from microfacial.models.inputs import full_face
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs

_INPUT_PX = 28
_FILTERS = (3, 5, 8)  # a stream


class StstNetSettings(OptimiserSettings):
    """`models.ststnet` of params.yaml."""

    dropout: float = Field(0.5, ge=0, lt=1)


class StstNet(nn.Module):
    """Three streams that differ in their number of filters only, then one linear layer."""

    def __init__(self, channels: int, classes: int, settings: StstNetSettings) -> None:
        super().__init__()
        self.streams = nn.ModuleList(_stream(channels, filters, settings.dropout) for filters in _FILTERS)
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(sum(_FILTERS) * 5 * 5, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of maps `(N, C, 28, 28)`."""
        maps = cat([stream(x) for stream in self.streams], dim=1)  # (N, 16, 10, 10)
        logits: Tensor = self.head(self.pool(maps).flatten(1))  # (N, K)
        return logits


def _stream(channels: int, filters: int, dropout: float) -> nn.Sequential:
    """`(N, channels, 28, 28)` → `(N, filters, 10, 10)`."""
    return nn.Sequential(
        nn.Conv2d(channels, filters, kernel_size=3, padding=2),  # (N, filters, 30, 30)
        nn.ReLU(),
        nn.GroupNorm(1, filters),
        nn.MaxPool2d(3, padding=1),
        Dropout(dropout),
    )


def make_inputs(store: FaceStore, settings: StstNetSettings) -> Inputs:
    """Whole-face motion, `(N, 3, 28, 28)`."""
    return full_face(store, _INPUT_PX)


def build(task: Task, settings: StstNetSettings) -> StstNet:
    """An untrained network for samples of shape `(C, 28, 28)`."""
    return StstNet(task.shape[0], task.classes, settings)


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
    make_inputs=make_inputs,
    build=build,
    lockstep=lambda _: False,
)
