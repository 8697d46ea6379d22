"""Multilayer perceptron: the smallest network of the zoo, one hidden layer over the whole face's motion.

    (N, 3, 14, 14) ─▶ flatten ─▶ 64 hidden ─▶ (N, K)

Source: Rumelhart et al., Nature 1986, doi:10.1038/323533a0; Gaussian error linear units, Hendrycks & Gimpel,
arXiv:1606.08415.
"""

from math import prod

from pydantic import Field
from torch import Tensor, nn

from microfacial.models.base import Network, Task
from microfacial.models.inputs import full_face
from microfacial.models.layers.dropout import Dropout
from microfacial.models.settings import OptimiserSettings
from microfacial.records import FaceStore, Inputs


class MlpSettings(OptimiserSettings):
    """`models.mlp` of params.yaml."""

    input_px: int = Field(14, ge=4)
    hidden: int = Field(64, ge=1)  # units
    dropout: float = Field(0.5, ge=0, lt=1)


class Mlp(nn.Module):
    """All pixels to hidden units to classes."""

    def __init__(self, values: int, classes: int, settings: MlpSettings) -> None:
        super().__init__()
        self.hidden = nn.Linear(values, settings.hidden)
        self.activation = nn.GELU()
        self.dropout = Dropout(settings.dropout)
        self.head = nn.Linear(settings.hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of maps `(N, C, s, s)`."""
        hidden = self.dropout(self.activation(self.hidden(x.flatten(1))))  # (N, hidden)
        logits: Tensor = self.head(hidden)  # (N, K)
        return logits


def make_inputs(store: FaceStore, settings: MlpSettings) -> Inputs:
    """Whole-face motion, `(N, 3, input_px, input_px)`."""
    return full_face(store, settings.input_px)


def build(task: Task, settings: MlpSettings) -> Mlp:
    """An untrained network for samples of any shape."""
    return Mlp(prod(task.shape), task.classes, settings)


MLP = Network(
    settings=MlpSettings,
    presets={"default": {}},
    make_inputs=make_inputs,
    build=build,
    lockstep=lambda _: True,
)
