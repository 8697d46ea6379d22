"""Hybrid: a graph over the regions at the apex, a transformer over the windows, the whole face, and the motion prior.

    (N, W, R, 3, s, s) ─▶ one encoder pass per branch ─▶ (N, W, R, D)
        onset→apex     ─▶ graph attention ─▶ (N, R, D)    ─▶ weight regions             ─▶ (N, K) ┐
        phase windows  ─▶ self-attention  ─▶ (N, T, R, D) ─▶ weight windows and regions ─▶ (N, K) ┴▶ fuse ─▶ (N, K)
    whole face, onset→apex ─▶ one hidden layer ─▶ (N, K), averaged with the fused logits by the weight face_share
    whole face, onset→apex ─▶ motion prior, not trained ─▶ (N, K), averaged with the result by the weight prior_weight

In each branch, the weighted vectors are concatenated, so that each region keeps its place, and one linear layer turns
them into logits. `Hybrid.importances` returns all weights. Either branch can be switched off.

Each part has a loss of its own. The fusion learns its weights from the finished logits of the branches and does not
change the branches. Trained on the loss of the sum alone, a part stops learning as soon as another one is right.

Source: graph attention, Veličković et al., ICLR 2018, arXiv:1710.10903; transformer, Vaswani et al., NeurIPS 2017,
arXiv:1706.03762; losses of parts, Lee et al., Deeply-Supervised Nets, AISTATS 2015, arXiv:1409.5185.
"""

from math import prod
from typing import Literal

import torch
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from microfacial.models.base import MISSION_ATTENTION, Network, Task
from microfacial.models.inputs import FaceFrame, phase_windows, region_windows
from microfacial.models.layers.attention import (
    AttentionPooling,
    GraphLayer,
    TransformerLayer,
    embedding,
    initial_interactions,
    run_layers,
)
from microfacial.models.layers.encoders import Head, RegionEncoder, doubling_widths
from microfacial.models.layers.fusion import Fusion, FusionKind, HybridImportances
from microfacial.models.layers.parts import FacePart, PartNetwork
from microfacial.models.layers.prior_average import apex_motion
from microfacial.models.layers.prior_start import PriorStart
from microfacial.models.settings import Adjacency, AttentionSettings
from microfacial.records import ONSET_APEX, PHASE_WINDOWS, FaceStore, Inputs


class HybridSettings(AttentionSettings):
    """`models.hybrid` in params.yaml. Both branches use `depth` and `heads`."""

    graph: bool = True  # train the branch with attention between regions
    transformer: bool = Field(True, validate_default=True)  # train the branch over windows
    fusion: FusionKind = "weights"  # of the branches' weights: computed per face, learned for all faces, or constant
    graph_share: float = Field(0.5, gt=0, lt=1)  # weight of the graph at the start of training, or always if fixed
    prior_share: float = Field(0.0, ge=0, lt=1)  # weight of the motion prior; preset default: 0.5; 0: as `start` says
    part_losses: bool = True  # train each part with a loss of its own; false: with the loss of the sum of all parts
    face_share: float = Field(0.4, ge=0, lt=1)  # weight of the part of the whole face; 0 or no whole_face: no part
    face_hidden: int = Field(64, ge=1, le=8192)  # units of the hidden layer of this part
    roi_attention: bool = True  # learn the weights of regions and windows; false: equal weights
    adjacency: Adjacency = "learned"  # initial interactions; action-units: how often regions move together
    windows_per_phase: Literal[0, 1, 2] = 1  # windows before the apex, and after it; 0: only onset→apex

    @property
    def prior_weight(self) -> float:
        """Weight of the motion prior: `prior_share`, or that of every network if `start` alone asks for the prior."""
        return self.prior_share or super().prior_weight

    @field_validator("prior_share")
    @classmethod
    def _check_share_has_face(cls, prior_share: float, fields: ValidationInfo) -> float:
        if prior_share and not fields.data.get("whole_face", True):
            raise PydanticCustomError("prior_share", "must be 0 where whole_face is false: the prior needs it")
        return prior_share

    @field_validator("transformer")
    @classmethod
    def _check_has_branch(cls, transformer: bool, fields: ValidationInfo) -> bool:
        if not transformer and not fields.data.get("graph", True):
            raise PydanticCustomError("branches", "must be true where graph is false: a hybrid needs a branch")
        return transformer


class Hybrid(PartNetwork):
    """One encoder for the regions of all windows, one or two branches, and their fusion.

    Args:
        task: shape `(W, R, C, s, s)` of one sample, number of classes, and co-occurrence of regions.
        settings: settings of the network.

    Raises:
        ConfigError: interactions start from action units, but the training clips have none.
    """

    def __init__(self, task: Task, settings: HybridSettings) -> None:
        super().__init__()
        windows, regions = task.shape[:2]
        self.classes, self.heads = task.classes, settings.heads
        self.part_losses = settings.part_losses
        self.encoder = RegionEncoder(task.shape[-4:], doubling_widths(settings.width), settings)
        start = initial_interactions(task, regions, settings.adjacency)
        self.graph = GraphBranch(regions, task, settings, start) if settings.graph else None
        self.transformer = PhaseBranch(windows, regions, task, settings) if settings.transformer else None
        branches = settings.graph, settings.transformer
        self.fusion = Fusion(task.classes, settings.fusion, branches, settings.graph_share)
        self.skip = nn.Linear(prod(task.shape), task.classes, bias=False) if settings.skip else None
        self.face_share = settings.face_share if settings.whole_face else 0.0
        self.face = FacePart(task, settings.face_hidden, settings.dropout) if self.face_share else None
        self.prior_weight = settings.prior_weight
        self.prior = PriorStart(task, 0.0, trainable=False) if self.prior_weight else None

    def forward(self, x: Tensor) -> Tensor:
        """Return logits for maps of regions `(N, W, R, C, s, s)`.

        Returns:
            `(N, K)`. With `part_losses` and `returns_parts`, the logits of P parts, `(N, P, K)`.
        """
        graph, phases, weights = self._run_branches(x)
        parts = [logits for logits, branch in ((graph, self.graph), (phases, self.transformer)) if branch is not None]
        separate = self.returns_parts and self.part_losses
        branches = torch.stack([graph, phases], dim=1)  # (N, 2, K)
        shares = weights.fusion[..., None]  # (N, 2, 1)
        logits = (shares * (branches.detach() if separate else branches)).sum(1)  # (N, K)
        if self.skip is not None:
            logits = logits + self.skip(x.flatten(1))
        if self.face is not None:
            parts.append(self.face(x[:, 0, -1]))
            if not separate:
                logits = (1 - self.face_share) * logits + self.face_share * parts[-1]
        if not separate:
            if self.prior is not None:
                logits = (1 - self.prior_weight) * logits + self.prior_weight * self.prior(apex_motion(x))
            return logits
        sums = [logits] if self.skip is not None or (self.graph and self.transformer) else []  # with weights to train
        return torch.stack([*parts, *sums], dim=1)

    def importances(self, x: Tensor) -> HybridImportances:
        """Return the weights of branches, regions and windows for each sample.

        Args:
            x: maps of regions, `(N, W, R, C, s, s)`, as for `forward`.

        Returns:
            The weights, with gradients.
        """
        return self._run_branches(x)[2]

    def _run_branches(self, x: Tensor) -> tuple[Tensor, Tensor, HybridImportances]:
        """Return the logits of the graph and of the transformer, `(N, K)` each, and all weights.

        With `part_losses`, the weights of the fusion depend on the logits but pass no gradient to them.
        """
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
        importances = HybridImportances(
            fusion=self.fusion(graph.detach(), phases.detach()) if self.part_losses else self.fusion(graph, phases),
            graph_regions=graph_regions,
            transformer_regions=phase_regions,
            windows=phase_weights,
            attention=attention,
        )
        return graph, phases, importances


class GraphBranch(nn.Module):
    """Graph attention over the regions of one window.

    Args:
        regions: number of regions, R.
        task: number of classes.
        settings: settings of the network.
        start: initial interactions, `(R, R)`.
    """

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
        """Process the vectors of one window.

        Args:
            x: vectors of regions, `(N, R, D)`.

        Returns:
            Logits `(N, K)`, weights of regions `(N, R)`, and attention `(N, depth, heads, R, R)`.
        """
        nodes, attention = run_layers(self.layers, x)  # (N, R, D)
        regions = self.regions(nodes)  # (N, R)
        weighted = nodes * regions[..., None] * nodes.shape[1]  # equal weights change nothing
        return self.head(weighted.flatten(1), x), regions, attention


class PhaseBranch(nn.Module):
    """Self-attention over the regions of all windows. A first window that only the graph uses is left out.

    Args:
        windows: number of windows of the inputs, W.
        regions: number of regions, R.
        task: number of classes.
        settings: settings of the network.
    """

    def __init__(self, windows: int, regions: int, task: Task, settings: HybridSettings) -> None:
        super().__init__()
        width = settings.width
        self.first = int(windows > 1 and _apex_window_is_extra(settings))
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
        """Process the vectors of all windows.

        Args:
            x: vectors of regions, `(N, W, R, D)`.

        Returns:
            Logits `(N, K)`, weights of regions `(N, R)`, and weights of windows `(N, W)`.
        """
        placed = x[:, self.first :] + self.place + self.region  # (N, T, R, D)
        mixed, _ = run_layers(self.layers, placed.flatten(1, 2))
        tokens = mixed.view(placed.shape)  # (N, T, R, D)
        windows, regions = self.windows(tokens.mean(2)), self.regions(tokens.mean(1))  # (N, T), (N, R)
        share = windows[:, :, None] * regions[:, None]  # (N, T, R)
        weighted = tokens * share[..., None] * share[0].numel()  # equal weights change nothing
        return self.head(weighted.flatten(1), x), regions, nn.functional.pad(windows, (self.first, 0))


def _apex_window_is_extra(settings: HybridSettings) -> bool:
    """Return whether the window onset→apex, the first one, is only for the graph."""
    return settings.graph and settings.windows_per_phase == len(PHASE_WINDOWS) // 2


def _zeros(like: Tensor, *shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    return tuple(like.new_zeros(shape) for shape in shapes)


def _make_inputs(store: FaceStore, settings: HybridSettings) -> Inputs:
    """Return u, v and strain of each region, `(N, W, R, 3, input_px, input_px)`.

    The windows are onset→apex for the graph, then the phase windows. No window occurs twice, and each window
    is used by a branch.
    """
    phases = phase_windows(store, settings.windows_per_phase if settings.transformer else 0)
    windows = phases if ONSET_APEX in phases or not settings.graph else (ONSET_APEX, *phases)
    face: FaceFrame = "portrait" if settings.prior_weight else "square"
    return region_windows(store, settings.input_px, windows, whole_face=settings.whole_face, face=face)


def _explain(network: Hybrid, x: Tensor) -> dict[str, Tensor]:
    """Return `HybridImportances` by attribute for inputs `(N, W, R, C, s, s)`. Attention is a mean, `(N, R, R)`."""
    importances = network.importances(x)
    attention = importances.attention.flatten(1, 2)  # (N, depth·heads, R, R)
    return {**vars(importances), "attention": attention.sum(1) / max(1, attention.shape[1])}


HYBRID = Network(
    settings=HybridSettings,
    presets={
        "default": {"prior_share": 0.5},  # chosen on the tuning half of published maps; see docs/log.md
        "mission": {**MISSION_ATTENTION, "windows_per_phase": 2},
        "from_prior": {"start": "motion_prior"},  # the same
    },
    make_inputs=_make_inputs,
    build=Hybrid,
    lockstep=lambda settings: settings.encoder == "linear",
    explain=_explain,
    uses_prior=lambda settings: settings.prior_weight > 0,
)
