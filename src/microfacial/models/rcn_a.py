"""RCN-A: a recurrent convolution over small maps, with an attention that has no parameters of its own.

    (N, 3, 60, 60) ─▶ F filters 5×5, pool ─▶ (N, F, 28, 28) ┬▶ recurrent convolution, pool ─▶ (N, F, p, p) ┐
                                                            └▶ pool ─▶ attention ─▶ (N, 1, p, p)           ×▶ (N, K)

The recurrent convolution applies one 3×3 filter bank twice, each time to its input plus what the last step gave. The
attention reads the classifier's own weights: how much each place of the early maps speaks for each class, stretched to
0–1, averaged over classes. Batch normalisation is group normalisation here, with as many parameters: running
statistics would tie the folds that train together to the order of their batches. Published training is by stochastic
gradient descent, its rate halved every ten epochs; the `published` preset has its rate and epochs, under AdamW.

Source: Xia et al., Revealing the Invisible with Model and Data Shrinking, IEEE TIP 2020, doi:10.1109/TIP.2020.3018222;
layers and training, github.com/xiazhaoqiang/ParameterFreeRCNs-MicroExpressionRec; 60 px, github.com/tvaranka/meb.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from microfacial.models.base import PLAIN_TRAINING, Network, Task
from microfacial.models.inputs import full_face
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs

_GROUPS = 8
_LEAST_SPREAD = 1e-6  # maps without any activity speak for no place; nothing stretches that
_Width = Annotated[int, Field(gt=0, multiple_of=_GROUPS)]


class RcnASettings(OptimiserSettings):
    """`models.rcn_a` of params.yaml."""

    input_px: int = Field(60, ge=28)
    width: _Width = 32  # filters, F
    pooled: int = Field(5, ge=2)  # side of the last maps, p
    dropout: float = Field(0.5, ge=0, lt=1)


class RcnA(nn.Module):
    """A convolution, a recurrent convolution, attention, and one linear layer."""

    def __init__(self, channels: int, classes: int, settings: RcnASettings) -> None:
        super().__init__()
        width, pooled = settings.width, settings.pooled
        self.first = _block(channels, width, kernel=5, padding=0)
        self.feed_forward = _block(width, width, kernel=1, padding=0)
        self.recurrent = _block(width, width, kernel=3, padding=1)
        self.shrink = nn.Sequential(nn.MaxPool2d(2), Dropout(settings.dropout))
        self.pool = nn.AdaptiveAvgPool2d(pooled)
        self.head = nn.Linear(width * pooled**2, classes)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of maps `(N, C, s, s)`."""
        early = self.shrink(self.first(x))  # (N, F, h, h)
        late = self.feed_forward(early)
        for _ in range(2):
            late = self.recurrent(early + late)  # (N, F, h, h)
        pooled = self.pool(self.shrink(late))  # (N, F, p, p)
        logits: Tensor = self.head((pooled * self._attend(self.pool(early))).flatten(1))  # (N, K)
        return logits

    def _attend(self, maps: Tensor) -> Tensor:
        """Places that speak for the classes, `(N, 1, p, p)` from 0 to 1, of maps `(N, F, p, p)`."""
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
    """Start as published: He's normal weights for convolutions, small normal ones for the classifier."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


def make_inputs(store: FaceStore, settings: RcnASettings) -> Inputs:
    """Whole-face motion, `(N, 3, input_px, input_px)`; published maps of 28×28 are enlarged."""
    return full_face(store, settings.input_px)


def build(task: Task, settings: RcnASettings) -> RcnA:
    """An untrained network for samples of shape `(C, s, s)`."""
    return RcnA(task.shape[0], task.classes, settings)


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
    make_inputs=make_inputs,
    build=build,
    lockstep=lambda _: False,
)
