"""Losses of lanes and weights of classes."""

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
def test_cross_entropy_equals_that_of_torch_in_each_lane(smoothing: float) -> None:
    losses = lane_losses(LOGITS, TARGETS, ALL, WEIGHTS, OptimiserSettings(label_smoothing=smoothing))
    for lane in range(2):
        expected = cross_entropy(LOGITS[lane], LABELS[lane], WEIGHTS[lane], label_smoothing=smoothing)
        assert losses[lane].item() == pytest.approx(expected.item(), rel=1e-12)


def test_soft_targets_give_the_mean_over_their_classes_by_share_and_weight() -> None:
    """The row equals two rows, one of each class, whose weights are multiplied by the shares 0.3 and 0.7."""
    logits, weights = LOGITS[:1, :1], WEIGHTS[:1]
    loss = lane_losses(logits, torch.tensor([[[0.3, 0.7, 0.0]]]).double(), ALL[:1, :1], weights, SHARP)
    zero, one = (cross_entropy(logits[0], torch.tensor([label])).item() for label in (0, 1))
    assert loss.item() == pytest.approx((0.3 * 0.5 * zero + 0.7 * 2.0 * one) / (0.3 * 0.5 + 0.7 * 2.0))


def test_focal_loss_equals_a_calculation_by_hand() -> None:
    """The first row has weight 1 and loss (1 − ½)² · ln 2. The second row has weight 3 and loss (1 − ¼)² · ln 4."""
    logits = torch.tensor([[[0.0, 0.0, -1e9], [math.log(0.75), math.log(0.25), -1e9]]]).double()
    targets = one_hot(torch.tensor([[0, 1]]), 3).double()
    weights = torch.tensor([[1.0, 3.0, 1.0]]).double()
    loss = lane_losses(logits, targets, ALL[:1, :2], weights, FOCAL.model_copy(update={"focal_gamma": 2.0}))
    assert loss.item() == pytest.approx((0.25 * math.log(2) + 3 * 0.5625 * math.log(4)) / 4)


def test_masked_rows_do_not_count_and_a_masked_lane_has_no_gradient() -> None:
    mask = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).double()
    logits = LOGITS.clone().requires_grad_()
    losses = lane_losses(logits, TARGETS, mask, WEIGHTS, OptimiserSettings(loss="focal", label_smoothing=0.1))
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    assert losses[1] == 0
    assert torch.equal(gradient[1], torch.zeros(5, 3))
    assert torch.equal(gradient[0, 3:], torch.zeros(2, 3))
    short = lane_losses(LOGITS[:1, :3], TARGETS[:1, :3], ALL[:1, :3], WEIGHTS[:1], FOCAL)
    assert losses[0].item() != short.item()  # label smoothing is on in the first one only
    plain = lane_losses(LOGITS, TARGETS, mask, WEIGHTS, FOCAL)
    assert plain[0].item() == pytest.approx(short.item())


def test_class_weights_are_a_power_of_the_inverse_frequency_and_0_for_an_absent_class() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    assert class_weights(labels, 3, "none") == pytest.approx([1, 1, 0])
    assert class_weights(labels, 3, "inverse") == pytest.approx([10 / 16, 10 / 4, 0])
    # 8^-½ : 2^-½ equals 1 : 2, and the mean over rows is (8·1 + 2·2) / 10 = 1.2
    assert class_weights(labels, 3, "root") == pytest.approx([1 / 1.2, 2 / 1.2, 0])


@pytest.mark.parametrize("kind", ["cross-entropy", "focal"])
def test_a_row_of_a_class_with_weight_0_does_not_count_even_with_label_smoothing(kind: str) -> None:
    """All three classes are equally probable. Row 0 has class 0, whose weight is 0. Row 1 has class 1 with weight 2.
    Its smoothed targets are 0.1, 0.8 and 0.1, and the class weights are 0, 2 and 1. Its loss is therefore
    (0.8 · 2 + 0.1 · 1) · ln 3 / 2, and (2/3)² of that with the focal loss of gamma 2.
    """
    settings = OptimiserSettings.model_validate({"loss": kind, "focal_gamma": 2.0, "label_smoothing": 0.3})
    logits, weights = torch.zeros(2, 2, 3).double(), torch.tensor([[0.0, 2.0, 1.0]] * 2).double()
    targets = one_hot(torch.tensor([[0, 1], [0, 0]]), 3).double()
    some, none = lane_losses(logits, targets, ALL[:, :2], weights, settings).tolist()
    assert some == pytest.approx((4 / 9 if kind == "focal" else 1) * 1.7 * math.log(3) / 2)
    assert none == 0
