"""ROI CNN: one small convolutional encoder shared by all regions of interest, their vectors side by side.

    (N, R, 3, s, s) ─▶ four stride-2 convolution blocks ─▶ global average ─▶ (N, R, D) ─▶ concatenate ─▶ (N, K)

Source: regions of interest as the unit of facial motion, Liu et al., MDMO, IEEE TAC 2016,
doi:10.1109/TAFFC.2015.2485205; group normalisation, because batches are small: Wu & He, ECCV 2018,
doi:10.1007/978-3-030-01261-8_1.
"""

from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from microfacial.models.blocks import Dropout
from microfacial.models.contract import Network, Task
from microfacial.records import FaceStore, Inputs
from microfacial.samples import face_regions
from microfacial.settings import OptimiserSettings

_GROUPS = 8
Width = Annotated[int, Field(gt=0, multiple_of=_GROUPS)]


class RoiCnnSettings(OptimiserSettings):
    """`models.roi_cnn` of params.yaml."""

    input_px: int = Field(28, ge=16)  # side of a region's map
    widths: tuple[Width, Width, Width, Width] = Field((16, 32, 64, 256), strict=False)  # channels; the last is D
    dropout: float = Field(0.2, ge=0, lt=1)


class RoiCnn(nn.Module):
    """Regions through one encoder, then one linear layer over all of them."""

    def __init__(self, regions: int, channels: int, classes: int, settings: RoiCnnSettings) -> None:
        super().__init__()
        inputs = (channels, *settings.widths[:-1])
        self.encoder = nn.Sequential(
            *(_block(before, after) for before, after in zip(inputs, settings.widths, strict=True)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Sequential(Dropout(settings.dropout), nn.Linear(regions * settings.widths[-1], classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of region maps `(N, R, C, s, s)`."""
        vectors = self.encoder(x.flatten(0, 1))  # (N·R, D)
        faces = vectors.unflatten(0, x.shape[:2]).flatten(1)  # (N, R·D)
        logits: Tensor = self.head(faces)  # (N, K)
        return logits


def _block(before: int, after: int) -> nn.Sequential:
    """Halve the side: `(n, before, s, s)` → `(n, after, s/2, s/2)`."""
    return nn.Sequential(
        OrderedDict(
            convolution=nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1, bias=False),
            normalisation=nn.GroupNorm(_GROUPS, after),
            activation=nn.ReLU(),
        )
    )


def make_inputs(store: FaceStore, settings: RoiCnnSettings) -> Inputs:
    """Motion of each region, `(N, R, 3, input_px, input_px)`."""
    return face_regions(store, settings.input_px)


def build(task: Task, settings: RoiCnnSettings) -> RoiCnn:
    """An untrained network for samples of shape `(R, C, s, s)`."""
    regions, channels, _, _ = task.shape
    return RoiCnn(regions, channels, task.classes, settings)


ROI_CNN = Network(
    settings=RoiCnnSettings,
    presets={
        "default": {},
        "mission": {
            "input_px": 224,
            "widths": (32, 64, 128, 256),
            "dropout": 0.2,
            "epochs": 60,
            "patience": 20,
            "learning_rate": 1e-4,
            "batch_size": 32,
        },
    },
    make_inputs=make_inputs,
    build=build,
    lockstep=False,
)
