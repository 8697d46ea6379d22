"""Dropout with and without a key."""

import pytest
import torch

from microfacial.models.layers.dropout import Dropout


def test_without_a_key_dropout_is_the_one_of_torch() -> None:
    inputs, module = torch.ones(100, 50), Dropout(0.3)
    torch.manual_seed(0)
    outputs = module(inputs)
    torch.manual_seed(0)
    assert torch.equal(outputs, torch.nn.functional.dropout(inputs, 0.3))
    assert torch.equal(module.eval()(inputs), inputs)


def test_with_a_key_dropout_drops_its_share_evenly_and_other_values_for_another_key() -> None:
    module = Dropout(0.3)
    module.keyed = True
    masks = []
    for key in (5, 6):
        module.key.fill_(key)
        assert torch.equal(module(torch.ones(400, 500)), module(torch.ones(400, 500)))
        masks.append(module(torch.ones(400, 500)))
    kept = torch.stack(masks) > 0
    assert masks[0].unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert kept.double().mean((1, 2)).tolist() == pytest.approx([0.7, 0.7], abs=0.005)
    assert (kept[0] & kept[1]).double().mean().item() == pytest.approx(0.49, abs=0.005)
    assert (kept[0, :, 1:] & kept[0, :, :-1]).double().mean().item() == pytest.approx(0.49, abs=0.005)
