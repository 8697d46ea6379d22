"""Flow CNN: the motion of the whole face from onset to apex, without regions.

    small     (N, 3, s, s) ─▶ patches ─▶ (N, P, D) ─▶ depth × (mix patches, mix channels) ─▶ (N, H) ─▶ (N, K)
    resnet18  (N, 3, s, s) ─▶ ResNet-18 ─▶ (N, 512) ─▶ (N, K)

The patches of `small` are a convolution whose stride equals the side of its kernel. It is written as a matrix product.

Source: patches and mixing, Tolstikhin et al., MLP-Mixer, arXiv:2105.01601; ResNet-18, He et al., CVPR 2016,
doi:10.1109/CVPR.2016.90; group normalisation, which suits small batches, Wu & He, ECCV 2018,
doi:10.1007/978-3-030-01261-8_1.
"""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from microfacial.models.base import MISSION_TRAINING, Network, Task
from microfacial.models.inputs import full_face, portrait
from microfacial.models.layers.dropout import Dropout
from microfacial.models.layers.encoders import FeedForward, Head, ResNet18
from microfacial.models.layers.prior_average import average_with_prior
from microfacial.models.settings import StartSettings, Width
from microfacial.records import FaceStore, Inputs


class FlowCnnSettings(StartSettings):
    """`models.flow_cnn` in params.yaml. Only the small backbone uses `patch_px`, `width`, `depth` and `hidden`."""

    input_px: int = Field(28, ge=4, le=512)  # side of the map
    backbone: Literal["small", "resnet18"] = "small"  # a linear layer per patch, or ResNet-18
    patch_px: int = Field(4, ge=1, le=512, validate_default=True)  # side of a patch; must divide `input_px`
    width: Width = 16  # D
    depth: int = Field(0, ge=0, le=64)  # mixing layers
    hidden: int = Field(64, ge=1, le=8192)  # units of the layer over all patches
    normalise: bool = False  # normalise patches before each layer, which removes the strength of a motion
    dropout: float = Field(0.5, ge=0, lt=1)  # share of units that are dropped in training
    skip: bool = False  # add a linear classifier of the inputs

    @field_validator("patch_px")
    @classmethod
    def _check_divides_input(cls, patch_px: int, fields: ValidationInfo) -> int:
        input_px = fields.data.get("input_px", patch_px)  # missing if the side is invalid, which has its own message
        if input_px % patch_px and fields.data.get("backbone") == "small":
            raise PydanticCustomError("patch", "must divide input_px {input_px}", {"input_px": input_px})
        return patch_px


class FlowCnn(nn.Module):
    """A backbone for the whole face, then one linear layer.

    Args:
        task: shape `(C, s, s)` of one sample, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: FlowCnnSettings) -> None:
        super().__init__()
        channels, side, _ = task.shape
        small = settings.backbone == "small"
        self.backbone = PatchMixer(channels, side, settings) if small else ResNet18(channels)
        width = settings.hidden if small else ResNet18.WIDTH
        self.head = Head(width, task, dropout=settings.dropout, skip=settings.skip)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps `(N, C, s, s)`."""
        logits: Tensor = self.head(self.backbone(x), x)  # (N, H) or (N, 512) → (N, K)
        return logits


class PatchMixer(nn.Module):
    """Patches without overlap, layers that mix patches and channels, and one layer over all patches.

    Args:
        channels: channels of the inputs, C.
        side: side of the inputs, in px.
        settings: settings of the network.
    """

    def __init__(self, channels: int, side: int, settings: FlowCnnSettings) -> None:
        super().__init__()
        self.patch_px = settings.patch_px
        patches = (side // settings.patch_px) ** 2
        self.embed = nn.Linear(channels * settings.patch_px**2, settings.width)
        self.layers = nn.Sequential(*(_Mix(patches, settings) for _ in range(settings.depth)))
        self.gather = nn.Sequential(Dropout(settings.dropout), nn.Linear(patches * settings.width, settings.hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors `(N, H)` for maps `(N, C, s, s)`."""
        n, channels, side, _ = x.shape
        sides = (side // self.patch_px, self.patch_px)
        cut = x.reshape(n, channels, *sides, *sides)  # (N, C, s/p, p, s/p, p)
        patches = cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (N, P, C·p·p)
        tokens: Tensor = self.layers(nn.functional.gelu(self.embed(patches)))  # (N, P, D)
        return nn.functional.gelu(self.gather(tokens.flatten(1)))


class _Mix(nn.Module):
    """Mix the patches of each channel, then the channels of each patch. Each result is added to its input."""

    def __init__(self, patches: int, settings: FlowCnnSettings) -> None:
        super().__init__()
        self.patches = FeedForward(patches, 2 * patches, normalise=settings.normalise)
        self.channels = FeedForward(settings.width, 2 * settings.width, normalise=settings.normalise)
        self.drop_patches = Dropout(settings.dropout)
        self.drop_channels = Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_patches(self.patches(x.transpose(1, 2)).transpose(1, 2))  # (N, P, D)
        mixed: Tensor = x + self.drop_channels(self.channels(x))
        return mixed


def _make_inputs(store: FaceStore, settings: FlowCnnSettings) -> Inputs:
    """Return u, v and strain of the whole face from onset to apex, `(N, 3, input_px, input_px)`."""
    if settings.prior_weight:
        return portrait(store, settings.input_px, channels=3)
    return full_face(store, settings.input_px)


FLOW_CNN = Network(
    settings=FlowCnnSettings,
    presets={
        "default": {},
        "mission": {**MISSION_TRAINING, "input_px": 224, "backbone": "resnet18"},
        "from_prior": {"start": "motion_prior"},
    },
    make_inputs=_make_inputs,
    build=average_with_prior(FlowCnn),
    uses_prior=lambda settings: settings.prior_weight > 0,
    lockstep=lambda settings: settings.backbone == "small",
)
