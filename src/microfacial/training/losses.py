"""The losses of training, one value per lane: cross-entropy or focal loss of classes, binary cross-entropy of units.

Axes: L lanes, which are networks that train side by side · B rows of a batch · K classes · U action units.

Sources: focal loss, Lin et al., ICCV 2017, doi:10.1109/ICCV.2017.324; label smoothing, Szegedy et al., CVPR 2016,
doi:10.1109/CVPR.2016.308; soft targets, Zhang et al., mixup, arXiv:1710.09412.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import logsigmoid

from microfacial.models.settings import OptimiserSettings
from microfacial.records import FloatArray

_POWERS = {"none": 0.0, "root": 0.5, "inverse": 1.0}


def class_weights(labels: NDArray[np.int64], classes: int, kind: str) -> FloatArray:
    """Compute class weights as a power of the inverse class frequencies.

    Args:
        labels: class of each row, `(n,)`.
        classes: number of classes, K.
        kind: `none` for power 0, `root` for ½ or `inverse` for 1.

    Returns:
        Weights, `(K,)`. Their mean over the rows is 1. The weight of a class without rows is 0.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -_POWERS[kind], 0.0)
    return weights * len(labels) / (weights * counts).sum()


def lane_losses(logits: Tensor, targets: Tensor, mask: Tensor, weights: Tensor, settings: OptimiserSettings) -> Tensor:
    """Compute the loss of each lane: the mean over its rows, weighted by class.

    A row whose classes all have weight 0 does not count, although label smoothing would give it a share of other
    classes. The loss of a lane without rows that count is 0.

    Args:
        logits: `(L, B, K)`.
        targets: shares of the classes, `(L, B, K)`. The shares of a row sum to 1.
        mask: 1 for a row that counts, 0 for a row that only fills the batch, `(L, B)`.
        weights: weights of the classes, `(L, K)`.
        settings: kind of loss, focal gamma and label smoothing.

    Returns:
        Losses, `(L,)`.
    """
    row_weights = (targets * weights[:, None]).sum(-1) * mask  # (L, B)
    mask = mask * (row_weights > 0)
    smoothed = targets * (1 - settings.label_smoothing) + settings.label_smoothing / targets.shape[-1]
    surprise = logits.log_softmax(-1)  # (L, B, K), negative
    if settings.loss == "focal":
        surprise = surprise * (1 - surprise.exp()).clamp(min=0) ** settings.focal_gamma
    rows = -(smoothed * weights[:, None] * surprise).sum(-1) * mask  # (L, B)
    return rows.sum(1) / row_weights.sum(1).clamp(min=torch.finfo(logits.dtype).tiny)


def unit_class_weights(units: NDArray[np.float32], kind: str) -> FloatArray:
    """Compute the weights of both states of each action unit from its frequency in annotated rows.

    Args:
        units: 1 for a unit that moves, 0 for one that does not, NaN if that is unknown, `(n, U)`.
        kind: see `class_weights`.

    Returns:
        Weights of a still and of a moving unit, `(U, 2)`. They are 0 for a unit without annotated rows.
    """
    weights = np.zeros((units.shape[1], 2))
    for row, values in zip(weights, units.T, strict=True):
        known = values[~np.isnan(values)].astype(np.int64)
        if len(known):
            row[:] = class_weights(known, 2, kind)
    return weights


def lane_unit_losses(logits: Tensor, targets: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Compute the binary cross-entropy of action units for each lane: the weighted mean over all annotated states.

    Args:
        logits: `(L, B, U)`.
        targets: share of each unit that moves, 0 to 1, `(L, B, U)`; NaN where it is unknown, which does not count.
        mask: 1 for a row that counts, 0 for a row that only fills the batch, `(L, B)`.
        weights: weights of a still and of a moving unit, `(L, U, 2)`.

    Returns:
        Losses, `(L,)`. The loss of a lane without annotated states is 0.
    """
    known = ~targets.isnan()
    moves = targets.nan_to_num(0.0)
    still, moving = weights[:, None].unbind(-1)  # (L, 1, U) each
    shares = torch.stack([still * (1 - moves), moving * moves]) * (known * mask[..., None])  # (2, L, B, U)
    surprise = -torch.stack([logsigmoid(-logits), logsigmoid(logits)])
    total = shares.sum((0, 2, 3)).clamp(min=torch.finfo(logits.dtype).tiny)
    return (shares * surprise).sum((0, 2, 3)) / total
