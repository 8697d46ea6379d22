"""Fusion of the logits of two branches, and the record of all weights of the hybrid.

Source: gate of two sources, Arevalo et al., arXiv:1702.01992.
"""

from dataclasses import dataclass
from math import log
from typing import Literal

import torch
from torch import Tensor, nn

FusionKind = Literal["gate", "weights", "fixed"]


class Fusion(nn.Module):
    """Weights of two branches. A missing branch has the weight 0.

    Args:
        classes: number of classes, K.
        kind: `gate`, `weights` or `fixed`; see `HybridSettings.fusion`.
        present: whether the network has a graph, and whether it has a transformer.
        graph_share: weight of the graph at the start of training, or always if `kind` is `fixed`. It is used only if
            both branches are present.
    """

    def __init__(self, classes: int, kind: FusionKind, present: tuple[bool, bool], graph_share: float) -> None:
        super().__init__()
        both = all(present)
        bias = torch.tensor([log(graph_share / (1 - graph_share)), 0.0])  # equal scores give equal weights
        self.gate = nn.Linear(2 * classes, 2) if both and kind == "gate" else None
        if self.gate is not None:
            self.gate.bias.data += bias
        self.scores = nn.Parameter(bias) if both and kind == "weights" else None
        self.fixed = [graph_share, 1 - graph_share] if both else [float(branch) for branch in present]

    def forward(self, graph: Tensor, transformer: Tensor) -> Tensor:
        """Return the weights of the branches.

        Args:
            graph: logits of the graph, `(N, K)`.
            transformer: logits of the transformer, `(N, K)`.

        Returns:
            `(N, 2)`. The two weights of a sample sum to 1.
        """
        if self.gate is not None:
            scores: Tensor = self.gate(torch.cat([graph, transformer], dim=1))
            return scores.softmax(-1)
        shares = graph.new_tensor(self.fixed) if self.scores is None else self.scores.softmax(-1)
        return shares.expand(len(graph), 2)


@dataclass(frozen=True, kw_only=True)
class HybridImportances:
    """The weights that the network gave to branches, regions and windows for each of N samples.

    The weights of one kind sum to 1 per sample. Those of a missing branch are 0.

    Attributes:
        fusion: weights of the graph and of the transformer, `(N, 2)`.
        graph_regions: weights of the regions in the graph, `(N, R)`.
        transformer_regions: weights of the regions in the transformer, `(N, R)`.
        windows: weights of the windows in the transformer, `(N, W)`, in the order of the inputs. A window that only the
            graph uses has the weight 0.
        attention: attention weights in the graph, `(N, depth, heads, R, R)`. Row i has the weights with which region i
            reads each region. Without a graph, depth is 0.
    """

    fusion: Tensor
    graph_regions: Tensor
    transformer_regions: Tensor
    windows: Tensor
    attention: Tensor
