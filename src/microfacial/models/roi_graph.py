"""ROI graph: regions of interest as nodes that attend to one another, with learnable muscle interactions.

    (N, R, 3, s, s) ─▶ encoder ─▶ (N, R, D) ─▶ depth × graph attention ─▶ concatenate ─▶ (N, K)

All regions are joined. What each pair means to each other whatever the input, `(heads, R, R)`, is learnt; it starts at
nothing, or at how often action units move both regions in the training clips.

Source: graph attention, Veličković et al., ICLR 2018, arXiv:1710.10903; action units as a graph, Lo et al., MIPR 2020,
arXiv:2004.08915.
"""

from torch import Tensor, nn

from microfacial.models.base import MISSION_ATTENTION, Network, Task
from microfacial.models.inputs import face_regions
from microfacial.models.layers.attention import GraphLayer, initial_interactions, run_layers
from microfacial.models.layers.encoders import Head, RegionEncoder, doubling_widths
from microfacial.models.settings import Adjacency, AttentionSettings
from microfacial.records import FaceStore, Inputs


class RoiGraphSettings(AttentionSettings):
    """`models.roi_graph` of params.yaml."""

    adjacency: Adjacency = "learned"  # where interactions start; action-units: at how often regions move together


class RoiGraph(nn.Module):
    """Regions through an encoder and graph attention, then one linear layer over all of them."""

    def __init__(self, task: Task, settings: RoiGraphSettings) -> None:
        super().__init__()
        regions = task.shape[0]
        width = settings.width
        self.encoder = RegionEncoder(task.shape[-4:], doubling_widths(width), settings)
        start = initial_interactions(task, regions, settings.adjacency)
        self.layers = nn.ModuleList(
            GraphLayer(width, settings.heads, settings.dropout, start, normalise=settings.normalise)
            for _ in range(settings.depth)
        )
        self.head = Head(regions * width, task, dropout=settings.dropout, skip=settings.skip)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of region maps `(N, R, C, s, s)`."""
        nodes, _ = run_layers(self.layers, self.encoder(x))  # (N, R, D)
        logits: Tensor = self.head(nodes.flatten(1), x)  # (N, K)
        return logits

    def attention(self, x: Tensor) -> Tensor:
        """What each region took from each, `(N, depth, heads, R, R)`; rows sum to 1."""
        return run_layers(self.layers, self.encoder(x))[1]


def make_inputs(store: FaceStore, settings: RoiGraphSettings) -> Inputs:
    """Motion of each region, `(N, R, 3, input_px, input_px)`."""
    return face_regions(store, settings.input_px, whole_face=settings.whole_face)


def build(task: Task, settings: RoiGraphSettings) -> RoiGraph:
    """An untrained network for samples of shape `(R, C, s, s)`.

    Raises:
        ConfigError: interactions are to start from action units, and the training clips have none.
    """
    return RoiGraph(task, settings)


ROI_GRAPH = Network(
    settings=RoiGraphSettings,
    presets={
        "default": {},
        "mission": {**MISSION_ATTENTION},
    },
    make_inputs=make_inputs,
    build=build,
    lockstep=lambda settings: settings.encoder == "linear",
)
