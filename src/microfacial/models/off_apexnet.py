"""Off-ApexNet: one convolution stream for horizontal motion and one for vertical motion, joined by two wide layers.

    u (N, 1, 28, 28) ─▶ 6 filters 5×5 ─▶ pool ─▶ 16 filters 5×5 ─▶ pool ─▶ (N, 16, 7, 7) ┐
    v (N, 1, 28, 28) ─▶ the same, with its own weights                   ─▶ (N, 16, 7, 7) ┴▶ 1024 ─▶ 1024 ─▶ (N, K)

Source: Gan et al., OFF-ApexNet on micro-expression recognition system, Signal Processing: Image Communication 2019,
doi:10.1016/j.image.2019.02.005; dropout, rate and epochs of the `published` preset, github.com/tvaranka/meb,
"Optical flow networks" notebook.
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
_HIDDEN = 1024


class OffApexNetSettings(OptimiserSettings):
    """`models.off_apexnet` in params.yaml."""

    dropout: float = Field(0.5, ge=0, lt=1)  # share of units that are dropped in training


class OffApexNet(nn.Module):
    """Two streams, then two hidden layers and the classes.

    Args:
        task: shape `(2, 28, 28)` of one sample, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: OffApexNetSettings) -> None:
        super().__init__()
        self.horizontal = _stream()
        self.vertical = _stream()
        self.head = nn.Sequential(
            nn.Linear(2 * 16 * 7 * 7, _HIDDEN),
            nn.ReLU(),
            Dropout(settings.dropout),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            Dropout(settings.dropout),
            nn.Linear(_HIDDEN, task.classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps `(N, 2, 28, 28)` of u and v."""
        maps = cat([self.horizontal(x[:, :1]), self.vertical(x[:, 1:])], dim=1)  # (N, 32, 7, 7)
        logits: Tensor = self.head(maps.flatten(1))  # (N, K)
        return logits


def _stream() -> nn.Sequential:
    """`(N, 1, 28, 28)` → `(N, 16, 7, 7)`."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.ReLU(),
        MaxPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5, padding=2),
        nn.ReLU(),
        MaxPool2d(2),
    )


def _make_inputs(store: FaceStore, settings: OffApexNetSettings) -> Inputs:
    """Return u and v of the whole face from onset to apex, `(N, 2, 28, 28)`."""
    return Inputs(values=full_face(store, _INPUT_PX).values[:, :2])


OFF_APEXNET = Network(
    settings=OffApexNetSettings,
    presets={
        "default": {},
        "published": {
            **PLAIN_TRAINING,
            "epochs": 3000,
            "early_stopping": False,
            "batch_size": 32,
            "learning_rate": 1e-4,
            "weight_decay": 1e-3,
            "class_weights": "none",
        },
    },
    make_inputs=_make_inputs,
    build=OffApexNet,
    lockstep=lambda _: False,
)
