"""What training makes small: weighted cross-entropy or focal loss of soft targets, one value a lane.

Axes: L lanes, which are networks that train side by side · B rows of a batch · K classes.

Source: focal loss, Lin et al., ICCV 2017, doi:10.1109/ICCV.2017.324; label smoothing, Szegedy et al., CVPR 2016,
doi:10.1109/CVPR.2016.308; soft targets, Zhang et al., mixup, arXiv:1710.09412.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from microfacial.models.settings import OptimiserSettings

_POWERS = {"none": 0.0, "root": 0.5, "inverse": 1.0}


def class_weights(labels: NDArray[np.int64], classes: int, kind: str) -> NDArray[np.float64]:
    """Weights `(K,)` by a power of the inverse class frequencies, with mean 1 over the rows; 0 for an absent class.

    Args:
        kind: `none`, `root` or `inverse`.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -_POWERS[kind], 0.0)
    return np.asarray(weights * len(labels) / (weights * counts).sum(), dtype=np.float64)


def lane_losses(
    logits: Tensor, targets: Tensor, counts: Tensor, weights: Tensor, settings: OptimiserSettings
) -> Tensor:
    """Loss of each lane, `(L,)`: the mean over its rows, each as heavy as its classes are.

    A row of classes without weight counts for nothing, though smoothing would give it a share of others; a lane none
    of whose rows counts has loss 0.

    Args:
        logits: `(L, B, K)`.
        targets: shares of the classes, `(L, B, K)`, each row's sum 1.
        counts: 1 for a row that counts, 0 for one that fills a batch up, `(L, B)`.
        weights: of the classes, `(L, K)`.
        settings: which loss, its gamma, label smoothing.
    """
    heaviness = (targets * weights[:, None]).sum(-1) * counts  # (L, B)
    counts = counts * (heaviness > 0)
    smoothed = targets * (1 - settings.label_smoothing) + settings.label_smoothing / targets.shape[-1]
    surprise = logits.log_softmax(-1)  # (L, B, K), negative
    if settings.loss == "focal":
        surprise = surprise * (1 - surprise.exp()).clamp(min=0) ** settings.focal_gamma
    rows = -(smoothed * weights[:, None] * surprise).sum(-1) * counts  # (L, B)
    return rows.sum(1) / heaviness.sum(1).clamp(min=torch.finfo(logits.dtype).tiny)
