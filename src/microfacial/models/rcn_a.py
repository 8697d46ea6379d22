"""RCN-A: a recurrent convolution over small maps, with an attention that has no parameters of its own.

    (N, 3, 60, 60) ─▶ F filters 5×5, pool ─▶ (N, F, 28, 28) ┬▶ recurrent convolution, pool ─▶ (N, F, p, p) ┐
                                                            └▶ pool ─▶ attention ─▶ (N, 1, p, p)           ×▶ (N, K)

The recurrent convolution applies one bank of 3×3 filters twice. The input of each step is the early maps plus the
result of the step before. The attention uses the weights of the classifier: it computes how much each place of the
early maps supports each class, stretches this to 0–1, and averages over the classes.

The published network uses batch normalisation. This one uses group normalisation, which has the same number of
parameters. With running statistics, folds that train together would depend on the order of each other's batches.
Published training uses stochastic gradient descent and halves the rate every ten epochs. The `published` preset has the
same rate and epochs, but uses AdamW.

Source: Xia et al., Revealing the Invisible with Model and Data Shrinking, IEEE TIP 2020, doi:10.1109/TIP.2020.3018222;
layers and training, github.com/xiazhaoqiang/ParameterFreeRCNs-MicroExpressionRec; 60 px, github.com/tvaranka/meb.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from microfacial.models.base import PLAIN_TRAINING, Network, Task
from microfacial.models.inputs import full_face
from microfacial.models.layers.dropout import Dropout
from microfacial.models.layers.pooling import MaxPool2d
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs

_GROUPS = 8
_LEAST_SPREAD = 1e-6  # evidence with a smaller spread is not stretched; it gives almost no attention
_Width = Annotated[int, Field(gt=0, le=4096, multiple_of=_GROUPS)]


class RcnASettings(OptimiserSettings):
    """`models.rcn_a` in params.yaml."""

    input_px: int = Field(60, ge=28, le=512)  # side of the map
    width: _Width = 32  # filters, F
    pooled: int = Field(5, ge=2, le=64)  # side of the last maps, p
    dropout: float = Field(0.5, ge=0, lt=1)  # share of units that are dropped in training


class RcnA(nn.Module):
    """A convolution, a recurrent convolution, attention, and one linear layer.

    Args:
        task: shape `(C, s, s)` of one sample, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: RcnASettings) -> None:
        super().__init__()
        width, pooled = settings.width, settings.pooled
        self.first = _block(task.shape[0], width, kernel=5, padding=0)
        self.feed_forward = _block(width, width, kernel=1, padding=0)
        self.recurrent = _block(width, width, kernel=3, padding=1)
        self.shrink = nn.Sequential(MaxPool2d(2), Dropout(settings.dropout))
        self.pool = nn.AdaptiveAvgPool2d(pooled)
        self.head = nn.Linear(width * pooled**2, task.classes)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps `(N, C, s, s)`."""
        early = self.shrink(self.first(x))  # (N, F, h, h)
        late = self.feed_forward(early)
        for _ in range(2):
            late = self.recurrent(early + late)  # (N, F, h, h)
        pooled = self.pool(self.shrink(late))  # (N, F, p, p)
        logits: Tensor = self.head((pooled * self._attend(self.pool(early))).flatten(1))  # (N, K)
        return logits

    def _attend(self, maps: Tensor) -> Tensor:
        """Return how much each place supports the classes, `(N, 1, p, p)` from 0 to 1, for maps `(N, F, p, p)`."""
        weights = self.head.weight.reshape(-1, *maps.shape[1:])  # (K, F, p, p)
        evidence = (weights * maps.unsqueeze(1)).mean(dim=2)  # (N, K, p, p)
        lowest, highest = evidence.amin(dim=(2, 3), keepdim=True), evidence.amax(dim=(2, 3), keepdim=True)
        stretched: Tensor = (evidence - lowest) / (highest - lowest).clamp_min(_LEAST_SPREAD)
        return stretched.mean(dim=1, keepdim=True)


def _block(before: int, after: int, *, kernel: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, padding=padding),
        nn.GroupNorm(_GROUPS, after),
        nn.ReLU(),
    )


def _initialise(module: nn.Module) -> None:
    """Initialise as published: He's normal weights for convolutions, small normal weights for the classifier."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


def _make_inputs(store: FaceStore, settings: RcnASettings) -> Inputs:
    """Return u, v and strain of the whole face from onset to apex, `(N, 3, input_px, input_px)`.

    Published maps of 28×28 are enlarged.
    """
    return full_face(store, settings.input_px)


RCN_A = Network(
    settings=RcnASettings,
    presets={
        "default": {},
        "published": {
            **PLAIN_TRAINING,
            "epochs": 20,
            "early_stopping": False,
            "batch_size": 64,
            "learning_rate": 5e-4,
            "weight_decay": 0.0,
            "schedule": "cosine",
            "class_weights": "none",
        },
    },
    make_inputs=_make_inputs,
    build=RcnA,
    lockstep=lambda _: False,
)
