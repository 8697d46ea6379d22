"""Settings that several model variants share. Each variant extends one of these classes in its own file."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from microfacial.settings import Section

PRIOR_SHARE = 0.5
"""Weight of the motion prior in a network that starts from it, chosen on the tuning half of published maps."""

CHANNELS_PER_GROUP = 8  # of group normalisation; with one channel per group, a map of one pixel would become zero

Width = Annotated[int, Field(gt=0, le=4096, multiple_of=CHANNELS_PER_GROUP)]
CValue = Annotated[float, Field(gt=0, le=1e9)]  # C, the inverse strength of regularisation
Start = Annotated[Literal["motion_prior"] | None, BeforeValidator(lambda value: None if value == "none" else value)]
EncoderKind = Literal["linear", "conv"]
Adjacency = Literal["learned", "action-units"]


class OptimiserSettings(Section):
    """How a network is trained by epochs. The settings of every network extend this class."""

    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "averaging": "ema_decay",
            "clip_norm": "max_gradient_norm",
            "flip_average": "test_time_flip",
            "hold_back": "early_stopping",
            "jitter": "window_jitter",
            "members": "ensemble_size",
            "mixup": "mixup_alpha",
        }
    )

    epochs: int = Field(60, ge=1, le=100_000)  # greatest number of passes over the training rows
    patience: int = Field(15, ge=1, le=100_000)  # epochs without a lower validation loss before training stops
    early_stopping: bool = False  # true: the validation fold chooses the epoch; false: train on all rows, use the last
    batch_size: int = Field(32, ge=1, le=65_536)  # training rows per step
    learning_rate: float = Field(1e-3, gt=0, le=1e6)  # greatest learning rate of AdamW
    weight_decay: float = Field(0.1, ge=0, le=100)  # decoupled weight decay of AdamW
    schedule: Literal["constant", "cosine"] = "cosine"  # of the learning rate after the warm-up
    warmup_epochs: int = Field(6, ge=0, le=100_000)  # the learning rate rises from zero during these epochs
    max_gradient_norm: float | None = Field(None, gt=0, le=1e6)  # longer gradients are shortened to this; null: never
    ema_decay: float = Field(0.0, ge=0, lt=1)  # share of the moving average of weights that a step keeps; 0: no average
    loss: Literal["cross-entropy", "focal"] = "cross-entropy"  # focal: wrong predictions get more weight
    focal_gamma: float = Field(2.0, ge=0, le=100)  # exponent of the focal loss
    class_weights: Literal["none", "root", "inverse"] = "inverse"  # of the class frequencies in the training rows
    label_smoothing: float = Field(0.1, ge=0, lt=1)  # share of the target that all classes get
    mixup_alpha: float = Field(0.0, ge=0, le=100)  # alpha of the Beta distribution; 0: off
    flip: bool = True  # mirror half of the training faces
    test_time_flip: bool = True  # average the predictions for a face and its mirror image
    shift_px: int = Field(0, ge=0, le=512)  # move inputs by up to this many of their pixels
    window_jitter: float = Field(0.0, ge=0, lt=1)  # move the ends of windows by up to this share of a window
    ensemble_size: int = Field(1, ge=1, le=100)  # networks that are averaged, each with its own validation fold
    unit_weight: float = Field(
        0.0, ge=0, le=1000
    )  # of the loss of annotated action units, learned with classes; 0: off
    precision: Literal["auto", "float32", "bfloat16"] = "float32"  # auto: bfloat16 if the processor supports it


class StartSettings(OptimiserSettings):
    """Settings of every network that can start from the motion prior."""

    start: Start = None  # motion_prior: average with the prior (mlp: train the prior's layers); null: neither

    @property
    def prior_weight(self) -> float:
        """Weight of the motion prior in the mean of its logits and those of the network. 0: it is not used."""
        return PRIOR_SHARE if self.start else 0.0


class RegionSettings(StartSettings):
    """Settings of every model of regions."""

    input_px: int = Field(14, ge=4, le=512)  # side of a region's map
    whole_face: bool = True  # add the whole face as one more region; the motion prior needs it
    encoder: EncoderKind = "linear"  # linear: one layer over the pixels of a map; conv: four convolution blocks
    shared_encoder: bool = False  # true: one encoder for all regions; false: one encoder per region
    dropout: float = Field(0.5, ge=0, lt=1)  # share of units that are dropped in training
    skip: bool = False  # add a linear classifier of the inputs

    @field_validator("whole_face")
    @classmethod
    def _check_start_has_face(cls, whole_face: bool, fields: ValidationInfo) -> bool:
        if fields.data.get("start") and not whole_face:
            raise PydanticCustomError("start", "must be true where start is motion_prior: the prior needs it")
        return whole_face


class AttentionSettings(RegionSettings):
    """Settings of every model of regions with attention."""

    width: Width = 32  # D
    depth: int = Field(1, ge=1, le=64)  # attention layers
    heads: int = Field(4, ge=1, le=1024, validate_default=True)  # attention heads per layer; must divide `width`
    normalise: bool = False  # normalise tokens before each layer, which removes the strength of a motion

    @field_validator("heads")
    @classmethod
    def _check_divides_width(cls, heads: int, fields: ValidationInfo) -> int:
        width = fields.data.get("width", heads)  # missing if the width itself is invalid, which has its own message
        if width % heads:
            raise PydanticCustomError("heads", "must divide the width {width}", {"width": width})
        return heads
