"""SSSNet: one shallow stream over the whole face's motion, and one wide layer.

    (N, 3, 64, 64) ─▶ 32 filters 5×5 ─▶ pool to 20×20 ─▶ 64 filters 3×3 ─▶ pool to 9×9 ─▶ (N, 5184) ─▶ 256 ─▶ (N, K)

Its batch normalisation is group normalisation here, with as many parameters: running statistics would tie the folds
that train together to the order of their batches.

Source: Varanka et al., Micro-expression recognition with noisy labels, Electronic Imaging 2021,
doi:10.2352/ISSN.2470-1173.2021.11.HVEI-157; layers and training, github.com/tvaranka/meb (arXiv:2211.11425),
meb/models/me_networks.py and its "Optical flow networks" notebook.
"""

from pydantic import Field
from torch import Tensor, nn

from microfacial.models.base import PLAIN_TRAINING, Network, Task
from microfacial.models.inputs import full_face
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs

_INPUT_PX = 64
_GROUPS = 8


class SssNetSettings(OptimiserSettings):
    """`models.sssnet` of params.yaml."""

    dropout: float = Field(0.5, ge=0, lt=1)  # of whole filters, and of units


class SssNet(nn.Module):
    """Two convolution blocks, one hidden layer and the classes."""

    def __init__(self, channels: int, classes: int, settings: SssNetSettings) -> None:
        super().__init__()
        self.stream = nn.Sequential(
            *_block(channels, 32, kernel=5, pool=3, dropout=settings.dropout),  # (N, 32, 20, 20)
            *_block(32, 64, kernel=3, pool=2, dropout=settings.dropout),  # (N, 64, 9, 9)
        )
        self.head = nn.Sequential(
            nn.Linear(64 * 9 * 9, 256), nn.ReLU(), Dropout(settings.dropout), nn.Linear(256, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of maps `(N, C, 64, 64)`."""
        maps = self.stream(x)  # (N, 64, 9, 9)
        logits: Tensor = self.head(maps.flatten(1))  # (N, K)
        return logits


class _DropMaps(Dropout):
    """Drops whole maps of `(N, C, h, w)`."""

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, h, w)` → `(N, C, h, w)`."""
        return x * super().forward(x.new_ones(x.shape[:2]))[..., None, None]


def _block(before: int, after: int, *, kernel: int, pool: int, dropout: float) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(before, after, kernel),
        nn.ReLU(),
        nn.MaxPool2d(pool),
        nn.GroupNorm(_GROUPS, after),
        _DropMaps(dropout),
    )


def make_inputs(store: FaceStore, settings: SssNetSettings) -> Inputs:
    """Whole-face motion, `(N, 3, 64, 64)`; published maps of 28×28 are enlarged."""
    return full_face(store, _INPUT_PX)


def build(task: Task, settings: SssNetSettings) -> SssNet:
    """An untrained network for samples of shape `(C, 64, 64)`."""
    return SssNet(task.shape[0], task.classes, settings)


SSSNET = Network(
    settings=SssNetSettings,
    presets={
        "default": {},
        "published": {
            **PLAIN_TRAINING,
            "epochs": 200,
            "early_stopping": False,
            "batch_size": 32,
            "learning_rate": 1e-4,
            "weight_decay": 1e-3,
            "class_weights": "none",
        },
    },
    make_inputs=make_inputs,
    build=build,
    lockstep=lambda _: False,
)
