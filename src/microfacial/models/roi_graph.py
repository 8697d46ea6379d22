"""ROI graph: graph attention among regions of interest, with learnable interactions between muscles.

    (N, R, 3, s, s) ─▶ encoder ─▶ (N, R, D) ─▶ depth × graph attention ─▶ concatenate ─▶ (N, K)

Every region is connected to every region. The interactions `(heads, R, R)` of pairs of regions are learned and do not
depend on the input. They start at zero, or at how often action units move both regions in the training clips.

Source: graph attention, Veličković et al., ICLR 2018, arXiv:1710.10903; action units as a graph, Lo et al., MIPR 2020,
arXiv:2004.08915.
"""

from torch import Tensor, nn

from microfacial.models.base import MISSION_ATTENTION, Network, Task
from microfacial.models.inputs import FaceFrame, face_regions
from microfacial.models.layers.attention import GraphLayer, initial_interactions, run_layers
from microfacial.models.layers.encoders import Head, RegionEncoder, doubling_widths
from microfacial.models.layers.prior_average import PriorAverage, average_with_prior
from microfacial.models.settings import Adjacency, AttentionSettings
from microfacial.records import FaceStore, Inputs


class RoiGraphSettings(AttentionSettings):
    """`models.roi_graph` in params.yaml."""

    adjacency: Adjacency = "learned"  # initial interactions; action-units: how often regions move together


class RoiGraph(nn.Module):
    """An encoder for regions and graph attention, then one linear layer over all regions.

    Args:
        task: shape `(R, C, s, s)` of one sample, number of classes, and co-occurrence of regions.
        settings: settings of the network.

    Raises:
        ConfigError: interactions start from action units, but the training clips have none.
    """

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
        """Return logits `(N, K)` for maps of regions `(N, R, C, s, s)`."""
        nodes, _ = run_layers(self.layers, self.encoder(x))  # (N, R, D)
        logits: Tensor = self.head(nodes.flatten(1), x)  # (N, K)
        return logits

    def attention(self, x: Tensor) -> Tensor:
        """Return the attention weights between regions.

        Args:
            x: maps of regions, `(N, R, C, s, s)`.

        Returns:
            `(N, depth, heads, R, R)`. Row i has the weights with which region i reads each region; it sums to 1.
        """
        return run_layers(self.layers, self.encoder(x))[1]


def _explain(network: RoiGraph | PriorAverage[RoiGraph], x: Tensor) -> dict[str, Tensor]:
    """Return the weights of a hybrid that has only a graph, by attribute of `Importances`. All regions weigh the same.

    Args:
        network: the network, alone or averaged with the motion prior.
        x: maps of regions, `(N, R, C, s, s)`.
    """
    clips, regions = x.shape[:2]
    graph = network.network if isinstance(network, PriorAverage) else network
    return {
        "fusion": x.new_tensor([1.0, 0.0]).expand(clips, 2),
        "graph_regions": x.new_full((clips, regions), 1 / regions),
        "transformer_regions": x.new_zeros(clips, regions),
        "windows": x.new_zeros(clips, 0),
        "attention": graph.attention(x).flatten(1, 2).mean(1),
    }


def _make_inputs(store: FaceStore, settings: RoiGraphSettings) -> Inputs:
    """Return u, v and strain from onset to apex, `(N, R, 3, input_px, input_px)`, for N clips and R regions."""
    face: FaceFrame = "portrait" if settings.prior_weight else "square"
    return face_regions(store, settings.input_px, whole_face=settings.whole_face, face=face)


ROI_GRAPH = Network(
    settings=RoiGraphSettings,
    presets={
        "default": {},
        "mission": {**MISSION_ATTENTION},
        "from_prior": {"start": "motion_prior"},
    },
    make_inputs=_make_inputs,
    build=average_with_prior(RoiGraph),
    uses_prior=lambda settings: settings.prior_weight > 0,
    lockstep=lambda settings: settings.encoder == "linear",
    explain=_explain,
)
