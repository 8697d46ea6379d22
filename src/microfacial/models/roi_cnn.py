"""ROI CNN: a convolutional encoder for each region of interest. The vectors of all regions are concatenated.

    (N, R, 3, s, s) ─▶ four stride-2 convolution blocks ─▶ global average ─▶ (N, R, D) ─▶ concatenate ─▶ (N, K)

With the default settings, the encoder of a region is one linear layer.

Source: regions of interest as the unit of facial motion, Liu et al., MDMO, IEEE TAC 2016,
doi:10.1109/TAFFC.2015.2485205; group normalisation, which suits small batches, Wu & He, ECCV 2018,
doi:10.1007/978-3-030-01261-8_1.
"""

from pydantic import Field
from torch import Tensor, nn

from microfacial.models.base import MISSION_TRAINING, Network, Task
from microfacial.models.inputs import FaceFrame, face_regions
from microfacial.models.layers.encoders import Head, RegionEncoder
from microfacial.models.layers.prior_average import average_with_prior
from microfacial.models.settings import RegionSettings, Width
from microfacial.records import FaceStore, Inputs


class RoiCnnSettings(RegionSettings):
    """`models.roi_cnn` in params.yaml."""

    widths: tuple[Width, Width, Width, Width] = Field((8, 16, 32, 32), strict=False)  # channels of blocks; last: D


class RoiCnn(nn.Module):
    """An encoder for regions, then one linear layer over all of them.

    Args:
        task: shape `(R, C, s, s)` of one sample, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: RoiCnnSettings) -> None:
        super().__init__()
        self.encoder = RegionEncoder(task.shape, settings.widths, settings)
        self.head = Head(task.shape[0] * settings.widths[-1], task, dropout=settings.dropout, skip=settings.skip)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps of regions `(N, R, C, s, s)`."""
        regions = self.encoder(x)  # (N, R, D)
        logits: Tensor = self.head(regions.flatten(1), x)  # (N, K)
        return logits


def _make_inputs(store: FaceStore, settings: RoiCnnSettings) -> Inputs:
    """Return u, v and strain of each region from onset to apex, `(N, R, 3, input_px, input_px)`."""
    face: FaceFrame = "portrait" if settings.prior_weight else "square"
    return face_regions(store, settings.input_px, whole_face=settings.whole_face, face=face)


ROI_CNN = Network(
    settings=RoiCnnSettings,
    presets={
        "default": {},
        "mission": {
            **MISSION_TRAINING,
            "input_px": 224,
            "encoder": "conv",
            "whole_face": False,
            "shared_encoder": True,
            "widths": (32, 64, 128, 256),
        },
        "from_prior": {"start": "motion_prior"},
    },
    make_inputs=_make_inputs,
    build=average_with_prior(RoiCnn),
    uses_prior=lambda settings: settings.prior_weight > 0,
    lockstep=lambda settings: settings.encoder == "linear",
)
