"""Hybrid: a graph over regions at the apex and a transformer over the windows, fused.

    (N, W, R, 3, s, s) ─▶ one encoder pass ─▶ (N, W, R, D)
        onset→apex     ─▶ graph attention ─▶ (N, R, D)    ─▶ weigh regions              ─▶ (N, K) ┐
        phase windows  ─▶ self-attention  ─▶ (N, T, R, D) ─▶ weigh windows and regions  ─▶ (N, K) ┴▶ fuse ─▶ (N, K)

What is weighed lies side by side afterwards, so that a region keeps its place, and one linear layer makes a branch's
logits of it. Every weight can be read: `Hybrid.importances`. Either branch can be switched off.

Source: graph attention, Veličković et al., ICLR 2018, arXiv:1710.10903; transformer, Vaswani et al., NeurIPS 2017,
arXiv:1706.03762; gate of two sources, Arevalo et al., arXiv:1702.01992.
"""

from dataclasses import dataclass
from math import log, prod
from typing import Literal

import torch
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from microfacial.models.base import MISSION_ATTENTION, Network, Task
from microfacial.models.inputs import phase_windows, region_windows
from microfacial.models.layers.attention import (
    AttentionPooling,
    GraphLayer,
    TransformerLayer,
    embedding,
    initial_interactions,
    run_layers,
)
from microfacial.models.layers.encoders import Head, RegionEncoder, doubling_widths
from microfacial.models.settings import Adjacency, AttentionSettings
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, FaceStore, Inputs

FusionKind = Literal["gate", "weights", "fixed"]


class HybridSettings(AttentionSettings):
    """`models.hybrid` of params.yaml; `depth` and `heads` are those of both branches."""

    graph: bool = True
    transformer: bool = Field(True, validate_default=True)
    fusion: FusionKind = "weights"  # weights of the branches: of each face, two for all faces, or constant
    graph_share: float = Field(0.5, gt=0, lt=1)  # the graph's weight at the start of learning, or for good if fixed
    roi_attention: bool = True  # regions and windows are weighed by learnable queries; false: all alike
    adjacency: Adjacency = "learned"  # where interactions start; action-units: at how often regions move together
    windows_per_phase: Literal[0, 1, 2] = 1  # before and after the apex; 0: onset→apex alone

    @field_validator("transformer")
    @classmethod
    def _leaves_a_branch(cls, transformer: bool, fields: ValidationInfo) -> bool:
        if not transformer and not fields.data.get("graph", True):
            raise PydanticCustomError("branches", "must be true where graph is false: a hybrid needs a branch")
        return transformer


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What counted for each of N samples. Weights of one kind sum to 1 a sample; those of a missing branch are 0.

    `fusion` `(N, 2)`: graph, transformer. `graph_regions` and `transformer_regions` `(N, R)`. `windows` `(N, W)`, in
    the order of the inputs' windows; one that the transformer does not see has 0. `attention`
    `(N, depth, heads, R, R)`: row i is what region i took from each in the graph; depth is 0 without a graph.
    """

    fusion: Tensor
    graph_regions: Tensor
    transformer_regions: Tensor
    windows: Tensor
    attention: Tensor


class Hybrid(nn.Module):
    """One encoder for all regions of all windows, one or two branches, one head."""

    def __init__(self, task: Task, settings: HybridSettings) -> None:
        super().__init__()
        windows, regions = task.shape[:2]
        self.classes, self.heads = task.classes, settings.heads
        self.encoder = RegionEncoder(task.shape[-4:], doubling_widths(settings.width), settings)
        start = initial_interactions(task, regions, settings.adjacency)
        self.graph = GraphBranch(regions, task, settings, start) if settings.graph else None
        self.transformer = PhaseBranch(windows, regions, task, settings) if settings.transformer else None
        branches = settings.graph, settings.transformer
        self.fusion = Fusion(task.classes, settings.fusion, branches, settings.graph_share)
        self.skip = nn.Linear(prod(task.shape), task.classes, bias=False) if settings.skip else None

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of region maps `(N, W, R, C, s, s)`."""
        logits, _ = self._fuse(x)  # (N, K)
        return logits if self.skip is None else logits + self.skip(x.flatten(1))

    def importances(self, x: Tensor) -> Shares:
        """What counted for each sample, of the same inputs as `forward`."""
        return self._fuse(x)[1]

    def _fuse(self, x: Tensor) -> tuple[Tensor, Shares]:
        """Fused logits `(N, K)`, and what counted."""
        vectors = self.encoder(x)  # (N, W, R, D)
        n, windows, regions, _ = vectors.shape
        graph, graph_regions, attention = (
            _zeros(vectors, (n, self.classes), (n, regions), (n, 0, self.heads, regions, regions))
            if self.graph is None
            else self.graph(vectors[:, 0])
        )
        phases, phase_regions, phase_weights = (
            _zeros(vectors, (n, self.classes), (n, regions), (n, windows))
            if self.transformer is None
            else self.transformer(vectors)
        )
        fusion = self.fusion(graph, phases)  # (N, 2)
        fused = fusion[:, :1] * graph + fusion[:, 1:] * phases  # (N, K)
        return fused, Shares(
            fusion=fusion,
            graph_regions=graph_regions,
            transformer_regions=phase_regions,
            windows=phase_weights,
            attention=attention,
        )


class GraphBranch(nn.Module):
    """Graph attention over the regions of one window."""

    def __init__(self, regions: int, task: Task, settings: HybridSettings, start: Tensor) -> None:
        super().__init__()
        width = settings.width
        self.layers = nn.ModuleList(
            GraphLayer(width, settings.heads, settings.dropout, start, normalise=settings.normalise)
            for _ in range(settings.depth)
        )
        self.regions = AttentionPooling(width, regions, learnable=settings.roi_attention)
        self.head = Head(regions * width, task, dropout=settings.dropout, skip=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits `(N, K)`, weights of regions `(N, R)` and attention `(N, depth, heads, R, R)` of `(N, R, D)`."""
        nodes, attention = run_layers(self.layers, x)  # (N, R, D)
        regions = self.regions(nodes)  # (N, R)
        weighed = nodes * regions[..., None] * nodes.shape[1]  # all alike: unchanged
        return self.head(weighed.flatten(1), x), regions, attention


class PhaseBranch(nn.Module):
    """Self-attention over the regions of all windows, but for a first one that is the graph's alone."""

    def __init__(self, windows: int, regions: int, task: Task, settings: HybridSettings) -> None:
        super().__init__()
        width = settings.width
        self.first = int(windows > 1 and _graph_alone_sees_apex(settings))
        phases = windows - self.first
        self.place = embedding(phases, 1, width)
        self.region = embedding(regions, width)
        self.layers = nn.ModuleList(
            TransformerLayer(width, settings.heads, settings.dropout, normalise=settings.normalise)
            for _ in range(settings.depth)
        )
        self.windows = AttentionPooling(width, phases, learnable=settings.roi_attention)
        self.regions = AttentionPooling(width, regions, learnable=settings.roi_attention)
        self.head = Head(phases * regions * width, task, dropout=settings.dropout, skip=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits `(N, K)`, weights of regions `(N, R)` and of windows `(N, W)` of `(N, W, R, D)`."""
        placed = x[:, self.first :] + self.place + self.region  # (N, T, R, D)
        mixed, _ = run_layers(self.layers, placed.flatten(1, 2))
        tokens = mixed.view(placed.shape)  # (N, T, R, D)
        windows, regions = self.windows(tokens.mean(2)), self.regions(tokens.mean(1))  # (N, T), (N, R)
        share = windows[:, :, None] * regions[:, None]  # (N, T, R)
        weighed = tokens * share[..., None] * share[0].numel()  # all alike: unchanged
        return self.head(weighed.flatten(1), x), regions, nn.functional.pad(windows, (self.first, 0))


class Fusion(nn.Module):
    """Weights of two branches; a branch that is not there has none.

    Args:
        present: whether there is a graph, a transformer.
        graph_share: the graph's weight at the start of learning, if both are there; for good if it is fixed.
    """

    def __init__(self, classes: int, kind: FusionKind, present: tuple[bool, bool], graph_share: float) -> None:
        super().__init__()
        both = all(present)
        lean = torch.tensor([log(graph_share / (1 - graph_share)), 0.0])  # 0 for one half each
        self.gate = nn.Linear(2 * classes, 2) if both and kind == "gate" else None
        if self.gate is not None:
            self.gate.bias.data += lean
        self.scores = nn.Parameter(lean) if both and kind == "weights" else None
        self.fixed = [graph_share, 1 - graph_share] if both else [float(there) for there in present]

    def forward(self, graph: Tensor, transformer: Tensor) -> Tensor:
        """Weights `(N, 2)` that sum to 1, of logits `(N, K)` each."""
        if self.gate is not None:
            scores: Tensor = self.gate(torch.cat([graph, transformer], dim=1))
            return scores.softmax(-1)
        shares = graph.new_tensor(self.fixed) if self.scores is None else self.scores.softmax(-1)
        return shares.expand(len(graph), 2)


def _graph_alone_sees_apex(settings: HybridSettings) -> bool:
    """Whether onset→apex is no window of the transformer's, but comes first for the graph."""
    return settings.graph and settings.windows_per_phase == len(PHASE_WINDOWS) // 2


def _zeros(like: Tensor, *shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    return tuple(like.new_zeros(shape) for shape in shapes)


def make_inputs(store: FaceStore, settings: HybridSettings) -> Inputs:
    """Motion of each region, `(N, W, R, 3, input_px, input_px)`: onset→apex for the graph, then the phase windows.

    No window comes twice, and none that no branch sees.
    """
    phases = phase_windows(store, settings.windows_per_phase if settings.transformer else 0)
    windows = phases if ONSET_APEX in phases or not settings.graph else (ONSET_APEX, *phases)
    return region_windows(store, settings.input_px, windows, whole_face=settings.whole_face)


def build(task: Task, settings: HybridSettings) -> Hybrid:
    """An untrained network for samples of shape `(W, R, C, s, s)`.

    Raises:
        ConfigError: interactions are to start from action units, and the training clips have none.
    """
    return Hybrid(task, settings)


def explain(network: Hybrid, x: Tensor) -> dict[str, Tensor]:
    """What counted for each of inputs `(N, W, R, C, s, s)`, attention as its mean `(N, R, R)` over layers and heads."""
    found = network.importances(x)
    attention = found.attention.flatten(1, 2)  # (N, depth·heads, R, R)
    return {**vars(found), "attention": attention.sum(1) / max(1, attention.shape[1])}


HYBRID = Network(
    settings=HybridSettings,
    presets={
        "default": {},
        "mission": {**MISSION_ATTENTION, "windows_per_phase": 2},
    },
    make_inputs=make_inputs,
    build=build,
    lockstep=lambda settings: settings.encoder == "linear",
    explain=explain,
)
