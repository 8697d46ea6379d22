"""Multilayer perceptron: the smallest network of this package, with one hidden layer over the whole face's motion.

    (N, 3, 14, 14) ─▶ flatten ─▶ 64 hidden ─▶ (N, K)

Source: Rumelhart et al., Nature 1986, doi:10.1038/323533a0; Gaussian error linear units, Hendrycks & Gimpel,
arXiv:1606.08415.
"""

from math import prod

from pydantic import Field
from torch import Tensor, nn

from microfacial.models.base import Network, Task
from microfacial.models.inputs import full_face, portrait
from microfacial.models.layers.dropout import Dropout
from microfacial.models.layers.prior_start import PriorStart
from microfacial.models.settings import StartSettings
from microfacial.records import FaceStore, Inputs


class MlpSettings(StartSettings):
    """`models.mlp` in params.yaml."""

    input_px: int = Field(14, ge=4, le=512)  # side of the map
    hidden: int = Field(64, ge=1, le=8192)  # units; not used with `start`, which trains the layers of the prior
    dropout: float = Field(0.5, ge=0, lt=1)  # share of units that are dropped in training


class Mlp(nn.Module):
    """One hidden layer over all pixels, then the classes.

    Args:
        task: shape of one sample, which may have any number of axes, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: MlpSettings) -> None:
        super().__init__()
        self.hidden = nn.Linear(prod(task.shape), settings.hidden)
        self.activation = nn.GELU()
        self.dropout = Dropout(settings.dropout)
        self.head = nn.Linear(settings.hidden, task.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps `(N, C, s, s)`."""
        hidden = self.dropout(self.activation(self.hidden(x.flatten(1))))  # (N, hidden)
        logits: Tensor = self.head(hidden)  # (N, K)
        return logits


def _build(task: Task, settings: MlpSettings) -> nn.Module:
    return PriorStart(task, settings.dropout) if settings.start else Mlp(task, settings)


def _make_inputs(store: FaceStore, settings: MlpSettings) -> Inputs:
    """Return the motion of the whole face, `(N, 3, input_px, input_px)`; u and v as the prior needs them to start."""
    return portrait(store, settings.input_px) if settings.start else full_face(store, settings.input_px)


MLP = Network(
    settings=MlpSettings,
    presets={
        "default": {},
        "from_prior": {"start": "motion_prior", "learning_rate": 3e-5, "epochs": 30},
    },
    make_inputs=_make_inputs,
    build=_build,
    uses_prior=lambda settings: settings.start is not None,
    lockstep=lambda _: True,
)
