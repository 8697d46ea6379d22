import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from microfacial.models.settings import OptimiserSettings
from microfacial.training.losses import class_weights, lane_losses

LABELS = torch.tensor([[0, 2, 1, 0, 1], [1, 1, 2, 2, 2]])
WEIGHTS = torch.tensor([[0.5, 2.0, 1.5], [0.0, 1.0, 0.7]], dtype=torch.float64)
LOGITS = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TARGETS = one_hot(LABELS, 3).double()
SHARP = OptimiserSettings(label_smoothing=0.0)
FOCAL = OptimiserSettings(loss="focal", label_smoothing=0.0)
ALL = torch.ones(2, 5, dtype=torch.float64)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs_own_for_each_lane(smoothing: float) -> None:
    losses = lane_losses(LOGITS, TARGETS, ALL, WEIGHTS, OptimiserSettings(label_smoothing=smoothing))
    for lane in range(2):
        expected = cross_entropy(LOGITS[lane], LABELS[lane], WEIGHTS[lane], label_smoothing=smoothing)
        assert losses[lane].item() == pytest.approx(expected.item(), rel=1e-12)


def test_soft_targets_give_the_weighted_mean_over_their_shares() -> None:
    """As two rows, one of either class, that count as much as their shares."""
    logits, weights = LOGITS[:1, :1], WEIGHTS[:1]
    loss = lane_losses(logits, torch.tensor([[[0.3, 0.7, 0.0]]]).double(), ALL[:1, :1], weights, SHARP)
    zero, one = (cross_entropy(logits[0], torch.tensor([label])).item() for label in (0, 1))
    assert loss.item() == pytest.approx((0.3 * 0.5 * zero + 0.7 * 2.0 * one) / (0.3 * 0.5 + 0.7 * 2.0))


def test_focal_loss_of_even_odds_is_counted_by_hand() -> None:
    """(1 − ½)² · ln 2 for the first row, (1 − ¼)² · ln 4 for the second, of weights 1 and 3."""
    logits = torch.tensor([[[0.0, 0.0, -1e9], [math.log(0.75), math.log(0.25), -1e9]]]).double()
    targets = one_hot(torch.tensor([[0, 1]]), 3).double()
    weights = torch.tensor([[1.0, 3.0, 1.0]]).double()
    loss = lane_losses(logits, targets, ALL[:1, :2], weights, FOCAL.model_copy(update={"focal_gamma": 2.0}))
    assert loss.item() == pytest.approx((0.25 * math.log(2) + 3 * 0.5625 * math.log(4)) / 4)


def test_rows_that_fill_a_batch_up_do_not_count_and_an_idle_lane_has_no_gradient() -> None:
    counts = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).double()
    logits = LOGITS.clone().requires_grad_()
    losses = lane_losses(logits, TARGETS, counts, WEIGHTS, OptimiserSettings(loss="focal", label_smoothing=0.1))
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    assert losses[1] == 0
    assert torch.equal(gradient[1], torch.zeros(5, 3))
    assert torch.equal(gradient[0, 3:], torch.zeros(2, 3))
    short = lane_losses(LOGITS[:1, :3], TARGETS[:1, :3], ALL[:1, :3], WEIGHTS[:1], FOCAL)
    assert losses[0].item() != short.item()  # smoothing counts
    plain = lane_losses(LOGITS, TARGETS, counts, WEIGHTS, FOCAL)
    assert plain[0].item() == pytest.approx(short.item())


def test_classes_weigh_as_the_power_of_their_rarity_and_absent_ones_nothing() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    assert class_weights(labels, 3, "none") == pytest.approx([1, 1, 0])
    assert class_weights(labels, 3, "inverse") == pytest.approx([10 / 16, 10 / 4, 0])
    # 8^-½ : 2^-½ is 1 : 2, and (8·1 + 2·2) / 10 = 1.2
    assert class_weights(labels, 3, "root") == pytest.approx([1 / 1.2, 2 / 1.2, 0])


@pytest.mark.parametrize("kind", ["cross-entropy", "focal"])
def test_a_row_of_a_class_without_weight_counts_for_nothing_even_smoothed(kind: str) -> None:
    """Even odds of three classes. Row 0 is of class 0, which weighs nothing. Row 1, of class 1 and of weight 2, has
    smoothed targets 0.1, 0.8 and 0.1 of weights 0, 2 and 1: (0.8 · 2 + 0.1 · 1) · ln 3 / 2; a focal loss of gamma 2
    takes (2/3)² of it.
    """
    settings = OptimiserSettings.model_validate({"loss": kind, "focal_gamma": 2.0, "label_smoothing": 0.3})
    logits, weights = torch.zeros(2, 2, 3).double(), torch.tensor([[0.0, 2.0, 1.0]] * 2).double()
    targets = one_hot(torch.tensor([[0, 1], [0, 0]]), 3).double()
    some, none = lane_losses(logits, targets, ALL[:, :2], weights, settings).tolist()
    assert some == pytest.approx((4 / 9 if kind == "focal" else 1) * 1.7 * math.log(3) / 2)
    assert none == 0
