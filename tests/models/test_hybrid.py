from typing import Any

import numpy as np
import pytest
import torch
from variants import make_network, make_store

from microfacial.errors import ConfigError
from microfacial.models import Task
from microfacial.models.hybrid import HYBRID, Hybrid
from microfacial.models.inputs import portrait
from microfacial.models.presets import resolve
from microfacial.records import ONSET_APEX, PHASE_WINDOWS


def perturb(network: Hybrid) -> Hybrid:
    """Change all parameters at random, so that learnable weights differ from each other, as after training."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return network


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_fusion_starts_with_the_share_of_the_graph_and_fixed_fusion_keeps_it(share: float) -> None:
    learned, inputs = make_network("hybrid", {"fusion": "weights", "graph_share": share})
    assert learned.importances(inputs).fusion.tolist() == pytest.approx(np.tile([share, 1 - share], (3, 1)), abs=1e-6)
    fixed, _ = make_network("hybrid", {"fusion": "fixed", "graph_share": share})
    assert fixed.importances(inputs).fusion.tolist() == pytest.approx(np.tile([share, 1 - share], (3, 1)), abs=1e-6)
    assert not [name for name, _ in fixed.named_parameters() if name.startswith("fusion")]


def test_the_share_of_the_graph_only_shifts_the_bias_of_a_gate() -> None:
    (plain, inputs), (leaning, _) = (
        make_network("hybrid", {"fusion": "gate", "graph_share": share}) for share in (0.5, 0.9)
    )
    assert torch.equal(plain.fusion.gate.weight, leaning.fusion.gate.weight)
    assert torch.equal(plain.fusion.gate.bias[1], leaning.fusion.gate.bias[1])
    assert (leaning.importances(inputs).fusion[:, 0] > plain.importances(inputs).fusion[:, 0]).all()


@pytest.mark.parametrize("fusion", ["gate", "weights", "fixed"])
def test_the_importances_of_a_kind_sum_to_one_per_sample(fusion: str) -> None:
    network, inputs = make_network("hybrid", {"fusion": fusion, "depth": 2, "windows_per_phase": 2})
    importances = perturb(network).importances(inputs)
    assert importances.attention.shape == (3, 2, 4, 4, 4)
    assert torch.allclose(importances.attention.sum(-1), torch.ones(3, 2, 4, 4))
    for weights, parts in (
        (importances.fusion, 2),
        (importances.graph_regions, 4),
        (importances.transformer_regions, 4),
        (importances.windows, 5),
    ):
        assert weights.shape == (3, parts)
        assert torch.allclose(weights.sum(1), torch.ones(3))
    assert not importances.windows[:, 0].any()  # only the graph uses onset>apex
    assert torch.equal(importances.fusion, torch.full((3, 2), 0.5)) == (fusion == "fixed")
    assert (importances.graph_regions.std(1) > 0).all()


def test_regions_and_windows_have_equal_weights_without_learnable_queries() -> None:
    network, inputs = make_network("hybrid", {"roi_attention": False, "windows_per_phase": 2})
    importances = perturb(network).importances(inputs)
    assert torch.equal(importances.graph_regions, torch.full((3, 4), 0.25))
    assert torch.equal(importances.windows, torch.tensor([[0, 0.25, 0.25, 0.25, 0.25]] * 3))


def test_a_missing_branch_has_no_importance() -> None:
    network, inputs = make_network("hybrid", {"transformer": False})
    importances = network.importances(inputs)
    assert importances.fusion.tolist() == [[1, 0]] * 3
    assert not importances.windows.any()
    assert not importances.transformer_regions.any()
    network, inputs = make_network("hybrid", {"graph": False})
    importances = network.importances(inputs)
    assert importances.fusion.tolist() == [[0, 1]] * 3
    assert importances.attention.shape == (3, 0, 4, 4, 4)
    assert not importances.graph_regions.any()


@pytest.mark.parametrize(
    ("changes", "windows"),
    [
        ({"windows_per_phase": 2}, (ONSET_APEX, *PHASE_WINDOWS)),
        ({}, (ONSET_APEX, "apex>offset")),
        ({"windows_per_phase": 0}, (ONSET_APEX,)),
        ({"graph": False}, (ONSET_APEX, "apex>offset")),
        ({"transformer": False}, (ONSET_APEX,)),
    ],
)
def test_the_inputs_have_each_window_once_and_only_windows_that_a_branch_uses(
    changes: dict[str, Any], windows: tuple[str, ...]
) -> None:
    inputs = HYBRID.make_inputs(make_store(), HYBRID.settings.model_validate(changes))
    assert inputs.windows == windows
    assert inputs.values.shape == (3, len(windows), 4, 3, 14, 14)


@pytest.mark.parametrize(("per_phase", "used"), [(2, [1, 2, 3, 4]), (1, [0, 1]), (0, [0])])
def test_the_graph_uses_the_first_window_and_the_transformer_its_own_windows(per_phase: int, used: list[int]) -> None:
    network, inputs = make_network("hybrid", {"windows_per_phase": per_phase})
    importances = perturb(network).importances(inputs.requires_grad_())
    for weights, windows in ((importances.graph_regions, [0]), (importances.transformer_regions, used)):
        (gradient,) = torch.autograd.grad(weights[:, 0].sum(), inputs, retain_graph=True)
        assert gradient.flatten(2).any(dim=2).any(dim=0).nonzero()[:, 0].tolist() == windows


def test_in_training_each_part_has_logits_of_its_own_and_the_fusion_changes_no_branch() -> None:
    network, inputs = make_network("hybrid", {"dropout": 0.0})
    fused = network(inputs)
    network.returns_parts = True
    parts = network(inputs)
    assert parts.shape == (3, 4, 4)  # graph, transformer, whole face, fused branches
    share = network.face_share
    assert torch.allclose((1 - share) * parts[:, 3] + share * parts[:, 2], fused, atol=1e-6)
    weights = network.importances(inputs).fusion
    assert torch.allclose(weights[:, :1] * parts[:, 0] + weights[:, 1:] * parts[:, 1], parts[:, 3], atol=1e-6)
    parts[:, 3].square().sum().backward()
    changed = {name for name, value in network.named_parameters() if value.grad is not None and value.grad.any()}
    assert changed == {"fusion.scores"}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"face_share": 0.0}, 3),
        ({"whole_face": False}, 3),
        ({"graph": False}, 2),
        ({"graph": False, "face_share": 0.0}, 1),
        ({"graph": False, "skip": True}, 3),
        ({"part_losses": False}, None),
    ],
)
def test_only_parts_that_exist_have_a_loss(changes: dict[str, Any], parts: int | None) -> None:
    network, inputs = make_network("hybrid", changes)
    assert network(inputs).shape == (3, 4)
    network.returns_parts = True
    assert network(inputs).shape == ((3, 4) if parts is None else (3, parts, 4))


def test_the_part_of_the_whole_face_sees_nothing_else() -> None:
    network, inputs = make_network("hybrid", {})
    inputs.requires_grad_()
    network.returns_parts = True
    (gradient,) = torch.autograd.grad(network(inputs)[:, 2].sum(), inputs)
    touched = gradient.flatten(3).any(dim=3).any(dim=0).nonzero()
    assert touched.tolist() == [[0, 3]]  # onset→apex, whole face


def test_the_motion_prior_is_a_constant_part_of_the_prediction() -> None:
    names = ("happiness", "disgust", "surprise", "repression")
    settings = HYBRID.settings.model_validate({"prior_share": 0.25, "part_losses": False})
    inputs = HYBRID.make_inputs(make_store(), settings).values
    task = Task(shape=inputs.shape[1:], classes=4, co_occurrence=np.zeros((4, 4), np.float32), names=names)
    network: Any = HYBRID.build(task, settings).eval()
    x = torch.from_numpy(inputs)
    assert not [name for name, _ in network.named_parameters() if name.startswith("prior")]
    assert np.array_equal(inputs[:, 0, 3, :2], portrait(make_store(), 14).values)
    prior = network.prior(x[:, 0, 3])
    with_prior, network.prior = network(x), None
    assert torch.allclose(with_prior, 0.75 * network(x) + 0.25 * prior, atol=1e-5)


def test_the_prior_needs_the_whole_face() -> None:
    with pytest.raises(ConfigError, match="prior_share"):
        resolve("hybrid", {"prior_share": 0.5, "whole_face": False}, "models.hybrid")
