"""SSSNet: one shallow convolution stream over the whole face's motion, then one wide layer.

    (N, 3, 64, 64) ─▶ 32 filters 5×5 ─▶ pool to 20×20 ─▶ 64 filters 3×3 ─▶ pool to 9×9 ─▶ (N, 5184) ─▶ 256 ─▶ (N, K)

The published network uses batch normalisation. This one uses group normalisation, which has the same number of
parameters. With running statistics, folds that train together would depend on the order of each other's batches.

Source: Varanka et al., Micro-expression recognition with noisy labels, Electronic Imaging 2021,
doi:10.2352/ISSN.2470-1173.2021.11.HVEI-157; layers and training, github.com/tvaranka/meb (arXiv:2211.11425),
meb/models/me_networks.py and its "Optical flow networks" notebook.
"""

from pydantic import Field
from torch import Tensor, nn

from microfacial.models.base import PLAIN_TRAINING, Network, Task
from microfacial.models.inputs import full_face
from microfacial.models.layers.dropout import Dropout
from microfacial.models.layers.pooling import MaxPool2d
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs

_INPUT_PX = 64
_GROUPS = 8


class SssNetSettings(OptimiserSettings):
    """`models.sssnet` in params.yaml."""

    dropout: float = Field(0.5, ge=0, lt=1)  # of whole filters, and of units


class SssNet(nn.Module):
    """Two convolution blocks, one hidden layer and the classes.

    Args:
        task: shape `(C, 64, 64)` of one sample, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: SssNetSettings) -> None:
        super().__init__()
        self.stream = nn.Sequential(
            *_block(task.shape[0], 32, kernel=5, pool=3, dropout=settings.dropout),  # (N, 32, 20, 20)
            *_block(32, 64, kernel=3, pool=2, dropout=settings.dropout),  # (N, 64, 9, 9)
        )
        self.head = nn.Sequential(
            nn.Linear(64 * 9 * 9, 256), nn.ReLU(), Dropout(settings.dropout), nn.Linear(256, task.classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps `(N, C, 64, 64)`."""
        maps = self.stream(x)  # (N, 64, 9, 9)
        logits: Tensor = self.head(maps.flatten(1))  # (N, K)
        return logits


class _DropMaps(Dropout):
    """Drop whole maps of `(N, C, h, w)`."""

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, h, w)` → `(N, C, h, w)`."""
        return x * super().forward(x.new_ones(x.shape[:2]))[..., None, None]


def _block(before: int, after: int, *, kernel: int, pool: int, dropout: float) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(before, after, kernel),
        nn.ReLU(),
        MaxPool2d(pool),
        nn.GroupNorm(_GROUPS, after),
        _DropMaps(dropout),
    )


def _make_inputs(store: FaceStore, settings: SssNetSettings) -> Inputs:
    """Return u, v and strain of the whole face from onset to apex, `(N, 3, 64, 64)`.

    Published maps of 28×28 are enlarged.
    """
    return full_face(store, _INPUT_PX)


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
    make_inputs=_make_inputs,
    build=SssNet,
    lockstep=lambda _: False,
)
