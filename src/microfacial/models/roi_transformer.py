"""ROI transformer: the motion of each region in each window from onset through apex to offset, as one sequence.

    (N, W, R, 3, s, s) ─▶ encoder ─▶ (N, W·R, D) ─▶ depth × self-attention ─▶ concatenate ─▶ (N, K)

Learnable embeddings mark the window and the region of each token. The sequence can also be one window, onset→apex.

Source: Vaswani et al., NeurIPS 2017, arXiv:1706.03762; normalisation before each step, Xiong et al., ICML 2020,
arXiv:2002.04745.
"""

from typing import Literal

from torch import Tensor, nn

from microfacial.models.base import MISSION_ATTENTION, Network, Task
from microfacial.models.inputs import FaceFrame, phase_windows, region_windows
from microfacial.models.layers.attention import TransformerLayer, embedding, run_layers
from microfacial.models.layers.encoders import Head, RegionEncoder, doubling_widths
from microfacial.models.layers.prior_average import average_with_prior
from microfacial.models.settings import AttentionSettings
from microfacial.records import FaceStore, Inputs


class RoiTransformerSettings(AttentionSettings):
    """`models.roi_transformer` in params.yaml."""

    windows_per_phase: Literal[0, 1, 2] = 1  # windows before the apex, and after it; 0: only onset→apex


class RoiTransformer(nn.Module):
    """An encoder for the regions of all windows and self-attention, then one linear layer over all tokens.

    Args:
        task: shape `(W, R, C, s, s)` of one sample, and number of classes.
        settings: settings of the network.
    """

    def __init__(self, task: Task, settings: RoiTransformerSettings) -> None:
        super().__init__()
        windows, regions = task.shape[:2]
        width = settings.width
        self.encoder = RegionEncoder(task.shape[-4:], doubling_widths(width), settings)
        self.windows = embedding(windows, 1, width)
        self.regions = embedding(regions, width)
        self.layers = nn.ModuleList(
            TransformerLayer(width, settings.heads, settings.dropout, normalise=settings.normalise)
            for _ in range(settings.depth)
        )
        self.head = Head(windows * regions * width, task, dropout=settings.dropout, skip=settings.skip)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(N, K)` for maps of regions `(N, W, R, C, s, s)`."""
        tokens, _ = self._attend(x)  # (N, W·R, D)
        logits: Tensor = self.head(tokens.flatten(1), x)  # (N, K)
        return logits

    def attention(self, x: Tensor) -> Tensor:
        """Return the attention weights between tokens.

        Args:
            x: maps of regions, `(N, W, R, C, s, s)`.

        Returns:
            `(N, depth, heads, W·R, W·R)`. Tokens are ordered by window, then by region. Row i has the weights with
            which token i reads each token; it sums to 1.
        """
        return self._attend(x)[1]

    def _attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        placed = self.encoder(x) + self.windows + self.regions  # (N, W, R, D)
        return run_layers(self.layers, placed.flatten(1, 2))


def _make_inputs(store: FaceStore, settings: RoiTransformerSettings) -> Inputs:
    """Return u, v and strain of each region in each window, `(N, W, R, 3, input_px, input_px)`."""
    windows = phase_windows(store, settings.windows_per_phase)
    face: FaceFrame = "portrait" if settings.prior_weight else "square"
    return region_windows(store, settings.input_px, windows, whole_face=settings.whole_face, face=face)


ROI_TRANSFORMER = Network(
    settings=RoiTransformerSettings,
    presets={
        "default": {},
        "mission": {**MISSION_ATTENTION, "windows_per_phase": 2},
        "from_prior": {"start": "motion_prior"},
    },
    make_inputs=_make_inputs,
    build=average_with_prior(RoiTransformer),
    uses_prior=lambda settings: settings.prior_weight > 0,
    lockstep=lambda settings: settings.encoder == "linear",
)
