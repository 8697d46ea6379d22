"""RGB: the appearance of the face at the apex, without motion. This is the appearance baseline.

    (N, 3, s, s) ─▶ four stride-2 convolution blocks, or ResNet-18 ─▶ global average ─▶ (N, D) ─▶ (N, K)

The model can recognise people more easily than expressions. Compare its scores with those of the models of motion.

Source: ResNet-18, He et al., CVPR 2016, doi:10.1109/CVPR.2016.90; group normalisation, which suits small batches, Wu &
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
    """`models.rgb` in params.yaml."""

    input_px: int = Field(48, ge=16, le=512)  # side of the image
    backbone: Literal["small", "resnet18"] = "small"  # convolution blocks, or ResNet-18
    width: Width = 128  # D of the small backbone; the D of ResNet-18 is 512
    dropout: float = Field(0.5, ge=0, lt=1)  # share of units that are dropped in training


class Rgb(nn.Module):
    """A backbone for one image, then one linear layer.

    Args:
        task: shape `(3, s, s)` of one sample, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: RgbSettings) -> None:
        super().__init__()
        channels, small = task.shape[0], settings.backbone == "small"
        self.backbone = convolutions(channels, doubling_widths(settings.width)) if small else ResNet18(channels)
        width = settings.width if small else ResNet18.WIDTH
        self.head = Head(width, task, dropout=settings.dropout, skip=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for images `(N, 3, s, s)`."""
        logits: Tensor = self.head(self.backbone(x), x)  # (N, D) → (N, K)
        return logits


def _make_inputs(store: FaceStore, settings: RgbSettings) -> Inputs:
    """The aligned apex frame, `(N, 3, input_px, input_px)`: red, green and blue, −0.5 to 0.5.

    Raises:
        ConfigError: the store has published flow maps, which come without frames.
    """
    if store.unit == "stretched":
        raise ConfigError(
            "params.yaml: models.rgb needs the apex frame, but published flow maps come without frames. "
            "Remove models.rgb, or choose corpora of clips"
        )
    return apex_crops(store, settings.input_px)


RGB = Network(
    settings=RgbSettings,
    presets={
        "default": {},
        "mission": {**MISSION_TRAINING, "input_px": 224, "backbone": "resnet18"},
    },
    make_inputs=_make_inputs,
    build=Rgb,
    lockstep=lambda _: False,
    shows="appearance",
)
