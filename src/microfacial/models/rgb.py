"""RGB: what the face looks like at the apex, without motion. The appearance baseline.

    (N, 3, s, s) ─▶ four stride-2 convolution blocks, or ResNet-18 ─▶ global average ─▶ (N, D) ─▶ (N, K)

It can tell people apart better than their expressions: read its scores beside those of models of motion.

Source: ResNet-18, He et al., CVPR 2016, doi:10.1109/CVPR.2016.90; group normalisation, because batches are small: Wu &
He, ECCV 2018, doi:10.1007/978-3-030-01261-8_1.
"""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from microfacial.errors import ConfigError
from microfacial.models.base import MISSION_TRAINING, Network, Task
from microfacial.models.inputs import apex_crops
from microfacial.models.layers.encoders import Head, ResNet18, convolutions, doubling_widths
from microfacial.models.settings import OptimiserSettings, Width
from microfacial.records import FaceStore, Inputs


class RgbSettings(OptimiserSettings):
    """`models.rgb` of params.yaml."""

    input_px: int = Field(48, ge=16)  # side of the picture
    backbone: Literal["small", "resnet18"] = "small"
    width: Width = 128  # D of the small backbone; that of ResNet-18 is 512
    dropout: float = Field(0.5, ge=0, lt=1)


class Rgb(nn.Module):
    """One picture through one backbone, then one linear layer."""

    def __init__(self, task: Task, settings: RgbSettings) -> None:
        super().__init__()
        channels, small = task.shape[0], settings.backbone == "small"
        self.backbone = convolutions(channels, doubling_widths(settings.width)) if small else ResNet18(channels)
        width = settings.width if small else ResNet18.WIDTH
        self.head = Head(width, task, dropout=settings.dropout, skip=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of pictures `(N, 3, s, s)`."""
        logits: Tensor = self.head(self.backbone(x), x)  # (N, D) → (N, K)
        return logits


def make_inputs(store: FaceStore, settings: RgbSettings) -> Inputs:
    """The aligned apex, `(N, 3, input_px, input_px)`: red, green and blue, −0.5 to 0.5.

    Raises:
        ConfigError: the store is of published maps, which come without frames.
    """
    if store.unit == "stretched":
        raise ConfigError(
            "params.yaml: models.rgb looks at the frame of the apex, and published flow maps come without frames. "
            "Remove models.rgb, or choose corpora of clips"
        )
    return apex_crops(store, settings.input_px)


def build(task: Task, settings: RgbSettings) -> Rgb:
    """An untrained network for samples of shape `(3, s, s)`."""
    return Rgb(task, settings)


RGB = Network(
    settings=RgbSettings,
    presets={
        "default": {},
        "mission": {
            **MISSION_TRAINING,
            "input_px": 224,
            "backbone": "resnet18",
        },
    },
    make_inputs=make_inputs,
    build=build,
    lockstep=lambda _: False,
    shows="appearance",
)
